{{/* The name that objects begin with. global.postgresql.fullnameOverride wins. */}}
{{- define "postgresql.fullname" -}}
{{- $override := .Values.global.postgresql.fullnameOverride -}}
{{- if $override -}}
{{- include "larder.fullname" (dict "Values" (dict "fullnameOverride" (tpl $override .)) "Chart" .Chart "Release" .Release "Template" .Template) -}}
{{- else -}}
{{- include "larder.fullname" . -}}
{{- end -}}
{{- end -}}

{{/* Names of the StatefulSets, of the services and of what belongs to them. Kubernetes adds a hash of 11 characters to them. */}}
{{- define "postgresql.primaryName" -}}
{{- $full := include "postgresql.fullname" . -}}
{{- if eq .Values.architecture "replication" -}}{{ printf "%s-%s" $full .Values.primary.name | trunc 52 | trimSuffix "-" }}{{- else -}}{{ $full }}{{- end -}}
{{- end -}}
{{- define "postgresql.readName" -}}
{{- printf "%s-%s" (include "postgresql.fullname" .) .Values.readReplicas.name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "postgresql.accountName" -}}
{{- include "larder.serviceAccountName" (dict "root" . "account" .Values.serviceAccount "default" (include "postgresql.fullname" .)) -}}
{{- end -}}

{{/* A value of auth. That of global.postgresql.auth wins. Takes root and key. */}}
{{- define "postgresql.auth" -}}
{{- with get .root.Values.global.postgresql.auth .key | default (get .root.Values.auth .key) -}}{{ tpl (include "larder.text" .) $.root }}{{- end -}}
{{- end -}}

{{/* A password as values give it, without templates: it may contain braces. Takes root and key. */}}
{{- define "postgresql.givenPassword" -}}
{{- with get .root.Values.global.postgresql.auth .key | default (get .root.Values.auth .key) -}}{{ include "larder.text" . }}{{- end -}}
{{- end -}}

{{/* The user that is created, or nothing. */}}
{{- define "postgresql.customUser" -}}
{{- $user := include "postgresql.auth" (dict "root" . "key" "username") -}}
{{- if ne $user "postgres" -}}{{ $user }}{{- end -}}
{{- end -}}
{{- define "postgresql.database" -}}
{{- include "postgresql.auth" (dict "root" . "key" "database") | default (include "postgresql.customUser" .) | default "postgres" -}}
{{- end -}}
{{/* Whether postgres has a password. Without another user it is the only one. */}}
{{- define "postgresql.hasAdmin" -}}
{{- if or .Values.auth.enablePostgresUser (not (include "postgresql.customUser" .)) -}}true{{- end -}}
{{- end -}}
{{/* Whether pods replicate, also from a primary outside of this release. */}}
{{- define "postgresql.replicates" -}}
{{- if or (eq .Values.architecture "replication") .Values.primary.standby.enabled -}}true{{- end -}}
{{- end -}}

{{/* Name of the secret with the passwords. */}}
{{- define "postgresql.secretName" -}}
{{- include "postgresql.auth" (dict "root" . "key" "existingSecret") | default (include "postgresql.fullname" .) -}}
{{- end -}}

{{/* Key of a password in the secret. Takes root and kind (admin, user, replication or metrics). */}}
{{- define "postgresql.secretKey" -}}
{{- $name := printf "%sPasswordKey" .kind -}}
{{- $own := dict "admin" "postgres-password" "user" "password" "replication" "replication-password" "metrics" "metrics-password" -}}
{{- if include "postgresql.auth" (dict "root" .root "key" "existingSecret") -}}
{{- $key := get .root.Values.global.postgresql.auth.secretKeys $name | default (get .root.Values.auth.secretKeys $name) -}}
{{- with $key -}}{{ tpl (include "larder.text" .) $.root }}{{- else -}}{{ get $own .kind }}{{- end -}}
{{- else -}}
{{- get $own .kind -}}
{{- end -}}
{{- end -}}

{{/* A password, for a container. Takes root, kind and name (of the variable). */}}
{{- define "postgresql.passwordEnv" -}}
{{- if .root.Values.auth.usePasswordFiles }}
- name: {{ .name }}_FILE
  value: /run/secrets/postgresql/{{ include "postgresql.secretKey" . }}
{{- else }}
- name: {{ .name | quote }}
  valueFrom:
    secretKeyRef:
      name: {{ include "postgresql.secretName" .root | quote }}
      key: {{ include "postgresql.secretKey" . | quote }}
{{- end }}
{{- end -}}

