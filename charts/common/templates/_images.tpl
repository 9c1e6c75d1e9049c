{{/*
Reference of an image. Takes root and image, and optionally default: the image that stands in when image has no repository.
The registry of the image wins over global.imageRegistry. A digest is added to the tag: the tag is for people, the digest decides.
*/}}
{{- define "larder.image" -}}
{{- $image := .image -}}
{{- if and (not $image.repository) .default -}}{{ $image = .default }}{{- end -}}
{{- $registry := $image.registry | default (.root.Values.global).imageRegistry -}}
{{- $tag := include "larder.text" ($image.tag | default (ternary "" .root.Chart.AppVersion (not (empty $image.digest)))) -}}
{{- with $registry }}{{ . | trimSuffix "/" }}/{{ end -}}
{{- required "the repository of an image is missing: set repository and tag of images that Larder does not build" $image.repository -}}
{{- with $tag }}:{{ . }}{{ end -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* Pull policy of an image, IfNotPresent by default, because tags and digests never move. */}}
{{- define "larder.pullPolicy" -}}
{{- .pullPolicy | default "IfNotPresent" -}}
{{- end -}}

{{/* Pull secrets with their key, each once: names, or objects with a name. Takes root and images. */}}
{{- define "larder.imagePullSecrets" -}}
{{- $names := list -}}
{{- range concat ((.root.Values.global).imagePullSecrets | default list) -}}
{{- $names = append $names (kindIs "map" . | ternary (get (kindIs "map" . | ternary . dict) "name") .) -}}
{{- end -}}
{{- range .images -}}
{{- range .pullSecrets -}}
{{- $names = append $names (kindIs "map" . | ternary (get (kindIs "map" . | ternary . dict) "name") .) -}}
{{- end -}}
{{- end -}}
{{- with $names | uniq }}
imagePullSecrets:
  {{- range . }}
  - name: {{ tpl . $.root | quote }}
  {{- end }}
{{- end -}}
{{- end -}}
