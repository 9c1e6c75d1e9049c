{{/* Affinity to, or away from, the pods of a component. Takes root, component and type (soft, hard or empty). */}}
{{- define "larder.podTerms" -}}
{{- if eq .type "hard" -}}
requiredDuringSchedulingIgnoredDuringExecution:
  - topologyKey: kubernetes.io/hostname
    labelSelector:
      matchLabels:
        {{- include "larder.selectorLabels" . | nindent 8 }}
{{- else if eq .type "soft" -}}
preferredDuringSchedulingIgnoredDuringExecution:
  - weight: 1
    podAffinityTerm:
      topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          {{- include "larder.selectorLabels" . | nindent 10 }}
{{- end -}}
{{- end -}}

{{/* Affinity of a pod, with its key, or nothing. Takes root, component and values (affinity and the presets). affinity replaces the presets. */}}
{{- define "larder.affinity" -}}
{{- $node := .values.nodeAffinityPreset | default dict -}}
{{- if .values.affinity }}
affinity:
  {{- include "larder.tpl" (dict "value" .values.affinity "root" .root) | nindent 2 }}
{{- else if or .values.podAffinityPreset .values.podAntiAffinityPreset $node.type }}
affinity:
  {{- with .values.podAffinityPreset }}
  podAffinity:
    {{- include "larder.podTerms" (dict "root" $.root "component" $.component "type" .) | nindent 4 }}
  {{- end }}
  {{- with .values.podAntiAffinityPreset }}
  podAntiAffinity:
    {{- include "larder.podTerms" (dict "root" $.root "component" $.component "type" .) | nindent 4 }}
  {{- end }}
  {{- if $node.type }}
  nodeAffinity:
    {{- $match := dict "matchExpressions" (list (dict "key" $node.key "operator" "In" "values" $node.values)) }}
    {{- if eq $node.type "hard" }}
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - {{- toYaml $match | nindent 10 }}
    {{- else }}
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 1
        preference:
          {{- toYaml $match | nindent 10 }}
    {{- end }}
  {{- end }}
{{- end -}}
{{- end -}}
