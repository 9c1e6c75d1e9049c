{{/* Stops the rendering with every message of a list that is not empty. Takes the list. */}}
{{- define "larder.failWith" -}}
{{- $messages := without . "" -}}
{{- if $messages -}}{{ fail (printf "\nThe values are not valid:\n- %s" ($messages | join "\n- ")) }}{{- end -}}
{{- end -}}
