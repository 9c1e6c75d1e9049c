{{/* User and password. */}}
{{- define "memcached.authEnv" -}}
- name: MEMCACHED_USERNAME
  value: {{ tpl .Values.auth.username . | quote }}
- name: MEMCACHED_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "memcached.secretName" . | quote }}
      key: memcached-password
{{- end -}}

{{/* The Memcached container. */}}
{{- define "memcached.container" -}}
{{- $v := .Values -}}
{{- $persistent := include "memcached.persistent" . -}}
{{- $health := dict "exec" (dict "command" (list "/usr/local/bin/memcached-health")) -}}
{{- $args := list -}}
{{- if $persistent }}{{ $args = append $args "--memory-file=/cache-state/memory_file" }}{{ end -}}
{{- if $v.image.debug }}{{ $args = append $args "-vv" }}{{ end -}}
{{- $limits := $v -}}
{{- if and $persistent (not $v.lifecycleHooks) -}}
{{- /* On this signal, Memcached writes what is needed to read its memory again. The hook ends with the container. */}}
{{- $limits = merge (dict "lifecycleHooks" (dict "preStop" (dict "exec" (dict "command" (list "/bin/sh" "-c" "kill -USR1 1 && sleep 60"))))) (omit $v "lifecycleHooks") -}}
{{- end -}}
name: memcached
image: {{ include "larder.image" (dict "root" . "image" $v.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $v.image }}
{{- include "larder.command" (dict "root" . "values" $v "args" $args) }}
env:
  - name: MEMCACHED_PORT_NUMBER
    value: {{ $v.containerPorts.memcached | quote }}
  {{- if $v.auth.enabled }}
  {{- include "memcached.authEnv" . | nindent 2 }}
  {{- end }}
  {{- with $v.extraEnvVars }}
  {{- include "larder.tpl" (dict "value" . "root" $) | nindent 2 }}
  {{- end }}
{{- include "larder.envFrom" (dict "root" . "values" $v) }}
ports:
  - name: memcache
    containerPort: {{ int $v.containerPorts.memcached }}
{{- include "larder.probes" (dict "root" . "values" $v "live" $health "ready" $health) }}
{{- include "larder.containerLimits" (dict "root" . "values" $limits) }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if $persistent }}
  - name: data
    mountPath: /cache-state
  {{- end }}
  {{- with $v.extraVolumeMounts }}
  {{- include "larder.tpl" (dict "value" . "root" $) | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The exporter: the program in the image of Memcached, or an image of values, which has the same arguments. */}}
{{- define "memcached.exporterContainer" -}}
{{- $values := .Values.metrics -}}
{{- $answer := dict "httpGet" (dict "path" "/metrics" "port" "metrics") -}}
{{- $alive := dict "tcpSocket" (dict "port" "metrics") -}}
{{- $args := list (printf "--memcached.address=127.0.0.1:%d" (int .Values.containerPorts.memcached)) (printf "--web.listen-address=:%d" (int $values.containerPorts.metrics)) -}}
{{- $command := ternary list (list "/usr/local/bin/memcached-metrics") (not (empty $values.image.repository)) -}}
name: metrics
image: {{ include "larder.image" (dict "root" . "image" $values.image "default" .Values.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $values.image }}
{{- include "larder.command" (dict "root" . "values" dict "command" $command "args" $args) }}
{{- if .Values.auth.enabled }}
env:
  {{- include "memcached.authEnv" . | nindent 2 }}
{{- end }}
ports:
  - name: metrics
    containerPort: {{ int $values.containerPorts.metrics }}
{{- include "larder.probes" (dict "root" . "values" $values "live" $alive "ready" $answer) }}
{{- include "larder.containerLimits" (dict "root" . "values" (pick $values "containerSecurityContext" "resources" "resourcesPreset")) }}
{{- end -}}
