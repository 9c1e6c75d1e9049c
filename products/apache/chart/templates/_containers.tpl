{{/* Whether pages come from a volume. */}}
{{- define "apache.hasSite" -}}
{{- if or .Values.cloneHtdocsFromGit.enabled .Values.htdocsPVC .Values.htdocsConfigMap -}}true{{- end -}}
{{- end -}}

{{/* Variables of the Apache container. */}}
{{- define "apache.env" -}}
{{- $ports := .Values.containerPorts -}}
- name: APACHE_HTTP_PORT_NUMBER
  value: {{ $ports.http | default "" | toString | quote }}
- name: APACHE_HTTPS_PORT_NUMBER
  value: {{ ternary ($ports.https | default "" | toString) "" .Values.tls.enabled | quote }}
- name: APACHE_STATUS_PORT_NUMBER
  value: {{ include "apache.statusPort" . | quote }}
{{- if .Values.image.debug }}
- name: APACHE_LOG_LEVEL
  value: debug
{{- end }}
{{- with .Values.extraEnvVars }}
{{ include "larder.tpl" (dict "value" . "root" $) }}
{{- end }}
{{- end -}}

{{/* The Apache container. */}}
{{- define "apache.container" -}}
{{- $v := .Values -}}
{{- $alive := dict "exec" (dict "command" (list "/usr/local/bin/apache-health" "alive")) -}}
{{- $ready := dict "exec" (dict "command" (list "/usr/local/bin/apache-health")) -}}
{{- with $v.readinessProbe.path -}}
{{- $ready = dict "httpGet" (dict "path" . "port" ($v.readinessProbe.port | default (include "apache.firstPort" $))) -}}
{{- if eq (toString $ready.httpGet.port) "https" }}{{ $_ := set $ready.httpGet "scheme" "HTTPS" }}{{ end -}}
{{- end -}}
{{- $probed := merge (dict "readinessProbe" (omit $v.readinessProbe "path" "port")) (omit $v "readinessProbe") -}}
name: apache
image: {{ include "larder.image" (dict "root" . "image" $v.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $v.image }}
{{- include "larder.command" (dict "root" . "values" $v) }}
env:
  {{- include "apache.env" . | nindent 2 }}
{{- include "larder.envFrom" (dict "root" . "values" $v) }}
ports:
  {{- with $v.containerPorts.http }}
  - name: http
    containerPort: {{ int . }}
  {{- end }}
  {{- if and $v.tls.enabled $v.containerPorts.https }}
  - name: https
    containerPort: {{ int $v.containerPorts.https }}
  {{- end }}
  {{- with $v.extraContainerPorts }}
  {{- include "larder.tpl" (dict "value" . "root" $) | nindent 2 }}
  {{- end }}
{{- include "larder.probes" (dict "root" . "values" $probed "live" $alive "ready" $ready) }}
{{- include "larder.containerLimits" (dict "root" . "values" $v) }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if or $v.vhosts $v.vhostsConfigMap }}
  # The same folder as /vhosts.
  - name: vhosts
    mountPath: /etc/apache2/vhosts
    readOnly: true
  {{- end }}
  {{- if $v.httpdConfConfigMap }}
  - name: httpd-conf
    mountPath: /etc/apache2/apache2.conf
    subPath: httpd.conf
    readOnly: true
  {{- end }}
  {{- if include "apache.hasSite" . }}
  # The same folder as /app.
  - name: site
    mountPath: /var/www/html
    readOnly: true
  {{- end }}
  {{- if $v.tls.enabled }}
  - name: certificate
    mountPath: /certs
    readOnly: true
  {{- end }}
  {{- with $v.extraVolumeMounts }}
  {{- include "larder.tpl" (dict "value" . "root" $) | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The exporter. */}}
{{- define "apache.exporterContainer" -}}
{{- $values := .Values.metrics -}}
{{- $page := printf "http://127.0.0.1:%s/server-status?auto" (include "apache.statusPort" .) -}}
{{- $args := list (printf "--scrape_uri=%s" (tpl ($values.scrapeUri | default $page) .)) (printf "--web.listen-address=:%d" (int $values.containerPort)) -}}
{{- $args = concat $args ($values.extraArgs | default list) -}}
{{- $alive := dict "tcpSocket" (dict "port" "metrics") -}}
{{- $answer := dict "httpGet" (dict "path" "/metrics" "port" "metrics") -}}
name: metrics
image: {{ include "larder.image" (dict "root" . "image" $values.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $values.image }}
{{- include "larder.command" (dict "root" . "values" dict "args" $args) }}
ports:
  - name: metrics
    containerPort: {{ int $values.containerPort }}
{{- include "larder.probes" (dict "root" . "values" $values "live" $alive "ready" $answer) }}
{{- include "larder.containerLimits" (dict "root" . "values" (merge (dict "containerSecurityContext" $values.securityContext) (pick $values "resources" "resourcesPreset"))) }}
{{- end -}}

{{/* Volumes of the pods. */}}
{{- define "apache.volumes" -}}
{{- $v := .Values -}}
{{- $full := include "larder.fullname" . -}}
- name: tmp
  emptyDir: {}
{{- if or $v.vhosts $v.vhostsConfigMap }}
- name: vhosts
  configMap:
    {{- if $v.vhostsConfigMap }}
    name: {{ tpl $v.vhostsConfigMap . | quote }}
    {{- else }}
    name: {{ $full }}-configuration
    items:
      - key: vhosts.conf
        path: vhosts.conf
    {{- end }}
{{- end }}
{{- if $v.httpdConfConfigMap }}
- name: httpd-conf
  configMap:
    name: {{ tpl $v.httpdConfConfigMap . | quote }}
{{- end }}
{{- if $v.cloneHtdocsFromGit.enabled }}
- name: site
  emptyDir: {}
- name: git
  emptyDir: {}
- name: scripts
  configMap:
    name: {{ $full }}-configuration
    items:
      - key: copy-site.sh
        path: copy-site.sh
{{- else if $v.htdocsPVC }}
- name: site
  persistentVolumeClaim:
    claimName: {{ tpl $v.htdocsPVC . | quote }}
{{- else if $v.htdocsConfigMap }}
- name: site
  configMap:
    name: {{ tpl $v.htdocsConfigMap . | quote }}
{{- end }}
{{- if $v.tls.enabled }}
{{ include "larder.tlsVolume" (dict "root" . "cert" "tls.crt" "key" "tls.key") }}
{{- end }}
{{- with $v.extraVolumes }}
{{ include "larder.tpl" (dict "value" . "root" $) }}
{{- end }}
{{- end -}}
