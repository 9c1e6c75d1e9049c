{{/* The service of a component and its headless one. Takes root, component, name and values. */}}
{{- define "postgresql.services" -}}
{{- $service := .values.service -}}
{{- $port := include "postgresql.servicePort" . -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" (printf "%s-hl" .name) "component" .component "annotations" (list $service.headless.annotations)) | nindent 2 }}
spec:
  type: ClusterIP
  clusterIP: None
  # Pods have names before they are ready.
  publishNotReadyAddresses: true
  ports:
    {{- include "larder.servicePort" (dict "name" "tcp-postgresql" "port" $port "target" "tcp-postgresql" "service" $service) | nindent 4 }}
  selector:
    {{- include "larder.selectorLabels" . | nindent 4 }}
{{- if dig "enabled" true $service }}
---
{{ include "larder.service" (dict "root" .root "name" .name "component" .component "labels" (list $service.labels) "service" $service "ports" (list
  (dict "name" "tcp-postgresql" "port" $port "target" "tcp-postgresql" "nodePort" $service.nodePorts.postgresql))) }}
{{- end }}
{{- end -}}

{{/* The network policy of a component. Takes root, component, name and values. */}}
{{- define "postgresql.policy" -}}
{{- $root := .root -}}
{{- $policy := .values.networkPolicy -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "larder.metadata" (dict "root" $root "name" .name "component" .component) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "larder.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports:
        - port: {{ int $root.Values.containerPorts.postgresql }}
        {{- if $root.Values.metrics.enabled }}
        - port: {{ int $root.Values.metrics.containerPorts.metrics }}
        {{- end }}
      {{- if not $policy.allowExternal }}
      from:
        {{- include "larder.ownPods" . | nindent 8 }}
        - podSelector:
            matchLabels:
              {{ .name }}-client: "true"
        {{- include "larder.policyPeers" (dict "root" $root "namespaces" $policy.ingressNSMatchLabels "pods" $policy.ingressNSPodMatchLabels) | nindent 8 }}
      {{- end }}
    {{- with $policy.extraIngress }}
    {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 4 }}
    {{- end }}
  egress:
    {{- if $policy.allowExternalEgress }}
    - {}
    {{- else }}
    {{- include "larder.ownEgress" (dict "root" $root "ports" (list (dict "port" (int $root.Values.containerPorts.postgresql)))) | nindent 4 }}
    {{- end }}
    {{- with $policy.extraEgress }}
    {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 4 }}
    {{- end }}
{{- end -}}
