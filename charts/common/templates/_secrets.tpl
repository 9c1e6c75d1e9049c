{{/*
The value of a key of a secret, base64: the given value, else the one in the cluster, else a new random one.
Takes root, secret (name), key and value. Where the cluster cannot be read (helm template), the result is random at each rendering.
*/}}
{{- define "larder.secretValue" -}}
{{- $held := dig "data" .key "" (lookup "v1" "Secret" (include "larder.namespace" .root) .secret | default dict) -}}
{{- if .value -}}
{{- .value | toString | b64enc -}}
{{- else if $held -}}
{{- $held -}}
{{- else -}}
{{- randAlphaNum 24 | b64enc -}}
{{- end -}}
{{- end -}}
