{{/*
A secret with a certificate that the chart makes, and its authority: the one in the cluster, else a new one.
Takes root, name, subject, hosts, and optionally addresses and annotations. Where the cluster cannot be read, it is new at each rendering.
*/}}
{{- define "larder.certificateSecret" -}}
{{- $held := lookup "v1" "Secret" (include "larder.namespace" .root) .name | default dict -}}
apiVersion: v1
kind: Secret
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" .name "annotations" .annotations) | nindent 2 }}
type: kubernetes.io/tls
data:
  {{- if dig "data" "ca.crt" "" $held }}
  {{- range list "ca.crt" "tls.crt" "tls.key" }}
  {{ . }}: {{ index $held.data . | quote }}
  {{- end }}
  {{- else }}
  {{- $authority := genCA (printf "%s-ca" .subject) 3650 }}
  {{- $certificate := genSignedCert .subject (.addresses | default list) .hosts 3650 $authority }}
  ca.crt: {{ $authority.Cert | b64enc | quote }}
  tls.crt: {{ $certificate.Cert | b64enc | quote }}
  tls.key: {{ $certificate.Key | b64enc | quote }}
  {{- end }}
{{- end -}}
