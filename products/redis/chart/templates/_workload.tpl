{{/* Volumes of a pod. Takes root, component, values and full (the beginning of names). */}}
{{- define "redis.volumes" -}}
{{- $root := .root -}}
{{- $configured := ternary (ternary "master" "replica" (eq .component "master")) "replica" (ne .component "node") -}}
- name: configuration
  projected:
    sources:
      - configMap:
          name: {{ include "redis.configmapName" $root | quote }}
          items:
            - key: redis.conf
              path: 10-redis.conf
            - key: {{ $configured }}.conf
              path: 20-{{ $configured }}.conf
      {{- if include "redis.hasUsers" $root }}
      - secret:
          name: {{ .full }}-users
          items:
            - key: users.conf
              path: 30-users.conf
      {{- end }}
- name: tmp
  emptyDir: {}
{{- if eq .component "node" }}
- name: scripts
  configMap:
    name: {{ .full }}-scripts
{{- if not $root.Values.sentinel.persistence.enabled }}
- name: sentinel-data
  {{- include "larder.emptyDir" $root.Values.sentinel.persistence | nindent 2 }}
{{- end }}
{{- end }}
{{- if and $root.Values.auth.enabled $root.Values.auth.usePasswordFiles $root.Values.auth.usePasswordFileFromSecret }}
- name: password
  secret:
    secretName: {{ include "redis.secretName" $root | quote }}
    items:
      - key: {{ include "redis.secretKey" $root | quote }}
        path: {{ include "redis.secretKey" $root | quote }}
{{- end }}
{{- if $root.Values.tls.enabled }}
- name: certificate
  secret:
    secretName: {{ include "redis.tlsSecretName" $root | quote }}
{{- end }}
{{- if and $root.Values.sysctl.enabled $root.Values.sysctl.mountHostSys }}
- name: host-sys
  hostPath:
    path: /sys
{{- end }}
{{- if not .values.persistence.enabled }}
- name: redis-data
  {{- include "larder.emptyDir" .values.persistence | nindent 2 }}
{{- else if .values.persistence.existingClaim }}
- name: redis-data
  persistentVolumeClaim:
    claimName: {{ tpl .values.persistence.existingClaim $root | quote }}
{{- else if ne .values.kind "StatefulSet" }}
- name: redis-data
  persistentVolumeClaim:
    claimName: {{ .full }}-{{ .component }}
{{- end }}
{{- range $more := list .values.extraVolumes (ternary $root.Values.sentinel.extraVolumes list (eq .component "node")) (ternary $root.Values.metrics.extraVolumes list $root.Values.metrics.enabled) }}
{{- with $more }}
{{ include "larder.tpl" (dict "value" . "root" $root) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Annotations that restart pods when configuration, scripts or a given password change. Takes root. */}}
{{- define "redis.checksums" -}}
{{- $root := .root -}}
{{- if and $root.Values.configmapChecksumAnnotations (not $root.Values.existingConfigmap) }}
checksum/config: {{ include "redis.configuration" $root | sha256sum }}
{{- end }}
{{- if include "redis.sentinel" $root }}
checksum/scripts: {{ include "redis.scripts" $root | sha256sum }}
{{- end }}
{{- if $root.Values.secretChecksumAnnotations }}
{{- /* Not of a generated password: without a cluster, each rendering has a new one. */}}
checksum/secret: {{ list (include "redis.givenPassword" $root) (include "redis.secretName" $root) (pick $root.Values.auth.acl "enabled" "sentinel" "users") | toJson | sha256sum }}
{{- end }}
{{- end -}}

{{/* A workload with its pods. Takes root, component (master, replica or node), name, values, replicas and service. */}}
{{- define "redis.workload" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $node := eq .component "node" -}}
{{- $full := include "larder.fullname" $root -}}
{{- $kind := ternary "StatefulSet" $values.kind $node -}}
{{- $stateful := eq $kind "StatefulSet" -}}
{{- $ownClaim := and $stateful $values.persistence.enabled (not $values.persistence.existingClaim) -}}
{{- $sentinelClaim := and $node $root.Values.sentinel.persistence.enabled -}}
{{- $pod := $values -}}
{{- if $node -}}
{{- $pod = merge (dict "enableServiceLinks" (or $values.enableServiceLinks $root.Values.sentinel.enableServiceLinks) "terminationGracePeriodSeconds" $root.Values.sentinel.terminationGracePeriodSeconds "extraPodSpec" (merge dict ($values.extraPodSpec | default dict) ($root.Values.sentinel.extraPodSpec | default dict))) $values -}}
{{- end -}}
{{- $images := list $root.Values.image -}}
{{- if $node }}{{ $images = append $images $root.Values.sentinel.image }}{{ end -}}
{{- if $root.Values.metrics.enabled }}{{ $images = append $images $root.Values.metrics.image }}{{ end -}}
{{- if $root.Values.volumePermissions.enabled }}{{ $images = append $images $root.Values.volumePermissions.image }}{{ end -}}
{{- if $root.Values.sysctl.enabled }}{{ $images = append $images $root.Values.sysctl.image }}{{ end -}}
apiVersion: apps/v1
kind: {{ $kind }}
metadata:
  {{- include "larder.metadata" (dict "root" $root "name" .name "component" .component "annotations" (list $values.annotations (ternary $root.Values.sentinel.annotations dict $node))) | nindent 2 }}
