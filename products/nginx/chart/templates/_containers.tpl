{{/* Whether pages come from a volume. */}}
{{- define "nginx.hasSite" -}}
{{- if or .Values.cloneStaticSiteFromGit.enabled .Values.staticSitePVC .Values.staticSiteConfigmap -}}true{{- end -}}
{{- end -}}

{{/* Variables of the nginx container. */}}
{{- define "nginx.env" -}}
{{- $ports := .Values.containerPorts -}}
- name: NGINX_HTTP_PORT_NUMBER
  value: {{ $ports.http | default "" | toString | quote }}
{{- if and .Values.tls.enabled $ports.https }}
- name: NGINX_HTTPS_PORT_NUMBER
  value: {{ $ports.https | toString | quote }}
- name: NGINX_TLS_CERT_FILE
  value: /certs/server.crt
- name: NGINX_TLS_KEY_FILE
  value: /certs/server.key
{{- end }}
- name: NGINX_HEALTH_PORT
  value: {{ $ports.http | default $ports.https | toString | quote }}
{{- if .Values.image.debug }}
- name: NGINX_LOG_LEVEL
  value: info
{{- end }}
{{- with .Values.extraEnvVars }}
{{ include "larder.tpl" (dict "value" . "root" $) }}
{{- end }}
{{- end -}}

{{/* The nginx container. */}}
{{- define "nginx.container" -}}
{{- $v := .Values -}}
{{- $alive := dict "exec" (dict "command" (list "/usr/local/bin/nginx-health" "alive")) -}}
{{- $ready := dict "exec" (dict "command" (list "/usr/local/bin/nginx-health")) -}}
{{- with $v.readinessProbe.path -}}
{{- $ready = dict "httpGet" (dict "path" . "port" (ternary "http" "https" (not (empty $v.containerPorts.http)))) -}}
{{- if not $v.containerPorts.http }}{{ $_ := set $ready.httpGet "scheme" "HTTPS" }}{{ end -}}
{{- end -}}
{{- $probed := merge (dict "readinessProbe" (omit $v.readinessProbe "path")) (omit $v "readinessProbe") -}}
name: nginx
image: {{ include "larder.image" (dict "root" . "image" $v.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $v.image }}
{{- include "larder.command" (dict "root" . "values" $v) }}
env:
  {{- include "nginx.env" . | nindent 2 }}
{{- include "larder.envFrom" (dict "root" . "values" $v) }}
ports:
  {{- range $name := list "http" "https" }}
  {{- with get $v.containerPorts $name }}
  - name: {{ $name }}
    containerPort: {{ int . }}
  {{- end }}
  {{- end }}
  {{- with $v.extraContainerPorts }}
  {{- include "larder.tpl" (dict "value" . "root" $) | nindent 2 }}
  {{- end }}
{{- include "larder.probes" (dict "root" . "values" $probed "live" $alive "ready" $ready) }}
{{- include "larder.containerLimits" (dict "root" . "values" $v) }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- $volumes := include "nginx.configurationVolumes" . | fromYamlArray }}
  {{- $paths := dict "server-blocks" "conf.d" "stream-server-blocks" "stream.d" "context-main" "context.d/main" "context-events" "context.d/events" "context-http" "context.d/http" }}
  {{- range $volumes }}
  - name: {{ .name }}
    mountPath: /etc/nginx/{{ get $paths .name }}
    readOnly: true
  {{- end }}
  {{- if include "nginx.hasSite" . }}
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
{{- define "nginx.exporterContainer" -}}
{{- $values := .Values.metrics -}}
{{- $port := $values.port | default (include "nginx.statusPort" .) -}}
{{- $args := list (printf "--nginx.scrape-uri=http://127.0.0.1:%v/status" $port) (printf "--web.listen-address=:%d" (int $values.containerPorts.metrics)) -}}
{{- $args = concat $args ($values.extraArgs | default list) -}}
{{- $alive := dict "tcpSocket" (dict "port" "metrics") -}}
{{- $answer := dict "httpGet" (dict "path" "/metrics" "port" "metrics") -}}
name: metrics
image: {{ include "larder.image" (dict "root" . "image" $values.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $values.image }}
{{- include "larder.command" (dict "root" . "values" dict "args" $args) }}
ports:
  - name: metrics
    containerPort: {{ int $values.containerPorts.metrics }}
{{- include "larder.probes" (dict "root" . "values" $values "live" $alive "ready" $answer) }}
{{- include "larder.containerLimits" (dict "root" . "values" (merge (dict "containerSecurityContext" $values.securityContext) (pick $values "resources" "resourcesPreset"))) }}
{{- end -}}

{{/* Volumes of the pods. */}}
{{- define "nginx.volumes" -}}
{{- $v := .Values -}}
- name: tmp
  emptyDir: {}
{{- include "nginx.configurationVolumes" . }}
{{- if $v.cloneStaticSiteFromGit.enabled }}
- name: site
  emptyDir: {}
- name: git
  emptyDir: {}
- name: scripts
  configMap:
    name: {{ include "larder.fullname" . }}-configuration
    items:
      - key: copy-site.sh
        path: copy-site.sh
{{- else if $v.staticSitePVC }}
- name: site
  persistentVolumeClaim:
    claimName: {{ tpl $v.staticSitePVC . | quote }}
{{- else if $v.staticSiteConfigmap }}
- name: site
  configMap:
    name: {{ tpl $v.staticSiteConfigmap . | quote }}
{{- end }}
{{- if $v.tls.enabled }}
{{ include "larder.tlsVolume" (dict "root" . "cert" "server.crt" "key" "server.key") }}
{{- end }}
{{- with $v.extraVolumes }}
{{ include "larder.tpl" (dict "value" . "root" $) }}
{{- end }}
{{- end -}}
