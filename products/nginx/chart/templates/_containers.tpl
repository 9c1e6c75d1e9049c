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
{{- $health := dict "exec" (dict "command" (list "/usr/local/bin/nginx-health")) -}}
{{- $ready := $health -}}
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
{{- include "larder.probes" (dict "root" . "values" $probed "live" $health "ready" $ready) }}
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

{{/* A container that copies the site from git. Takes root, name, values (command, args), args (the chart's own) and serving (whether it stays). */}}
{{- define "nginx.gitContainer" -}}
{{- $git := .root.Values.cloneStaticSiteFromGit -}}
{{- $limits := dict "containerSecurityContext" .root.Values.containerSecurityContext "resources" $git.gitSync.resources "resourcesPreset" $git.gitSync.resourcesPreset -}}
name: {{ .name }}
image: {{ include "larder.image" (dict "root" .root "image" $git.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $git.image }}
{{- include "larder.command" (dict "root" .root "values" .values "command" (list "/bin/sh" "/opt/site/copy-site.sh") "args" .args) }}
env:
  - name: SITE_REPOSITORY
    value: {{ tpl $git.repository .root | quote }}
  - name: SITE_BRANCH
    value: {{ tpl $git.branch .root | quote }}
  - name: SITE_SECONDS
    value: {{ include "larder.text" $git.interval | quote }}
  - name: GIT_DIR
    value: /git/repository
  - name: GIT_WORK_TREE
    value: /app
  - name: HOME
    value: /git
  - name: TMPDIR
    value: /git
  {{- with $git.extraEnvVars }}
  {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 2 }}
  {{- end }}
{{- include "larder.envFrom" (dict "root" .root "values" (dict "extraEnvVarsSecret" $git.extraEnvVarsSecret)) }}
{{- if .serving }}
{{- $copied := dict "exec" (dict "command" (list "test" "-f" "/git/repository/FETCH_HEAD")) }}
{{- $probe := dict "enabled" true "periodSeconds" 60 }}
{{- include "larder.probes" (dict "root" .root "values" (dict "livenessProbe" $probe "readinessProbe" $probe) "live" $copied "ready" $copied) }}
{{- end }}
{{- include "larder.containerLimits" (dict "root" .root "values" $limits) }}
volumeMounts:
  - name: site
    mountPath: /app
  - name: git
    mountPath: /git
  - name: scripts
    mountPath: /opt/site
    readOnly: true
  {{- with $git.extraVolumeMounts }}
  {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 2 }}
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
{{- include "larder.containerLimits" (dict "root" . "values" (merge (dict "containerSecurityContext" $values.securityContext) $values)) }}
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
{{- $keys := include "nginx.tlsKeys" . | fromYaml }}
{{- $paths := list (list $keys.cert "server.crt") (list $keys.key "server.key") (list $keys.cert $keys.cert) (list $keys.key $keys.key) | uniq }}
- name: certificate
  projected:
    sources:
      - secret:
          name: {{ include "nginx.tlsSecretName" . | quote }}
          items:
            {{- range $paths }}
            - key: {{ index . 0 | quote }}
              path: {{ index . 1 | quote }}
            {{- end }}
      - secret:
          name: {{ include "nginx.tlsSecretName" . | quote }}
          # Not every certificate comes with that of its authority.
          optional: true
          items:
            - key: {{ $keys.ca | quote }}
              path: {{ $keys.ca | quote }}
{{- end }}
{{- with $v.extraVolumes }}
{{ include "larder.tpl" (dict "value" . "root" $) }}
{{- end }}
{{- end -}}
