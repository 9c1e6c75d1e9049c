{{/* A service account. Takes root, name, account (values) and optionally component. */}}
{{- define "larder.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" .name "component" .component "annotations" (list .account.annotations)) | nindent 2 }}
automountServiceAccountToken: {{ .account.automountServiceAccountToken }}
{{- end -}}

{{/* A role and its binding to a service account. Takes root, name, account (its name), rules and optionally component. */}}
{{- define "larder.role" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" .name "component" .component) | nindent 2 }}
rules:
  {{- include "larder.tpl" (dict "value" .rules "root" .root) | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" .name "component" .component) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name | quote }}
subjects:
  - kind: ServiceAccount
    name: {{ .account | quote }}
    namespace: {{ include "larder.namespace" .root | quote }}
{{- end -}}

{{/* Objects of extraDeploy, each after a line "---". */}}
{{- define "larder.extraDeploy" -}}
{{- range .Values.extraDeploy }}
---
{{ include "larder.tpl" (dict "value" . "root" $) }}
{{- end }}
{{- end -}}

{{/* Settings of a pod that `helm test` runs, other than containers and volumes. Takes root and context (of the pods' security). */}}
{{- define "larder.testSettings" -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
{{- include "larder.imagePullSecrets" (dict "root" .root "images" (list .root.Values.image)) }}
{{- if .context.enabled }}
securityContext:
  {{- include "larder.securityContext" . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
Metadata of a pod that `helm test` runs. Its name label differs from that of the release's pods, because services and policies of a chart
without components select by name and instance alone. The label NAME-client lets it connect.
*/}}
{{- define "larder.testMetadata" -}}
{{- $full := include "larder.fullname" . -}}
name: {{ $full }}-test
namespace: {{ include "larder.namespace" . | quote }}
labels:
  app.kubernetes.io/name: {{ include "larder.name" . }}-test
  app.kubernetes.io/instance: {{ .Release.Name | quote }}
  app.kubernetes.io/managed-by: {{ .Release.Service }}
  {{ $full }}-client: "true"
  {{- with .Values.commonLabels }}
  {{- include "larder.tpl" (dict "value" . "root" $) | nindent 2 }}
  {{- end }}
{{- include "larder.annotations" (dict "root" . "extra" (list (dict "helm.sh/hook" "test" "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded"))) }}
{{- end -}}
