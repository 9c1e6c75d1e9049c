{{/* Variables for replication. Takes root, component and values. */}}
{{- define "postgresql.replicationEnv" -}}
{{- $root := .root -}}
{{- $replication := $root.Values.replication -}}
{{- $standby := $root.Values.primary.standby -}}
{{- $follows := or (eq .component "read") $standby.enabled -}}
- name: POSTGRESQL_REPLICATION_MODE
  value: {{ ternary "slave" "master" $follows }}
- name: POSTGRESQL_REPLICATION_USER
  value: {{ $root.Values.auth.replicationUsername | quote }}
{{- include "postgresql.passwordEnv" (dict "root" $root "kind" "replication" "name" "POSTGRESQL_REPLICATION_PASSWORD") }}
- name: POSTGRESQL_CLUSTER_APP_NAME
  value: {{ $replication.applicationName | quote }}
{{- if eq .component "read" }}
- name: POSTGRESQL_MASTER_HOST
  value: {{ include "postgresql.primaryHost" $root | quote }}
- name: POSTGRESQL_MASTER_PORT_NUMBER
  value: {{ include "postgresql.servicePort" (dict "root" $root "values" $root.Values.primary) | quote }}
{{- else if $standby.enabled }}
- name: POSTGRESQL_MASTER_HOST
  value: {{ tpl $standby.primaryHost $root | quote }}
- name: POSTGRESQL_MASTER_PORT_NUMBER
  value: {{ $standby.primaryPort | default 5432 | int | quote }}
{{- else }}
{{- /* YAML reads on and off without quotes as booleans. */}}
{{- $commit := $replication.synchronousCommit | default "off" | toString }}
{{- if not (has $commit (list "off" "false")) }}
- name: POSTGRESQL_SYNCHRONOUS_COMMIT_MODE
  value: {{ ternary "on" $commit (eq $commit "true") | quote }}
- name: POSTGRESQL_NUM_SYNCHRONOUS_REPLICAS
  value: {{ int $replication.numSynchronousReplicas | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Variables for the creation of the cluster, on a primary. Takes root. */}}
{{- define "postgresql.clusterEnv" -}}
{{- $root := .root -}}
{{- $user := include "postgresql.customUser" $root -}}
{{- if $user }}
- name: POSTGRESQL_USERNAME
  value: {{ $user | quote }}
{{- include "postgresql.passwordEnv" (dict "root" $root "kind" "user" "name" "POSTGRESQL_PASSWORD") }}
{{- if $root.Values.auth.enablePostgresUser }}
{{- include "postgresql.passwordEnv" (dict "root" $root "kind" "admin" "name" "POSTGRESQL_POSTGRES_PASSWORD") }}
{{- end }}
{{- else }}
{{- include "postgresql.passwordEnv" (dict "root" $root "kind" "admin" "name" "POSTGRESQL_PASSWORD") }}
{{- end }}
- name: POSTGRESQL_DATABASE
  value: {{ include "postgresql.database" $root | quote }}
{{- with $root.Values.primary.initdb }}
{{- with .args }}
- name: POSTGRESQL_INITDB_ARGS
  value: {{ tpl . $root | quote }}
{{- end }}
{{- with .postgresqlWalDir }}
- name: POSTGRESQL_INITDB_WAL_DIR
  value: {{ tpl . $root | quote }}
{{- end }}
{{- with .user }}
- name: POSTGRESQL_INITSCRIPTS_USERNAME
  value: {{ tpl . $root | quote }}
{{- end }}
{{- end }}
{{- if include "postgresql.metricsUser" $root }}
- name: METRICS_USERNAME
  value: {{ $root.Values.auth.metricsUsername | quote }}
{{- include "postgresql.passwordEnv" (dict "root" $root "kind" "metrics" "name" "METRICS_PASSWORD") }}
{{- end }}
{{- end -}}

