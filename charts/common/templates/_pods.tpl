{{/* A probe with its key, or nothing: the chart's own form, or the custom one. Takes root, name (livenessProbe), values and handler (a map). */}}
{{- define "larder.probe" -}}
{{- $custom := get .values (printf "custom%s" (.name | title | replace "probe" "Probe")) -}}
{{- $own := get .values .name | default dict -}}
{{- if $custom }}
{{ .name }}:
  {{- include "larder.tpl" (dict "value" $custom "root" .root) | nindent 2 }}
{{- else if $own.enabled }}
{{ .name }}:
  {{- toYaml (merge (omit $own "enabled") .handler) | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* The three probes of a container, none in diagnostic mode. Takes root, values, live and ready (handlers). */}}
{{- define "larder.probes" -}}
{{- if not (.root.Values.diagnosticMode).enabled -}}
{{- include "larder.probe" (dict "root" .root "name" "startupProbe" "values" .values "handler" .live) -}}
{{- include "larder.probe" (dict "root" .root "name" "livenessProbe" "values" .values "handler" .live) -}}
{{- include "larder.probe" (dict "root" .root "name" "readinessProbe" "values" .values "handler" .ready) -}}
{{- end -}}
{{- end -}}

{{/*
Command and arguments of a container, with their keys, or nothing. In diagnostic mode those of diagnosticMode.
Takes root, values (command, args), and optionally command and args: the chart's own, used where values have none.
*/}}
{{- define "larder.command" -}}
{{- $command := .values.command | default .command -}}
{{- $args := .values.args | default (ternary list .args (not (empty .values.command))) -}}
{{- if (.root.Values.diagnosticMode).enabled -}}
{{- $command = .root.Values.diagnosticMode.command -}}{{- $args = .root.Values.diagnosticMode.args -}}
{{- end -}}
{{- with $command }}
command:
  {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 2 }}
{{- end }}
{{- with $args }}
args:
  {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* envFrom with its key, or nothing. Takes root and values (extraEnvVarsCM, extraEnvVarsSecret). */}}
{{- define "larder.envFrom" -}}
{{- if or .values.extraEnvVarsCM .values.extraEnvVarsSecret }}
envFrom:
  {{- with .values.extraEnvVarsCM }}
  - configMapRef:
      name: {{ tpl . $.root | quote }}
  {{- end }}
  {{- with .values.extraEnvVarsSecret }}
  - secretRef:
      name: {{ tpl . $.root | quote }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* Security context, resources and lifecycle hooks of a container. Takes root and values. */}}
{{- define "larder.containerLimits" -}}
{{- if (.values.containerSecurityContext).enabled }}
securityContext:
  {{- include "larder.securityContext" (dict "root" .root "context" .values.containerSecurityContext) | nindent 2 }}
{{- end }}
{{- with include "larder.resources" (dict "resources" .values.resources "preset" .values.resourcesPreset) }}
resources:
  {{- . | nindent 2 }}
{{- end }}
{{- with .values.lifecycleHooks }}
lifecycle:
  {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
Settings of the pods of a workload other than containers and volumes.
Takes root, values, component, images, serviceAccountName, and optionally podSelector (the component whose pods count for affinity).
*/}}
{{- define "larder.podSettings" -}}
{{- include "larder.imagePullSecrets" (dict "root" .root "images" .images) }}
serviceAccountName: {{ .serviceAccountName | quote }}
automountServiceAccountToken: {{ .values.automountServiceAccountToken | default false }}
enableServiceLinks: {{ .values.enableServiceLinks | default false }}
{{- if (.values.podSecurityContext).enabled }}
securityContext:
  {{- include "larder.securityContext" (dict "root" .root "context" .values.podSecurityContext) | nindent 2 }}
{{- end }}
{{- include "larder.affinity" (dict "root" .root "component" .component "values" .values) }}
{{- range $key := list "hostAliases" "nodeSelector" "tolerations" "topologySpreadConstraints" "dnsConfig" }}
{{- with get $.values $key }}
{{ $key }}:
  {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 2 }}
{{- end }}
{{- end }}
{{- range $key := list "dnsPolicy" "priorityClassName" "schedulerName" "shareProcessNamespace" "hostNetwork" "hostIPC" }}
{{- with get $.values $key }}
{{ $key }}: {{ toJson . }}
{{- end }}
{{- end }}
{{- with .values.terminationGracePeriodSeconds }}
terminationGracePeriodSeconds: {{ int . }}
{{- end }}
{{- with .values.extraPodSpec }}
{{ include "larder.tpl" (dict "value" . "root" $.root) }}
{{- end }}
{{- end -}}

{{/* How pods are replaced, with the key of the kind. Takes kind and strategy. Only RollingUpdate has the key rollingUpdate. */}}
{{- define "larder.updateStrategy" -}}
{{- $strategy := .strategy | default dict -}}
{{- if not $strategy.rollingUpdate -}}{{- $strategy = omit $strategy "rollingUpdate" -}}{{- end -}}
{{- with $strategy }}
{{ ternary "strategy" "updateStrategy" (eq $.kind "Deployment") }}:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}
