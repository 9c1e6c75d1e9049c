{{/* Name of the volume of the data. Takes values. */}}
{{- define "postgresql.volumeName" -}}{{ .values.persistence.volumeName | default "data" }}{{- end -}}

{{/* Whether there are scripts. Takes primary.initdb or primary.preInitDb. */}}
{{- define "postgresql.hasScripts" -}}
{{- if or .scripts .scriptsConfigMap .scriptsSecret -}}true{{- end -}}
{{- end -}}

{{/* Whether values give access rules. A ConfigMap of the user may have some: the image ignores an empty folder. */}}
{{- define "postgresql.hasAccessRules" -}}
{{- if or .Values.ldap.enabled .Values.primary.pgHbaConfiguration .Values.primary.existingConfigmap -}}true{{- end -}}
{{- end -}}

{{/* A volume of scripts from all sources. Takes root, name, own (a ConfigMap of the chart) and scripts (values). */}}
{{- define "postgresql.scriptVolume" -}}
- name: {{ .name }}
  projected:
    sources:
      {{- if .scripts.scripts }}
      - configMap:
          name: {{ .own }}
      {{- end }}
      {{- with .scripts.scriptsConfigMap }}
      - configMap:
          name: {{ tpl . $.root | quote }}
      {{- end }}
      {{- with .scripts.scriptsSecret }}
      - secret:
          name: {{ tpl . $.root | quote }}
      {{- end }}
{{- end -}}

{{/* A ConfigMap as the source of a projected volume. Takes name, items (key: path), and optionally optional. */}}
{{- define "postgresql.source" -}}
- configMap:
    name: {{ .name | quote }}
    {{- if .optional }}
    # The keys may be missing.
    optional: true
    {{- end }}
    items:
      {{- range $key, $path := .items }}
      - key: {{ $key }}
        path: {{ $path }}
      {{- end }}
{{- end -}}

{{/* Volumes of configuration. Takes root, component and full. */}}
{{- define "postgresql.configurationVolumes" -}}
{{- $root := .root -}}
{{- $primary := $root.Values.primary -}}
{{- $own := printf "%s-configuration" .full -}}
{{- $items := dict "chart.conf" "10-chart.conf" -}}
{{- if not $primary.existingConfigmap }}{{ $items = set $items "postgresql.conf" "20-postgresql.conf" }}{{ end -}}
{{- if not $primary.existingExtendedConfigmap }}{{ $items = set $items "extended.conf" "30-extended.conf" }}{{ end -}}
{{- if eq .component "read" }}{{ $items = set $items "replica.conf" "40-replica.conf" }}{{ end -}}
- name: configuration
  projected:
    sources:
      {{- include "postgresql.source" (dict "name" $own "items" $items) | nindent 6 }}
      {{- with $primary.existingConfigmap }}
      {{- include "postgresql.source" (dict "name" (tpl . $root) "items" (dict "postgresql.conf" "20-postgresql.conf") "optional" true) | nindent 6 }}
      {{- end }}
      {{- with $primary.existingExtendedConfigmap }}
      - configMap:
          name: {{ tpl . $root | quote }}
      {{- end }}
{{- if $root.Values.ldap.enabled }}
- name: access
  secret:
    secretName: {{ .full }}-access
{{- else if include "postgresql.hasAccessRules" $root }}
- name: access
  projected:
    sources:
      {{- include "postgresql.source" (dict "name" (tpl ($primary.existingConfigmap | default $own) $root) "items" (dict "pg_hba.conf" "pg_hba.conf") "optional" $primary.existingConfigmap) | nindent 6 }}
{{- end }}
{{- end -}}