{{/* The exporter's own role, or nothing. */}}
{{- define "postgresql.metricsUser" -}}
{{- if .Values.metrics.enabled -}}{{ .Values.auth.metricsUsername }}{{- end -}}
{{- end -}}

{{/* Variables of TLS, which the image's entry point reads. */}}
{{- define "postgresql.tlsEnv" -}}
{{- if .Values.tls.enabled }}
- name: POSTGRESQL_ENABLE_TLS
  value: "yes"
- name: POSTGRESQL_TLS_CERT_FILE
  value: {{ include "postgresql.tlsFile" (dict "root" . "key" "certFilename" "own" "tls.crt") | quote }}
- name: POSTGRESQL_TLS_KEY_FILE
  value: {{ include "postgresql.tlsFile" (dict "root" . "key" "certKeyFilename" "own" "tls.key") | quote }}
{{- if or .Values.tls.certCAFilename (include "postgresql.ownCertificate" .) }}
- name: POSTGRESQL_TLS_CA_FILE
  value: {{ include "postgresql.tlsFile" (dict "root" . "key" "certCAFilename" "own" "ca.crt") | quote }}
{{- end }}
{{- with .Values.tls.crlFilename }}
- name: POSTGRESQL_TLS_CRL_FILE
  value: /run/secrets/postgresql-tls/{{ . }}
{{- end }}
- name: POSTGRESQL_TLS_PREFER_SERVER_CIPHERS
  value: {{ ternary "yes" "no" .Values.tls.preferServerCiphers | quote }}
{{- end }}
{{- end -}}

