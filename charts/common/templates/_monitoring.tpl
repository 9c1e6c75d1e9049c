{{/*
A ServiceMonitor or PodMonitor of the Prometheus operator. Takes root, kind, values, labels, and optionally name, and port (if it is not given, that of the values is read).
It selects services of the component metrics, or all pods of the release.
*/}}
{{- define "larder.monitor" -}}
{{- $values := .values -}}
apiVersion: monitoring.coreos.com/v1
kind: {{ .kind }}
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" (.name | default (include "larder.fullname" .root)) "namespace" $values.namespace "component" "metrics" "labels" (list .labels)) | nindent 2 }}
spec:
  {{- with $values.jobLabel }}
  jobLabel: {{ . | quote }}
  {{- end }}
  namespaceSelector:
    matchNames: [{{ include "larder.namespace" .root | quote }}]
  selector:
    matchLabels:
      {{- include "larder.selectorLabels" (dict "root" .root "component" (ternary "metrics" nil (eq .kind "ServiceMonitor"))) | nindent 6 }}
      {{- with $values.selector }}
      {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 6 }}
      {{- end }}
  {{- with $values.podTargetLabels }}
  podTargetLabels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.sampleLimit }}
  sampleLimit: {{ int . }}
  {{- end }}
  {{- with $values.targetLimit }}
  targetLimit: {{ int . }}
  {{- end }}
  {{ ternary "endpoints" "podMetricsEndpoints" (eq .kind "ServiceMonitor") }}:
    - port: {{ .port | default $values.port }}
      {{- with $values.interval }}
      interval: {{ . }}
      {{- end }}
      {{- with $values.scrapeTimeout }}
      scrapeTimeout: {{ . }}
      {{- end }}
      {{- if $values.honorLabels }}
      honorLabels: true
      {{- end }}
      {{- range $key := list "relabelings" "metricRelabelings" "tlsConfig" }}
      {{- with get $values $key }}
      {{ $key }}:
        {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 8 }}
      {{- end }}
      {{- end }}
    {{- with $values.additionalEndpoints }}
    {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Alerts of the Prometheus operator. Takes root, values, labels, and optionally name. */}}
{{- define "larder.prometheusRule" -}}
{{- $name := .name | default (include "larder.fullname" .root) -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" $name "namespace" .values.namespace "component" "metrics" "labels" (list .labels)) | nindent 2 }}
spec:
  groups:
    - name: {{ $name | quote }}
      rules:
        {{- include "larder.tpl" (dict "value" .values.rules "root" .root) | nindent 8 }}
{{- end -}}
