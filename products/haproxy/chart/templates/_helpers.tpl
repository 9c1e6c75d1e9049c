{{- define "haproxy.accountName" -}}
{{- include "larder.serviceAccountName" (dict "root" . "account" .Values.serviceAccount "default" (include "larder.fullname" .)) -}}
{{- end -}}

{{/* Ports of the service, a list. */}}
{{- define "haproxy.servicePorts" -}}
{{- include "larder.tpl" (dict "value" .Values.service.ports "root" .) -}}
{{- end -}}

{{/* Ports of the container, a list. */}}
{{- define "haproxy.containerPorts" -}}
{{- include "larder.tpl" (dict "value" .Values.containerPorts "root" .) -}}
{{- end -}}

{{/* Data of the ConfigMap, or nothing. */}}
{{- define "haproxy.configuration" -}}
{{- if and .Values.configuration (not .Values.existingConfigmap) -}}
{{- dict "haproxy.cfg" (tpl .Values.configuration .) | toYaml -}}
{{- end -}}
{{- end -}}

{{/* Name of the ConfigMap, or nothing if the image's configuration is used. */}}
{{- define "haproxy.configmapName" -}}
{{- if .Values.existingConfigmap -}}{{ tpl .Values.existingConfigmap . }}
{{- else if .Values.configuration -}}{{ include "larder.fullname" . }}{{- end -}}
{{- end -}}

{{/* Stops the rendering with a message for each combination of values that cannot work. */}}
{{- define "haproxy.validate" -}}
{{- $v := .Values -}}
{{- $messages := list (include "larder.ingressFault" (dict "key" "ingress" "ingress" $v.ingress)) -}}
{{- $ports := include "haproxy.containerPorts" . | fromYamlArray -}}
{{- if not $ports -}}{{- $messages = append $messages "containerPorts is empty; expected at least one port" -}}{{- end -}}
{{- if not (include "haproxy.servicePorts" . | fromYamlArray) -}}{{- $messages = append $messages "service.ports is empty; expected at least one port" -}}{{- end -}}
{{- range $ports -}}
{{- if and $v.metrics.enabled (eq (int .containerPort) (int $v.metrics.containerPorts.metrics)) -}}
{{- /* HAProxy would bind the port twice, and share out the requests. */}}
{{- $messages = append $messages (printf "containerPorts contains the port %d, which is that of metrics.containerPorts.metrics" (int .containerPort)) -}}
{{- end -}}
{{- end -}}
{{- include "larder.failWith" $messages -}}
{{- end -}}
