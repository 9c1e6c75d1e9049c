{{/* Whether values give scripts. Takes root and name (initdb or startdb). */}}
{{- define "mariadb.hasScripts" -}}
{{- if or (get .root.Values (printf "%sScripts" .name)) (get .root.Values (printf "%sScriptsConfigMap" .name)) -}}true{{- end -}}
{{- end -}}

{{/* A volume of scripts from both sources. Takes root and name (initdb or startdb). */}}
{{- define "mariadb.scriptVolume" -}}
- name: {{ .name }}-scripts
  projected:
    sources:
      {{- if get .root.Values (printf "%sScripts" .name) }}
      - configMap:
          name: {{ include "larder.fullname" .root }}-{{ .name }}-scripts
      {{- end }}
      {{- with get .root.Values (printf "%sScriptsConfigMap" .name) }}
      - configMap:
          name: {{ tpl . $.root | quote }}
      {{- end }}
{{- end -}}

{{/* Volumes of a pod. Takes root, component, name and values. */}}
{{- define "mariadb.volumes" -}}
{{- $root := .root -}}
- name: tmp
  emptyDir: {}
{{- if or .values.configuration .values.existingConfigmap }}
- name: configuration
  configMap:
    name: {{ tpl (.values.existingConfigmap | default .name) $root | quote }}
{{- end }}
{{- if eq .component "primary" }}
{{- range $name := list "initdb" "startdb" }}
{{- if include "mariadb.hasScripts" (dict "root" $root "name" $name) }}
{{ include "mariadb.scriptVolume" (dict "root" $root "name" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- include "mariadb.passwordVolume" $root }}
{{- if $root.Values.tls.enabled }}
- name: certificate
  secret:
    secretName: {{ include "mariadb.tlsSecretName" $root | quote }}
    # 0440
    defaultMode: 288
{{- end }}
{{- if $root.Values.metrics.enabled }}
- name: metrics
  configMap:
    name: {{ include "larder.fullname" $root }}-metrics
{{- end }}
{{- if not .values.persistence.enabled }}
- name: data
  emptyDir: {}
{{- else if .values.persistence.existingClaim }}
- name: data
  persistentVolumeClaim:
    claimName: {{ tpl .values.persistence.existingClaim $root | quote }}
{{- end }}
{{- with .values.extraVolumes }}
{{ include "larder.tpl" (dict "value" . "root" $root) }}
{{- end }}
{{- end -}}

{{/* Annotations that restart pods when the configuration or a given password changes. Takes root and values. */}}
{{- define "mariadb.checksums" -}}
{{- with .values.configuration -}}
checksum/config: {{ tpl . $.root | sha256sum }}
{{ end -}}
{{- /* Not of a generated password: without a cluster, each rendering has a new one. */ -}}
{{- $given := list (include "mariadb.secretName" .root) -}}
{{- range $kind, $key := include "mariadb.passwords" .root | fromJson }}{{ $given = append $given (include "larder.text" (get $.root.Values.auth $key)) }}{{ end -}}
checksum/secret: {{ $given | toJson | sha256sum }}
{{- end -}}

{{/* A StatefulSet. Takes root, component (primary or secondary), name, values and replicas. */}}
{{- define "mariadb.workload" -}}
{{- $root := .root -}}
{{- $values := .values -}}
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
  {{- with $values.podManagementPolicy }}
  podManagementPolicy: {{ . }}
  {{- end }}
  {{- with $values.revisionHistoryLimit }}
  revisionHistoryLimit: {{ int . }}
  {{- end }}
  {{- include "larder.updateStrategy" (dict "kind" "StatefulSet" "strategy" $values.updateStrategy) | nindent 2 }}
  selector:
    matchLabels:
      {{- include "larder.selectorLabels" (dict "root" $root "component" .component) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "larder.labels" (dict "root" $root "component" .component "extra" (list $values.podLabels)) | nindent 8 }}
      {{- include "larder.annotations" (dict "root" $root "extra" (list (include "mariadb.checksums" .) $values.podAnnotations)) | nindent 6 }}
    spec:
      {{- include "larder.podSettings" (dict "root" $root "values" (omit $values "shareProcessNamespace" "extraPodSpec" "hostNetwork" "hostIPC") "component" .component "images" $images "serviceAccountName" (include "mariadb.accountName" $root)) | nindent 6 }}
      {{- with $values.runtimeClassName }}
      runtimeClassName: {{ . | quote }}
      {{- end }}
      {{- with include "mariadb.initContainers" . }}
      initContainers:
        {{- . | nindent 8 }}
      {{- end }}
      containers:
        - {{- include "mariadb.container" . | nindent 10 }}
        {{- if $metrics }}
        - {{- include "mariadb.exporterContainer" . | nindent 10 }}
        {{- end }}
        {{- with $values.sidecars }}
        {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 8 }}
        {{- end }}
      volumes:
        {{- include "mariadb.volumes" . | nindent 8 }}
  {{- include "larder.claimRetention" $values.persistentVolumeClaimRetentionPolicy | nindent 2 }}
  {{- if and $values.persistence.enabled (not $values.persistence.existingClaim) }}
  volumeClaimTemplates:
    - {{- include "larder.claimTemplate" (dict "root" $root "name" "data" "persistence" $values.persistence) | nindent 6 }}
  {{- end }}
{{- end -}}

{{/* The service of a component and its headless one. Takes root, component, name and values. */}}
{{- define "mariadb.services" -}}
{{- $service := .values.service -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" (printf "%s-hl" .name) "component" .component "annotations" (list $service.headless.annotations)) | nindent 2 }}
spec:
  type: ClusterIP
  clusterIP: None
  # Pods have names before they are ready.
  publishNotReadyAddresses: true
  ports:
    {{- include "larder.servicePort" (dict "name" "mysql" "port" $service.ports.mysql "target" "mysql" "service" $service) | nindent 4 }}
  selector:
    {{- include "larder.selectorLabels" . | nindent 4 }}
---
{{ include "larder.service" (dict "root" .root "name" .name "component" .component "labels" (list $service.labels) "service" $service "ports" (list
  (dict "name" "mysql" "port" $service.ports.mysql "target" "mysql" "nodePort" $service.nodePorts.mysql))) }}
{{- end -}}
