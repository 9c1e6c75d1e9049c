{{/* The HAProxy container. */}}
{{- define "haproxy.container" -}}
{{- $v := .Values -}}
{{- $ports := include "haproxy.containerPorts" . | fromYamlArray -}}
{{- $health := dict "exec" (dict "command" (list "/usr/local/bin/haproxy-health")) -}}
name: haproxy
image: {{ include "larder.image" (dict "root" . "image" $v.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $v.image }}
{{- include "larder.command" (dict "root" . "values" $v) }}
env:
  {{- if not (include "haproxy.configmapName" .) }}
  - name: HAPROXY_PORT
    value: {{ (first $ports).containerPort | toString | quote }}
  {{- end }}
  # Without metrics, no port: the health command uses a socket.
  - name: HAPROXY_HEALTH_PORT
    value: {{ ternary (toString $v.metrics.containerPorts.metrics) "" $v.metrics.enabled | quote }}
  {{- with $v.extraEnvVars }}
  {{- include "larder.tpl" (dict "value" . "root" $) | nindent 2 }}
  {{- end }}
{{- include "larder.envFrom" (dict "root" . "values" $v) }}
ports:
  {{- toYaml $ports | nindent 2 }}
  {{- if $v.metrics.enabled }}
  - name: metrics
    containerPort: {{ int $v.metrics.containerPorts.metrics }}
  {{- end }}
{{- include "larder.probes" (dict "root" . "values" $v "live" $health "ready" $health) }}
{{- include "larder.containerLimits" (dict "root" . "values" $v) }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if include "haproxy.configmapName" . }}
  - name: configuration
    mountPath: /usr/local/etc/haproxy
    readOnly: true
  {{- end }}
  {{- with $v.extraVolumeMounts }}
  {{- include "larder.tpl" (dict "value" . "root" $) | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Volumes of the pods. */}}
{{- define "haproxy.volumes" -}}
- name: tmp
  emptyDir: {}
{{- with include "haproxy.configmapName" . }}
- name: configuration
  configMap:
    name: {{ . | quote }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ include "larder.tpl" (dict "value" . "root" $) }}
{{- end }}
{{- end -}}
