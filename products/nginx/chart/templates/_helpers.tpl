{{/* Port of the status page that the chart serves to the exporter, on loopback. */}}
{{- define "nginx.statusPort" -}}18080{{- end -}}

{{/* Whether the chart serves that page: the exporter needs one, and values name no port of their own. */}}
{{- define "nginx.ownStatus" -}}
{{- if and .Values.metrics.enabled (not .Values.metrics.port) -}}true{{- end -}}
{{- end -}}

{{- define "nginx.accountName" -}}
{{- include "larder.serviceAccountName" (dict "root" . "account" .Values.serviceAccount "default" (include "larder.fullname" .)) -}}
{{- end -}}

{{/* Port of the service for HTTP: service.port is its old name. */}}
{{- define "nginx.httpPort" -}}
{{- .Values.service.port | default .Values.service.ports.http -}}
{{- end -}}

{{/* The server that the exporter asks. */}}
{{- define "nginx.statusServer" -}}
server {
    listen 127.0.0.1:{{ include "nginx.statusPort" . }};
    access_log off;
    location = /status {
        stub_status;
    }
}
{{ end -}}

{{/* Data of the ConfigMap, or nothing. */}}
{{- define "nginx.configuration" -}}
{{- $v := .Values -}}
{{- $data := dict -}}
{{- if and $v.serverBlock (not $v.existingServerBlockConfigmap) -}}
{{- $_ := set $data "server-block.conf" (tpl $v.serverBlock .) -}}
{{- end -}}
{{- if and $v.streamServerBlock (not $v.existingStreamServerBlockConfigmap) -}}
{{- $_ := set $data "stream-server-block.conf" (tpl $v.streamServerBlock .) -}}
{{- end -}}
{{- range $context := list "main" "events" "http" -}}
{{- with get $v.contextIncludes $context -}}{{- $_ := set $data (printf "context-%s.conf" $context) (tpl . $) -}}{{- end -}}
{{- end -}}
{{- if include "nginx.ownStatus" . -}}{{- $_ := set $data "status.conf" (include "nginx.statusServer" .) -}}{{- end -}}
{{- if $v.cloneStaticSiteFromGit.enabled -}}{{- $_ := set $data "copy-site.sh" (include "larder.copySite" .) -}}{{- end -}}
{{- with $data -}}{{ toYaml . }}{{- end -}}
{{- end -}}

{{/* A volume with configuration files, or nothing. Takes root, name, keys (of the chart's ConfigMap) and existing (names of ConfigMaps). */}}
{{- define "nginx.configurationVolume" -}}
{{- $held := include "nginx.configuration" .root | fromYaml -}}
{{- $keys := list -}}
{{- range .keys -}}{{- if hasKey $held . -}}{{- $keys = append $keys . -}}{{- end -}}{{- end -}}
{{- if or $keys .existing -}}
- name: {{ .name }}
  projected:
    sources:
      {{- if $keys }}
      - configMap:
          name: {{ include "larder.fullname" .root }}-configuration
          items:
            {{- range $keys }}
            - key: {{ . }}
              path: {{ . }}
            {{- end }}
      {{- end }}
      {{- range .existing }}
      - configMap:
          name: {{ tpl . $.root | quote }}
      {{- end }}
{{- end -}}
{{- end -}}

{{/* All configuration volumes. */}}
{{- define "nginx.configurationVolumes" -}}
{{- $v := .Values -}}
{{- range $volume := list
  (dict "name" "server-blocks" "keys" (list "server-block.conf") "existing" (list $v.existingServerBlockConfigmap))
  (dict "name" "stream-server-blocks" "keys" (list "stream-server-block.conf") "existing" (list $v.existingStreamServerBlockConfigmap))
  (dict "name" "context-main" "keys" (list "context-main.conf") "existing" $v.existingContextMainConfigmaps)
  (dict "name" "context-events" "keys" (list "context-events.conf") "existing" $v.existingContextEventsConfigmaps)
  (dict "name" "context-http" "keys" (list "context-http.conf" "status.conf") "existing" $v.existingContextHttpConfigmaps) }}
{{- with include "nginx.configurationVolume" (dict "root" $ "name" $volume.name "keys" $volume.keys "existing" (without ($volume.existing | default list) "")) }}
{{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Stops the rendering with a message for each combination of values that cannot work. */}}
{{- define "nginx.validate" -}}
{{- $v := .Values -}}
{{- $messages := list (include "larder.tlsFault" .) (include "larder.ingressFault" (dict "key" "ingress" "ingress" $v.ingress)) (include "larder.ingressFault" (dict "key" "healthIngress" "ingress" $v.healthIngress)) -}}
{{- if and (not $v.containerPorts.http) (not $v.containerPorts.https) -}}
{{- $messages = append $messages "containerPorts.http and containerPorts.https are empty; expected at least one port" -}}
{{- end -}}
{{- with $v.cloneStaticSiteFromGit -}}
{{- if and .enabled (not .image.repository) -}}
{{- $messages = append $messages "cloneStaticSiteFromGit.enabled requires cloneStaticSiteFromGit.image.repository: the library has no image with git yet" -}}
{{- end -}}
{{- if and .enabled (not .repository) -}}
{{- $messages = append $messages "cloneStaticSiteFromGit.enabled requires cloneStaticSiteFromGit.repository" -}}
{{- end -}}
{{- end -}}
{{- include "larder.failWith" $messages -}}
{{- end -}}
