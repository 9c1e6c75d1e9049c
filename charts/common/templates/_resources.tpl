{{/*
Resources of a container. Takes resources and preset; resources replace the preset.
The smallest preset is large enough for every product of the library to start.
*/}}
{{- define "larder.resources" -}}
{{- if .resources -}}
{{- toYaml .resources -}}
{{- else if and .preset (ne .preset "none") -}}
{{- $sizes := dict
  "nano" (list "100m" "128Mi" "300m" "256Mi")
  "micro" (list "250m" "256Mi" "500m" "512Mi")
  "small" (list "500m" "512Mi" "1" "1Gi")
  "medium" (list "500m" "1Gi" "1" "2Gi")
  "large" (list "1" "2Gi" "2" "4Gi")
  "xlarge" (list "1" "3Gi" "3" "6Gi")
  "2xlarge" (list "1" "4Gi" "6" "12Gi") -}}
{{- $size := get $sizes .preset -}}
{{- if not $size -}}{{ fail (printf "resourcesPreset %s is not known; expected none or one of %s" .preset (keys $sizes | sortAlpha | join ", ")) }}{{- end -}}
requests:
  cpu: {{ index $size 0 | quote }}
  memory: {{ index $size 1 }}
  ephemeral-storage: 50Mi
limits:
  cpu: {{ index $size 2 | quote }}
  memory: {{ index $size 3 }}
  ephemeral-storage: 2Gi
{{- end -}}
{{- end -}}
