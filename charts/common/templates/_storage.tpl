{{/* The storage class of a claim, or nothing for the cluster's default. "-" asks for no class. Takes root and persistence. */}}
{{- define "larder.storageClass" -}}
{{- $global := .root.Values.global | default dict -}}
{{- $class := $global.storageClass | default .persistence.storageClass | default $global.defaultStorageClass -}}
{{- if eq ($class | toString) "-" }}
storageClassName: ""
{{- else if $class }}
storageClassName: {{ tpl $class .root | quote }}
{{- end -}}
{{- end -}}

{{/* Specification of a claim. Takes root and persistence. */}}
{{- define "larder.claimSpec" -}}
accessModes:
  {{- toYaml .persistence.accessModes | nindent 2 }}
resources:
  requests:
    storage: {{ .persistence.size | quote }}
{{- with .persistence.selector }}
selector:
  {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 2 }}
{{- end }}
{{- with .persistence.dataSource }}
dataSource:
  {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 2 }}
{{- end }}
{{- include "larder.storageClass" . }}
{{- end -}}

{{/* A claim template. It contains nothing that a new version of a chart changes, because Kubernetes rejects changes of it. Takes root, name and persistence. */}}
{{- define "larder.claimTemplate" -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ .name | quote }}
  {{- with .persistence.labels }}
  labels:
    {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 4 }}
  {{- end }}
  {{- with .persistence.annotations }}
  annotations:
    {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 4 }}
  {{- end }}
spec:
  {{- include "larder.claimSpec" . | nindent 2 }}
{{- end -}}

{{/* What happens to claims when a StatefulSet is deleted or made smaller, with its key, or nothing. Takes the policy. */}}
{{- define "larder.claimRetention" -}}
{{- if .enabled }}
persistentVolumeClaimRetentionPolicy:
  whenDeleted: {{ .whenDeleted }}
  whenScaled: {{ .whenScaled }}
{{- end -}}
{{- end -}}

{{/* An emptyDir with its limits. Takes the persistence values. */}}
{{- define "larder.emptyDir" -}}
{{- if or .medium .sizeLimit -}}
emptyDir:
  {{- with .medium }}
  medium: {{ . }}
  {{- end }}
  {{- with .sizeLimit }}
  sizeLimit: {{ . | quote }}
  {{- end }}
{{- else -}}
emptyDir: {}
{{- end -}}
{{- end -}}

{{/*
An init container that gives a volume to the user of the pods, for storage that ignores fsGroup. Takes root, values (of the pods), volume and path.
Its own values are volumePermissions of the chart; its image is the chart's unless they name another.
*/}}
{{- define "larder.volumePermissions" -}}
{{- $own := .root.Values.volumePermissions -}}
name: volume-permissions
image: {{ include "larder.image" (dict "root" .root "image" $own.image "default" .root.Values.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $own.image }}
command: [/bin/sh, -c, 'chown -R "$OWNER" "$DATA"']
env:
  - name: OWNER
    value: "{{ .values.containerSecurityContext.runAsUser }}:{{ .values.podSecurityContext.fsGroup }}"
  - name: DATA
    value: {{ .path | quote }}
  {{- with $own.extraEnvVars }}
  {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 2 }}
  {{- end }}
securityContext:
  {{- include "larder.securityContext" (dict "root" .root "context" $own.containerSecurityContext) | nindent 2 }}
{{- with include "larder.resources" (dict "resources" $own.resources "preset" $own.resourcesPreset) }}
resources:
  {{- . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: {{ .volume }}
    mountPath: {{ .path | quote }}
{{- end -}}
