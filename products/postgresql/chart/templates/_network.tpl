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
{{- if not (and (hasKey $service "enabled") (not $service.enabled)) }}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" .name "component" .component "labels" (list $service.labels) "annotations" (list $service.annotations)) | nindent 2 }}
spec:
  {{- include "larder.serviceSettings" (dict "root" .root "service" $service) | nindent 2 }}
  ports:
    {{- include "larder.servicePort" (dict "name" "tcp-postgresql" "port" $port "target" "tcp-postgresql" "service" $service "nodePort" $service.nodePorts.postgresql) | nindent 4 }}
    {{- with $service.extraPorts }}
    {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 4 }}
    {{- end }}
  selector:
    {{- include "larder.selectorLabels" . | nindent 4 }}
{{- end }}
{{- end -}}

{{/* Pods of this release, as a peer of a policy. Takes root. */}}
{{- define "postgresql.ownPods" -}}
- podSelector:
    matchLabels:
      {{- include "larder.selectorLabels" (dict "root" .root) | nindent 6 }}
{{- end -}}

{{/* Egress to DNS and to PostgreSQL of this release. Takes root. */}}
{{- define "postgresql.ownEgress" -}}
# Names.
- ports:
    - { port: 53, protocol: UDP }
    - { port: 53, protocol: TCP }
- ports:
    - port: {{ int .root.Values.containerPorts.postgresql }}
  to:
    {{- include "postgresql.ownPods" . | nindent 4 }}
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
        {{- include "postgresql.ownPods" . | nindent 8 }}
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
    {{- include "postgresql.ownEgress" . | nindent 4 }}
    {{- end }}
    {{- with $policy.extraEgress }}
    {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* The PodDisruptionBudget of a component. Takes root, component, name and values. */}}
{{- define "postgresql.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" .name "component" .component) | nindent 2 }}
spec:
  {{- if .values.pdb.minAvailable }}
  minAvailable: {{ .values.pdb.minAvailable }}
  {{- else }}
  maxUnavailable: {{ .values.pdb.maxUnavailable | default 1 }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "larder.selectorLabels" . | nindent 6 }}
{{- end -}}
