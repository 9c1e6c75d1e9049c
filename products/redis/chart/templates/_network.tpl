{{/* A service of a component. Takes root, name, component, service (values) and ports. */}}
{{- define "redis.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" .name "component" .component "annotations" (list .service.annotations)) | nindent 2 }}
spec:
  {{- include "larder.serviceSettings" (dict "root" .root "service" .service) | nindent 2 }}
  ports:
    {{- range .ports }}
    {{- include "larder.servicePort" (dict "name" .name "port" .port "target" .target "service" $.service "nodePort" .nodePort) | nindent 4 }}
    {{- end }}
    {{- with .service.extraPorts }}
    {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 4 }}
    {{- end }}
  selector:
    {{- include "larder.selectorLabels" (dict "root" .root "component" .component) | nindent 4 }}
{{- end -}}

{{/* Namespaces and pods that may connect. Takes root, namespaces and pods (labels). Labels of pods alone select them in every namespace. */}}
{{- define "redis.policyPeers" -}}
{{- if or .namespaces .pods }}
- namespaceSelector:
    matchLabels:
      {{- include "larder.tpl" (dict "value" (.namespaces | default dict) "root" .root) | nindent 6 }}
  {{- with .pods }}
  podSelector:
    matchLabels:
      {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 6 }}
  {{- end }}
{{- end }}
{{- end -}}