spec:
  {{- if and (ne $kind "DaemonSet") (not (kindIs "invalid" .replicas)) }}
  replicas: {{ int .replicas }}
  {{- end }}
  revisionHistoryLimit: {{ int $values.revisionHistoryLimit }}
  {{- if $values.minReadySeconds }}
  minReadySeconds: {{ int $values.minReadySeconds }}
  {{- end }}
  {{- if $stateful }}
  serviceName: {{ $full }}-headless
  {{- with $values.podManagementPolicy }}
  podManagementPolicy: {{ . }}
  {{- end }}
  {{- end }}
  {{- include "larder.updateStrategy" (dict "kind" $kind "strategy" $values.updateStrategy) | nindent 2 }}
  selector:
    matchLabels:
      {{- include "larder.selectorLabels" (dict "root" $root "component" .component) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "larder.labels" (dict "root" $root "component" .component "extra" (list $values.podLabels (ternary $root.Values.metrics.podLabels dict $root.Values.metrics.enabled))) | nindent 8 }}
      {{- include "larder.annotations" (dict "root" $root "extra" (list (include "redis.checksums" .) $values.podAnnotations (ternary $root.Values.metrics.podAnnotations dict $root.Values.metrics.enabled))) | nindent 6 }}
    spec:
      {{- include "larder.podSettings" (dict "root" $root "values" (omit $pod "hostNetwork" "hostIPC") "component" .component "images" $images "serviceAccountName" (include "redis.accountName" .)) | nindent 6 }}
      {{- with include "redis.initContainers" . }}
      initContainers:
        {{- . | nindent 8 }}
      {{- end }}
      containers:
        - {{- include "redis.container" . | nindent 10 }}
        {{- if $node }}
        - {{- include "redis.sentinelContainer" . | nindent 10 }}
        {{- end }}
        {{- if $root.Values.metrics.enabled }}
        - {{- include "redis.exporterContainer" (dict "root" $root "port" $values.containerPorts.redis) | nindent 10 }}
        {{- end }}
        {{- with $values.sidecars }}
        {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 8 }}
        {{- end }}
      volumes:
        {{- include "redis.volumes" (dict "root" $root "component" .component "values" (merge (dict "kind" $kind) $values) "full" $full) | nindent 8 }}
  {{- if $stateful }}
  {{- $retention := $values.persistentVolumeClaimRetentionPolicy }}
  {{- if and $node (not $retention.enabled) }}{{ $retention = $root.Values.sentinel.persistentVolumeClaimRetentionPolicy }}{{ end }}
  {{- include "larder.claimRetention" $retention | nindent 2 }}
  {{- end }}
  {{- if or $ownClaim $sentinelClaim }}
  volumeClaimTemplates:
    {{- if $ownClaim }}
    - {{- include "larder.claimTemplate" (dict "root" $root "name" "redis-data" "persistence" $values.persistence) | nindent 6 }}
    {{- end }}
    {{- if $sentinelClaim }}
    - {{- include "larder.claimTemplate" (dict "root" $root "name" "sentinel-data" "persistence" $root.Values.sentinel.persistence) | nindent 6 }}
    {{- end }}
  {{- end }}
{{- if and $values.persistence.enabled (not $values.persistence.existingClaim) (not $stateful) }}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  {{- include "larder.metadata" (dict "root" $root "name" (printf "%s-%s" $full .component) "component" .component "labels" (list $values.persistence.labels) "annotations" (list $values.persistence.annotations)) | nindent 2 }}
spec:
  {{- include "larder.claimSpec" (dict "root" $root "persistence" $values.persistence) | nindent 2 }}
{{- end }}
{{- end -}}