{{/* Mount and volume of the passwords. */}}
{{- define "postgresql.passwordMount" -}}
{{- if .Values.auth.usePasswordFiles }}
- name: passwords
  mountPath: /run/secrets/postgresql
  readOnly: true
{{- end }}
{{- end -}}
{{- define "postgresql.passwordVolume" -}}
{{- if .Values.auth.usePasswordFiles }}
- name: passwords
  secret:
    secretName: {{ include "postgresql.secretName" . | quote }}
{{- end }}
{{- end -}}

{{/* Port of the service of a component. Takes root and values. */}}
{{- define "postgresql.servicePort" -}}
{{- .root.Values.global.postgresql.service.ports.postgresql | default .values.service.ports.postgresql | int -}}
{{- end -}}
{{- define "postgresql.primaryHost" -}}
{{ include "postgresql.primaryName" . }}.{{ include "larder.namespace" . }}.svc.{{ .Values.clusterDomain }}
{{- end -}}

{{- define "postgresql.dataFolder" -}}
{{- if .root.Values.postgresqlDataDir -}}{{ tpl .root.Values.postgresqlDataDir .root }}{{- else -}}{{ printf "%s/data" (.values.persistence.mountPath | trimSuffix "/") }}{{- end -}}
{{- end -}}

{{- define "postgresql.ownCertificate" -}}
{{- if and .Values.tls.enabled .Values.tls.autoGenerated (not .Values.tls.certificatesSecret) -}}true{{- end -}}
{{- end -}}
{{- define "postgresql.tlsSecretName" -}}
{{- if .Values.tls.certificatesSecret -}}{{ tpl .Values.tls.certificatesSecret . }}{{- else -}}{{ include "postgresql.fullname" . }}-crt{{- end -}}
{{- end -}}
{{/* Path of a file of the certificate. Takes root, key (the value with its name) and own (its name in a secret of the chart). */}}
{{- define "postgresql.tlsFile" -}}
/run/secrets/postgresql-tls/{{ ternary .own (get .root.Values.tls .key | default .own) (not (empty (include "postgresql.ownCertificate" .root))) }}
{{- end -}}

{{/* Stops the rendering with a message for each combination of values that cannot work. */}}
{{- define "postgresql.validate" -}}
{{- $messages := list -}}
{{- $v := .Values -}}
{{- if not (has $v.architecture (list "standalone" "replication")) -}}
{{- $messages = append $messages (printf "architecture is %s; expected standalone or replication" $v.architecture) -}}
{{- end -}}
{{- if and $v.tls.enabled (not $v.tls.autoGenerated) (not $v.tls.certificatesSecret) -}}
{{- $messages = append $messages "tls.enabled requires tls.certificatesSecret or tls.autoGenerated" -}}
{{- end -}}
{{- if and $v.ldap.enabled (not $v.ldap.uri) (not $v.ldap.server) -}}
{{- $messages = append $messages "ldap.enabled requires ldap.uri or ldap.server" -}}
{{- end -}}
{{- if and $v.ldap.enabled (or $v.primary.pgHbaConfiguration $v.primary.existingConfigmap) -}}
{{- $messages = append $messages "ldap.enabled excludes primary.pgHbaConfiguration and primary.existingConfigmap: write the rule for LDAP into your access rules" -}}
{{- end -}}
{{- if and $v.primary.standby.enabled (not $v.primary.standby.primaryHost) -}}
{{- $messages = append $messages "primary.standby.enabled requires primary.standby.primaryHost" -}}
{{- end -}}
{{- if and $v.backup.enabled (not (include "postgresql.hasAdmin" .)) -}}
{{- $messages = append $messages "backup.enabled requires auth.enablePostgresUser: only the superuser can dump all databases" -}}
{{- end -}}
{{- if gt (int $v.replication.numSynchronousReplicas) (int $v.readReplicas.replicaCount) -}}
{{- $messages = append $messages "replication.numSynchronousReplicas is more than readReplicas.replicaCount: commits would wait for ever" -}}
{{- end -}}
{{- include "larder.failWith" $messages -}}
{{- end -}}