{{/* The PostgreSQL container. Takes root, component and values. */}}
{{- define "postgresql.container" -}}
{{- $root := .root -}}
{{- $initdb := $root.Values.primary.initdb -}}
{{- $preInit := $root.Values.primary.preInitDb -}}
name: postgresql
image: {{ include "larder.image" (dict "root" $root "image" $root.Values.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $root.Values.image }}
{{- include "larder.command" (dict "root" $root "values" .values) }}
env:
  - name: POSTGRESQL_PORT_NUMBER
    value: {{ $root.Values.containerPorts.postgresql | quote }}
  - name: PGPORT
    value: {{ $root.Values.containerPorts.postgresql | quote }}
  - name: PGDATA
    value: {{ include "postgresql.dataFolder" . | quote }}
  {{- if eq .component "primary" }}
  {{- include "postgresql.clusterEnv" . | nindent 2 }}
  {{- end }}
  {{- if include "postgresql.replicates" $root }}
  {{- include "postgresql.replicationEnv" . | nindent 2 }}
  {{- end }}
  {{- include "postgresql.tlsEnv" $root | nindent 2 }}
  {{- with .values.extraEnvVars }}
  {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 2 }}
  {{- end }}
{{- include "larder.envFrom" . }}
ports:
  - name: tcp-postgresql
    containerPort: {{ int $root.Values.containerPorts.postgresql }}
{{- $health := dict "exec" (dict "command" (list "/usr/local/bin/postgresql-health")) -}}
{{- include "larder.probes" (dict "root" $root "values" .values "live" $health "ready" $health) }}
{{- include "larder.containerLimits" . }}
volumeMounts:
  - name: {{ include "postgresql.volumeName" . | quote }}
    mountPath: {{ .values.persistence.mountPath | quote }}
    {{- with .values.persistence.subPath }}
    subPath: {{ tpl . $root | quote }}
    {{- end }}
  - name: configuration
    mountPath: /usr/local/etc/postgresql/conf.d
    readOnly: true
  {{- if include "postgresql.hasAccessRules" $root }}
  - name: access
    mountPath: /usr/local/etc/postgresql/access
    readOnly: true
  {{- end }}
  {{- if eq .component "primary" }}
  {{- if include "postgresql.metricsUser" $root }}
  - name: metrics-user
    mountPath: /usr/local/etc/postgresql/init.d/metrics-user.sh
    subPath: metrics-user.sh
    readOnly: true
  {{- end }}
  {{- if include "postgresql.hasScripts" $initdb }}
  - name: initdb-scripts
    mountPath: /docker-entrypoint-initdb.d
    readOnly: true
  {{- end }}
  {{- if include "postgresql.hasScripts" $preInit }}
  - name: preinitdb-scripts
    mountPath: /docker-entrypoint-preinitdb.d
    readOnly: true
  {{- end }}
  {{- end }}
  - name: tmp
    mountPath: /tmp
  {{- if $root.Values.shmVolume.enabled }}
  - name: dshm
    mountPath: /dev/shm
  {{- end }}
  {{- include "postgresql.passwordMount" $root | nindent 2 }}
  {{- if $root.Values.tls.enabled }}
  - name: certificate
    mountPath: /run/secrets/postgresql-tls
    readOnly: true
  {{- end }}
  {{- with .values.extraVolumeMounts }}
  {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The exporter. Takes root and component. */}}
{{- define "postgresql.exporterContainer" -}}
{{- $root := .root -}}
{{- $values := $root.Values.metrics -}}
{{- $user := include "postgresql.metricsUser" $root -}}
{{- $custom := include "postgresql.customUser" $root -}}
{{- $kind := ternary "metrics" (ternary "user" "admin" (not (empty $custom))) (not (empty $user)) -}}
{{- $answer := dict "httpGet" (dict "path" "/" "port" "http-metrics") -}}
{{- $alive := dict "tcpSocket" (dict "port" "http-metrics") -}}
{{- $args := list (printf "--web.listen-address=:%d" (int $values.containerPorts.metrics)) -}}
{{- range $name, $on := $values.collectors }}{{ $args = append $args (printf "--%scollector.%s" (ternary "" "no-" (eq (toString $on) "true")) $name) }}{{ end -}}
{{- if $values.customMetrics }}{{ $args = append $args "--extend.query-path=/etc/postgresql-metrics/custom-metrics.yaml" }}{{ end -}}
name: metrics
image: {{ include "larder.image" (dict "root" $root "image" $values.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $values.image }}
{{- include "larder.command" (dict "root" $root "values" dict "args" $args) }}
env:
  - name: DATA_SOURCE_URI
    value: {{ printf "127.0.0.1:%d/%s?sslmode=disable" (int $root.Values.containerPorts.postgresql) (include "postgresql.database" $root | urlquery) | quote }}
  - name: DATA_SOURCE_USER
    value: {{ $user | default $custom | default "postgres" | quote }}
  {{- include "postgresql.passwordEnv" (dict "root" $root "kind" $kind "name" "DATA_SOURCE_PASS") | nindent 2 }}
  {{- with $values.extraEnvVars }}
  {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 2 }}
  {{- end }}
ports:
  - name: http-metrics
    containerPort: {{ int $values.containerPorts.metrics }}
{{- include "larder.probes" (dict "root" $root "values" $values "live" $alive "ready" $answer) }}
{{- include "larder.containerLimits" (dict "root" $root "values" (pick $values "containerSecurityContext" "resources" "resourcesPreset")) }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- include "postgresql.passwordMount" $root | nindent 2 }}
  {{- if $values.customMetrics }}
  - name: custom-metrics
    mountPath: /etc/postgresql-metrics
    readOnly: true
  {{- end }}
{{- end -}}

{{/* Init containers of the chart, and those of values. Takes root and values. */}}
{{- define "postgresql.initContainers" -}}
{{- $root := .root -}}
{{- if and $root.Values.volumePermissions.enabled .values.persistence.enabled }}
- {{- include "larder.volumePermissions" (dict "root" $root "values" .values "volume" (include "postgresql.volumeName" . | quote) "path" .values.persistence.mountPath) | nindent 2 }}
{{- end }}
{{- with .values.initContainers }}
{{ include "larder.tpl" (dict "value" . "root" $root) }}
{{- end }}
{{- end -}}