{{/* Volumes of a pod. Takes root, component, values and full (the beginning of names). */}}
{{- define "postgresql.volumes" -}}
{{- $root := .root -}}
{{ include "postgresql.configurationVolumes" . }}
- name: tmp
  emptyDir: {}
{{- if $root.Values.shmVolume.enabled }}
- name: dshm
  {{- include "larder.emptyDir" (dict "medium" "Memory" "sizeLimit" $root.Values.shmVolume.sizeLimit) | nindent 2 }}
{{- end }}
{{- if eq .component "primary" }}
{{- if include "postgresql.metricsUser" $root }}
- name: metrics-user
  configMap:
    name: {{ .full }}-metrics-user
{{- end }}
{{- if include "postgresql.hasScripts" $root.Values.primary.initdb }}
{{ include "postgresql.scriptVolume" (dict "root" $root "name" "initdb-scripts" "own" (printf "%s-init-scripts" .full) "scripts" $root.Values.primary.initdb) }}
{{- end }}
{{- if include "postgresql.hasScripts" $root.Values.primary.preInitDb }}
{{ include "postgresql.scriptVolume" (dict "root" $root "name" "preinitdb-scripts" "own" (printf "%s-preinit-scripts" .full) "scripts" $root.Values.primary.preInitDb) }}
{{- end }}
{{- end }}
{{- include "postgresql.passwordVolume" $root }}
{{- if $root.Values.tls.enabled }}
- name: certificate
  secret:
    secretName: {{ include "postgresql.tlsSecretName" $root | quote }}
    # 0640: PostgreSQL rejects a key that everyone can read.
    defaultMode: 416
{{- end }}
{{- if and $root.Values.metrics.enabled $root.Values.metrics.customMetrics }}
- name: custom-metrics
  configMap:
    name: {{ .full }}-metrics
{{- end }}
{{- if not .values.persistence.enabled }}
- name: {{ include "postgresql.volumeName" . | quote }}
  emptyDir: {}
{{- else if .values.persistence.existingClaim }}
- name: {{ include "postgresql.volumeName" . | quote }}
  persistentVolumeClaim:
    claimName: {{ tpl .values.persistence.existingClaim $root | quote }}
{{- end }}
{{- with .values.extraVolumes }}
{{ include "larder.tpl" (dict "value" . "root" $root) }}
{{- end }}
{{- end -}}

{{/* Annotations that restart pods when the configuration or a given password changes. */}}
{{- define "postgresql.checksums" -}}
checksum/config: {{ include "postgresql.configuration" . | sha256sum }}
{{- if .Values.ldap.enabled }}
checksum/access: {{ include "postgresql.ldapRules" . | sha256sum }}
{{- end }}
{{- /* Not of a generated password: without a cluster, each rendering has a new one. */}}
{{- $given := list (include "postgresql.secretName" .) -}}
{{- range list "postgresPassword" "password" "replicationPassword" "metricsPassword" }}{{ $given = append $given (include "postgresql.givenPassword" (dict "root" $ "key" .)) }}{{ end }}
checksum/secret: {{ $given | toJson | sha256sum }}
{{- end -}}

{{/* A StatefulSet. Takes root, component (primary or read), name, values and replicas. */}}
{{- define "postgresql.workload" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $full := include "postgresql.fullname" $root -}}
{{- $metrics := $root.Values.metrics.enabled -}}
{{- $images := list $root.Values.image -}}
{{- if $metrics }}{{ $images = append $images $root.Values.metrics.image }}{{ end -}}
{{- if $root.Values.volumePermissions.enabled }}{{ $images = append $images $root.Values.volumePermissions.image }}{{ end -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "larder.metadata" (dict "root" $root "name" .name "component" .component "labels" (list $values.labels) "annotations" (list $values.annotations)) | nindent 2 }}
spec:
  replicas: {{ int .replicas }}
  serviceName: {{ .name }}-hl
  {{- include "larder.updateStrategy" (dict "kind" "StatefulSet" "strategy" $values.updateStrategy) | nindent 2 }}
  selector:
    matchLabels:
      {{- include "larder.selectorLabels" (dict "root" $root "component" .component) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "larder.labels" (dict "root" $root "component" .component "extra" (list $values.podLabels)) | nindent 8 }}
      {{- include "larder.annotations" (dict "root" $root "extra" (list (include "postgresql.checksums" $root) $values.podAnnotations)) | nindent 6 }}
    spec:
      {{- include "larder.podSettings" (dict "root" $root "values" (omit $values "shareProcessNamespace") "component" .component "images" $images "serviceAccountName" (include "postgresql.accountName" $root)) | nindent 6 }}
      {{- with include "postgresql.initContainers" . }}
      initContainers:
        {{- . | nindent 8 }}
      {{- end }}
      containers:
        - {{- include "postgresql.container" . | nindent 10 }}
        {{- if $metrics }}
        - {{- include "postgresql.exporterContainer" . | nindent 10 }}
        {{- end }}
        {{- with $values.sidecars }}
        {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 8 }}
        {{- end }}
      volumes:
        {{- include "postgresql.volumes" (dict "root" $root "component" .component "values" $values "full" $full) | nindent 8 }}
  {{- include "larder.claimRetention" $values.persistentVolumeClaimRetentionPolicy | nindent 2 }}
  {{- if and $values.persistence.enabled (not $values.persistence.existingClaim) }}
  volumeClaimTemplates:
    - {{- include "larder.claimTemplate" (dict "root" $root "name" (include "postgresql.volumeName" .) "persistence" $values.persistence) | nindent 6 }}
  {{- end }}
{{- end -}}
