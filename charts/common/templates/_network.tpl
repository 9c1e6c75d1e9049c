{{/*
A service. Takes root, name, component, service (values) and ports (maps of name, port, target and nodePort), and optionally labels (a list of
maps) and selected: the component of the pods, nil for all pods of the release. Unless set, it is component.
*/}}
{{- define "larder.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" .name "component" .component "labels" .labels "annotations" (list .service.annotations)) | nindent 2 }}
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
    {{- $selected := hasKey . "selected" | ternary .selected .component }}
    {{- include "larder.selectorLabels" (dict "root" .root "component" $selected) | nindent 4 }}
{{- end -}}

{{/* Namespaces and pods that may connect. Takes root, namespaces and pods (labels). Labels of pods alone select them in every namespace. */}}
{{- define "larder.policyPeers" -}}
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

{{/* The pods of a release, as a peer of a policy. Takes root. */}}
{{- define "larder.ownPods" -}}
- podSelector:
    matchLabels:
      {{- include "larder.selectorLabels" (dict "root" .root) | nindent 6 }}
{{- end -}}

{{/* Rules for egress to DNS and to the pods of a release. Takes root and ports (a list). */}}
{{- define "larder.ownEgress" -}}
# Names.
- ports:
    - { port: 53, protocol: UDP }
    - { port: 53, protocol: TCP }
- ports:
    {{- toYaml .ports | nindent 4 }}
  to:
    {{- include "larder.ownPods" . | nindent 4 }}
{{- end -}}

{{/*
The network policy of all pods of a release. Takes root, policy (values), ports (a list), and optionally metricsPorts and metricsPolicy (values).
Without external clients, pods of the release and those with the label NAME-client connect; without external egress, pods reach each other and DNS.
*/}}
{{- define "larder.networkPolicy" -}}
{{- $root := .root }}
{{- $policy := .policy }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" (include "larder.fullname" .root)) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "larder.selectorLabels" (dict "root" .root) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports:
        {{- toYaml .ports | nindent 8 }}
      {{- if not $policy.allowExternal }}
      from:
        {{- include "larder.ownPods" . | nindent 8 }}
        - podSelector:
            matchLabels:
              {{ include "larder.fullname" .root }}-client: "true"
        {{- include "larder.policyPeers" (dict "root" .root "namespaces" $policy.ingressNSMatchLabels "pods" $policy.ingressNSPodMatchLabels) | nindent 8 }}
      {{- end }}
    {{- with .metricsPorts }}
    - ports:
        {{- toYaml . | nindent 8 }}
      {{- if and $.metricsPolicy (not ($.metricsPolicy).allowExternal) }}
      from:
        {{- include "larder.ownPods" $ | nindent 8 }}
        {{- include "larder.policyPeers" (dict "root" $root "namespaces" $.metricsPolicy.ingressNSMatchLabels "pods" $.metricsPolicy.ingressNSPodMatchLabels) | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- with $policy.extraIngress }}
    {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 4 }}
    {{- end }}
  egress:
    {{- if $policy.allowExternalEgress }}
    - {}
    {{- else }}
    {{- include "larder.ownEgress" . | nindent 4 }}
    {{- end }}
    {{- with $policy.extraEgress }}
    {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* The service of the metrics of all pods of a release. Takes root, port and service (a map of the values that the chart documents). */}}
{{- define "larder.metricsService" -}}
{{- $settings := merge (dict "type" "ClusterIP") .service }}
{{- $ports := list (dict "name" "metrics" "port" .port "target" "metrics") }}
{{- include "larder.service" (dict "root" .root "name" (printf "%s-metrics" (include "larder.fullname" .root)) "component" "metrics" "selected" nil "service" $settings "ports" $ports) }}
{{- end -}}
