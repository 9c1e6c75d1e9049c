{{/* Whether users and groups are left to the platform: on OpenShift they come from the namespace's range. */}}
{{- define "larder.adaptSecurityContext" -}}
{{- $mode := dig "compatibility" "openshift" "adaptSecurityContext" "auto" (.Values.global | default dict) -}}
{{- if or (eq $mode "force") (and (eq $mode "auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1")) -}}true{{- end -}}
{{- end -}}

{{/* A security context of a pod or a container, without the fields that the platform sets. Takes root and context. */}}
{{- define "larder.securityContext" -}}
{{- $context := omit .context "enabled" -}}
{{- if include "larder.adaptSecurityContext" .root -}}{{ $context = omit $context "runAsUser" "runAsGroup" "fsGroup" "seLinuxOptions" }}{{- end -}}
{{- if not $context.seLinuxOptions -}}{{ $context = omit $context "seLinuxOptions" }}{{- end -}}
{{- toYaml $context -}}
{{- end -}}
