{{/* Variables of accounts, on a primary. Takes root. */}}
{{- define "mariadb.accountEnv" -}}
{{- $root := .root -}}
{{- include "mariadb.passwordEnv" (dict "root" $root "kind" "root" "name" "MARIADB_ROOT_PASSWORD") }}
{{- with include "mariadb.username" $root }}
- name: MARIADB_USER
  value: {{ . | quote }}
{{- include "mariadb.passwordEnv" (dict "root" $root "kind" "user" "name" "MARIADB_PASSWORD") }}
{{- end }}
{{- with include "mariadb.database" $root }}
- name: MARIADB_DATABASE
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Variables of replication. Takes root and component. */}}
{{- define "mariadb.replicationEnv" -}}
{{- $root := .root -}}
- name: MARIADB_REPLICATION_MODE
  value: {{ ternary "master" "slave" (eq .component "primary") }}
- name: MARIADB_REPLICATION_USER
  value: {{ $root.Values.auth.replicationUser | quote }}
{{- include "mariadb.passwordEnv" (dict "root" $root "kind" "replicator" "name" "MARIADB_REPLICATION_PASSWORD") }}
{{- if eq .component "secondary" }}
- name: MARIADB_MASTER_HOST
  value: {{ include "mariadb.primaryHost" $root | quote }}
- name: MARIADB_MASTER_PORT_NUMBER
  value: {{ int $root.Values.primary.service.ports.mysql | quote }}
{{- end }}
{{- end -}}

{{/* Variables of TLS, which the image's entry point reads. */}}
{{- define "mariadb.tlsEnv" -}}
{{- if .Values.tls.enabled }}
{{- $own := include "mariadb.ownCertificate" . }}
- name: MARIADB_ENABLE_SSL
  value: "yes"
- name: MARIADB_SSL_CERT_FILE
  value: /run/secrets/mariadb-tls/{{ ternary "tls.crt" .Values.tls.certFilename (not (empty $own)) }}
- name: MARIADB_SSL_KEY_FILE
  value: /run/secrets/mariadb-tls/{{ ternary "tls.key" .Values.tls.certKeyFilename (not (empty $own)) }}
{{- with ternary "ca.crt" .Values.tls.certCAFilename (not (empty $own)) }}
- name: MARIADB_SSL_CA_FILE
  value: /run/secrets/mariadb-tls/{{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Arguments of the server that values ask for. Takes root and values. */}}
{{- define "mariadb.flags" -}}
{{- $flags := list -}}
{{- if .root.Values.image.debug }}{{ $flags = append $flags "--log-warnings=4" }}{{ end -}}
{{- with .values.extraFlags }}{{ $flags = append $flags (tpl . $.root) }}{{ end -}}
{{- join " " $flags -}}
{{- end -}}

{{/* The MariaDB container. Takes root, component and values. */}}
{{- define "mariadb.container" -}}
{{- $root := .root -}}
name: mariadb
image: {{ include "larder.image" (dict "root" $root "image" $root.Values.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $root.Values.image }}
{{- include "larder.command" (dict "root" $root "values" .values) }}
env:
  - name: MARIADB_PORT_NUMBER
    value: {{ int .values.containerPorts.mysql | quote }}
  - name: MARIADB_DATA_DIR
    value: {{ printf "%s/data" (.values.persistence.mountPath | trimSuffix "/") | quote }}
  {{- if eq .component "primary" }}
  {{- include "mariadb.accountEnv" . | nindent 2 }}
  {{- end }}
  {{- if include "mariadb.replicates" $root }}
  {{- include "mariadb.replicationEnv" . | nindent 2 }}
  {{- end }}
  {{- include "mariadb.tlsEnv" $root | nindent 2 }}
  {{- with include "mariadb.flags" . }}
  - name: MARIADB_EXTRA_FLAGS
    value: {{ . | quote }}
  {{- end }}
  {{- with .values.extraEnvVars }}
  {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 2 }}
  {{- end }}
{{- include "larder.envFrom" . }}
ports:
  - name: mysql
    containerPort: {{ int .values.containerPorts.mysql }}
{{- $health := dict "exec" (dict "command" (list "/usr/local/bin/mariadb-health")) -}}
{{- include "larder.probes" (dict "root" $root "values" .values "live" $health "ready" $health) }}
{{- include "larder.containerLimits" . }}
volumeMounts:
  - name: data
    mountPath: {{ .values.persistence.mountPath | quote }}
    {{- with .values.persistence.subPath }}
    subPath: {{ tpl . $root | quote }}
    {{- end }}
  {{- if or .values.configuration .values.existingConfigmap }}
  - name: configuration
    mountPath: /usr/local/etc/mariadb/conf.d
    readOnly: true
  {{- end }}
  {{- if eq .component "primary" }}
  {{- range $name := list "initdb" "startdb" }}
  {{- if include "mariadb.hasScripts" (dict "root" $root "name" $name) }}
  - name: {{ $name }}-scripts
    mountPath: /docker-entrypoint-{{ $name }}.d
    readOnly: true
  {{- end }}
  {{- end }}
  {{- end }}
  - name: tmp
    mountPath: /tmp
  {{- include "mariadb.passwordMount" $root | nindent 2 }}
  {{- if $root.Values.tls.enabled }}
  - name: certificate
    mountPath: /run/secrets/mariadb-tls
    readOnly: true
  {{- end }}
  {{- with .values.extraVolumeMounts }}
  {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 2 }}
  {{- end }}
{{- end -}}

{{/*
The exporter. It connects to the socket that both containers share, as the account of the containers' user, without a password.
Takes root and component.
*/}}
{{- define "mariadb.exporterContainer" -}}
{{- $root := .root -}}
{{- $values := $root.Values.metrics -}}
{{- $answer := dict "httpGet" (dict "path" "/metrics" "port" "metrics") -}}
{{- $alive := dict "tcpSocket" (dict "port" "metrics") -}}
{{- $args := list "--config.my-cnf=/etc/mysqld-exporter/my.cnf" (printf "--web.listen-address=:%d" (int $values.containerPorts.http)) -}}
{{- $args = concat $args (get $values.extraArgs .component) -}}
name: metrics
image: {{ include "larder.image" (dict "root" $root "image" $values.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $values.image }}
{{- include "larder.command" (dict "root" $root "values" dict "args" $args) }}
env:
  # Exporters before 0.15 read this in place of the file.
  - name: DATA_SOURCE_NAME
    value: mysql@unix(/tmp/mysqld.sock)/
  {{- with $values.extraEnvVars }}
  {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 2 }}
  {{- end }}
ports:
  - name: metrics
    containerPort: {{ int $values.containerPorts.http }}
{{- include "larder.probes" (dict "root" $root "values" $values "live" $alive "ready" $answer) }}
{{- include "larder.containerLimits" (dict "root" $root "values" (pick $values "containerSecurityContext" "resources" "resourcesPreset")) }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  - name: metrics
    mountPath: /etc/mysqld-exporter
    readOnly: true
{{- end -}}

{{/* Init containers of the chart, and those of values. Takes root and values. */}}
{{- define "mariadb.initContainers" -}}
{{- $root := .root -}}
{{- if and $root.Values.volumePermissions.enabled .values.persistence.enabled }}
- {{- include "larder.volumePermissions" (dict "root" $root "values" .values "volume" "data" "path" .values.persistence.mountPath) | nindent 2 }}
{{- end }}
{{- with .values.initContainers }}
{{ include "larder.tpl" (dict "value" . "root" $root) }}
{{- end }}
{{- end -}}
