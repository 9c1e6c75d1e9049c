{{/*
Type, addresses and affinity of a service, from its values. Takes root and service.
A load balancer's source ranges and class, node ports and external addresses are written only for the types that have them.
*/}}
{{- define "larder.serviceSettings" -}}
type: {{ .service.type }}
{{- if and .service.clusterIP (eq .service.type "ClusterIP") }}
clusterIP: {{ .service.clusterIP | quote }}
{{- end }}
{{- with .service.internalTrafficPolicy }}
internalTrafficPolicy: {{ . }}
{{- end }}
{{- if and .service.externalTrafficPolicy (ne .service.type "ClusterIP") }}
externalTrafficPolicy: {{ .service.externalTrafficPolicy }}
{{- end }}
{{- if eq .service.type "LoadBalancer" }}
{{- with .service.loadBalancerIP }}
loadBalancerIP: {{ . | quote }}
{{- end }}
{{- with .service.loadBalancerClass }}
loadBalancerClass: {{ . | quote }}
{{- end }}
{{- with .service.loadBalancerSourceRanges }}
loadBalancerSourceRanges:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with .service.externalIPs }}
externalIPs:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .service.sessionAffinity }}
sessionAffinity: {{ . }}
{{- end }}
{{- with .service.sessionAffinityConfig }}
sessionAffinityConfig:
  {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* One port of a service. Takes name, port, target, service and nodePort. */}}
{{- define "larder.servicePort" -}}
- name: {{ .name | quote }}
  port: {{ int .port }}
  targetPort: {{ .target }}
  protocol: TCP
  {{- if and .nodePort (ne .service.type "ClusterIP") }}
  nodePort: {{ int .nodePort }}
  {{- end }}
{{- end -}}
