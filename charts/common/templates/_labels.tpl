{{/* Labels that never change during the life of a release, because selectors are immutable. Takes root and component. */}}
{{- define "larder.selectorLabels" -}}
app.kubernetes.io/name: {{ include "larder.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/* Labels of an object. Takes root, and optionally component and extra (a list of maps; a later one does not replace an earlier one). */}}
{{- define "larder.labels" -}}
{{- $own := include "larder.selectorLabels" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- with .root.Chart.AppVersion }}{{ $_ := set $own "app.kubernetes.io/version" (. | toString | replace "+" "_") }}{{ end -}}
{{- range concat (.extra | default list) (list .root.Values.commonLabels) -}}
{{- with . }}{{ $own = merge $own (include "larder.tpl" (dict "value" . "root" $.root) | fromYaml) }}{{ end -}}
{{- end -}}
{{- toYaml $own -}}
{{- end -}}

{{/* Annotations of an object, with their key, or nothing. Takes root and extra (a list of maps; an earlier one wins over a later one). */}}
{{- define "larder.annotations" -}}
{{- $all := dict -}}
{{- range concat (.extra | default list) (list .root.Values.commonAnnotations) -}}
{{- with . }}{{ $all = merge $all (include "larder.tpl" (dict "value" . "root" $.root) | fromYaml) }}{{ end -}}
{{- end -}}
{{- with $all }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* Metadata of an object. Takes root and name, and optionally component, labels and annotations (lists of maps). */}}
{{- define "larder.metadata" -}}
name: {{ .name | quote }}
namespace: {{ .namespace | default (include "larder.namespace" .root) | quote }}
labels:
  {{- include "larder.labels" (dict "root" .root "component" .component "extra" .labels) | nindent 2 }}
{{- include "larder.annotations" (dict "root" .root "extra" .annotations) }}
{{- end -}}
