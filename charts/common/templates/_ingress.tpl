{{/* Where an ingress sends requests. Takes service and port (a name). */}}
{{- define "larder.ingressBackend" -}}
service:
  name: {{ .service | quote }}
  port:
    name: {{ .port | quote }}
{{- end -}}

{{/* Hosts and secrets of the certificates of an ingress, a list or nothing. Takes root and ingress (values). tls may be such a list itself. */}}
{{- define "larder.ingressTls" -}}
{{- $host := tpl (.ingress.hostname | default "") .root -}}
{{- if kindIs "slice" .ingress.tls }}
{{- with .ingress.tls }}
{{ include "larder.tpl" (dict "value" . "root" $.root) }}
{{- end }}
{{- else if and .ingress.tls $host }}
- hosts:
    - {{ $host | quote }}
    {{- $redirected := get (.ingress.annotations | default dict) "nginx.ingress.kubernetes.io/from-to-www-redirect" }}
    {{- if or .ingress.tlsWwwPrefix (eq (toString $redirected) "true") }}
    - {{ printf "www.%s" $host | quote }}
    {{- end }}
  secretName: {{ printf "%s-tls" $host | quote }}
{{- end }}
{{- with .ingress.extraTls }}
{{ include "larder.tpl" (dict "value" . "root" $.root) }}
{{- end }}
{{- end -}}

{{/* An ingress. Takes root, name, ingress (values), service and port (a name). */}}
{{- define "larder.ingress" -}}
{{- $values := .ingress -}}
{{- $host := tpl ($values.hostname | default "") .root -}}
apiVersion: {{ $values.apiVersion | default "networking.k8s.io/v1" }}
kind: Ingress
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" .name "annotations" (list $values.annotations)) | nindent 2 }}
spec:
  {{- with $values.ingressClassName }}
  ingressClassName: {{ tpl . $.root | quote }}
  {{- end }}
  rules:
    {{- if $host }}
    - host: {{ $host | quote }}
      http:
        paths:
          {{- with $values.extraPaths }}
          {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 10 }}
          {{- end }}
          - path: {{ $values.path | default "/" | quote }}
            pathType: {{ $values.pathType }}
            backend:
              {{- include "larder.ingressBackend" . | nindent 14 }}
    {{- end }}
    {{- range $values.extraHosts }}
    - host: {{ tpl .name $.root | quote }}
      http:
        paths:
          - path: {{ .path | default "/" | quote }}
            pathType: {{ .pathType | default $values.pathType }}
            backend:
              {{- include "larder.ingressBackend" $ | nindent 14 }}
    {{- end }}
    {{- with $values.extraRules }}
    {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 4 }}
    {{- end }}
  {{- with include "larder.ingressTls" (dict "root" .root "ingress" $values) }}
  tls:
    {{- . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Secrets of the certificates of an ingress, each after a line "---": those that values give, and one that the chart makes. Takes root and ingress (values). */}}
{{- define "larder.ingressSecrets" -}}
{{- $names := list -}}
{{- range .ingress.secrets }}
{{- $names = append $names .name }}
---
apiVersion: v1
kind: Secret
metadata:
  {{- include "larder.metadata" (dict "root" $.root "name" .name) | nindent 2 }}
type: kubernetes.io/tls
data:
  tls.crt: {{ .certificate | b64enc | quote }}
  tls.key: {{ .key | b64enc | quote }}
{{- end }}
{{- $host := tpl (.ingress.hostname | default "") .root }}
{{- $name := printf "%s-tls" $host }}
{{- if and .ingress.tls .ingress.selfSigned $host (not (has $name $names)) }}
---
{{ include "larder.certificateSecret" (dict "root" .root "name" $name "subject" $host "hosts" (list $host (printf "www.%s" $host))) }}
{{- end }}
{{- end -}}

{{/* A message if an ingress has no rules, which Kubernetes rejects. Takes key (where values have it) and ingress (values). */}}
{{- define "larder.ingressFault" -}}
{{- if and .ingress.enabled (not .ingress.hostname) (not .ingress.extraHosts) (not .ingress.extraRules) -}}
{{ .key }}.enabled requires {{ .key }}.hostname, {{ .key }}.extraHosts or {{ .key }}.extraRules
{{- end -}}
{{- end -}}
