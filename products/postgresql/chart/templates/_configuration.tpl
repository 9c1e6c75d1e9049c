{{/* A value of postgresql.conf in its quotes. */}}
{{- define "postgresql.setting" -}}
'{{ . | toString | replace "\\" "\\\\" | replace "'" "''" }}'
{{- end -}}

{{/* Settings that the chart makes of its values. */}}
{{- define "postgresql.chartSettings" -}}
{{- with .Values.audit -}}
log_hostname = {{ ternary "on" "off" .logHostname }}
log_connections = {{ ternary "on" "off" .logConnections }}
log_disconnections = {{ ternary "on" "off" .logDisconnections }}
{{- with .clientMinMessages }}
client_min_messages = {{ include "postgresql.setting" . }}
{{- end }}
{{- with .logLinePrefix }}
log_line_prefix = {{ include "postgresql.setting" . }}
{{- end }}
{{- with .logTimezone }}
log_timezone = {{ include "postgresql.setting" . }}
{{- end }}
{{- end }}
{{- if .Values.image.debug }}
log_min_messages = debug1
{{- end }}
{{- with .Values.postgresqlSharedPreloadLibraries }}
shared_preload_libraries = {{ include "postgresql.setting" . }}
{{- end }}
{{- if eq .Values.architecture "replication" }}
# Replicas that were away for this much can still follow.
wal_keep_size = '512MB'
{{- end }}
{{- end -}}

{{/* Data of the ConfigMap with settings. The access rules are a part of it only where values give them. */}}
{{- define "postgresql.configuration" -}}
chart.conf: |
  {{- include "postgresql.chartSettings" . | nindent 2 }}
postgresql.conf: |
  # Settings of primary.configuration.
  {{- with .Values.primary.configuration }}
  {{- tpl . $ | nindent 2 }}
  {{- end }}
extended.conf: |
  # Settings of primary.extendedConfiguration.
  {{- with .Values.primary.extendedConfiguration }}
  {{- tpl . $ | nindent 2 }}
  {{- end }}
replica.conf: |
  # Settings of replicas.
  {{- with .Values.readReplicas.extendedConfiguration }}
  {{- tpl . $ | nindent 2 }}
  {{- end }}
{{- with .Values.primary.pgHbaConfiguration }}
pg_hba.conf: |
  {{- tpl . $ | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A value of pg_hba.conf in its quotes. */}}
{{- define "postgresql.ruleValue" -}}
"{{ . | replace "\"" "\"\"" }}"
{{- end -}}

{{/* Access rules with LDAP. The users of the chart have passwords. */}}
{{- define "postgresql.ldapRules" -}}
local all postgres peer map=container
local replication postgres peer map=container
local all all scram-sha-256
host replication all all scram-sha-256
{{- $users := list "postgres" (include "postgresql.customUser" .) (.Values.auth.metricsUsername | default "") -}}
{{- if include "postgresql.replicates" . }}{{ $users = append $users .Values.auth.replicationUsername }}{{ end }}
{{- range without $users "" | uniq }}
host all {{ include "postgresql.ruleValue" . }} all scram-sha-256
{{- end }}
{{- $ldap := .Values.ldap }}
host all all all ldap
{{- if $ldap.uri }} ldapurl={{ include "postgresql.ruleValue" $ldap.uri }}
{{- else }}
{{- range $key, $option := dict "server" "ldapserver" "port" "ldapport" "scheme" "ldapscheme" "basedn" "ldapbasedn" "searchAttribute" "ldapsearchattribute" "searchFilter" "ldapsearchfilter" }}
{{- with get $ldap $key }} {{ $option }}={{ include "postgresql.ruleValue" (include "larder.text" .) }}{{ end }}
{{- end }}
{{- end }}
{{- range $key, $option := dict "prefix" "ldapprefix" "suffix" "ldapsuffix" "binddn" "ldapbinddn" "bindpw" "ldapbindpasswd" }}
{{- with get $ldap $key }} {{ $option }}={{ include "postgresql.ruleValue" (include "larder.text" .) }}{{ end }}
{{- end }}
{{- if $ldap.tls.enabled }} ldaptls=1{{ end }}
{{- end -}}

{{/* Creates the role of the exporter with the cluster. */}}
{{- define "postgresql.metricsScript" -}}
set -eu
password=${METRICS_PASSWORD-}
if [ -n "${METRICS_PASSWORD_FILE-}" ]; then password=$(cat "$METRICS_PASSWORD_FILE"); fi
export METRICS_PASSWORD="$password"
psql -X -q -v ON_ERROR_STOP=1 -U postgres -d postgres -v username="$METRICS_USERNAME" <<'SQL'
\getenv password METRICS_PASSWORD
create role :"username" login password :'password';
grant pg_monitor to :"username";
SQL
{{- end -}}
