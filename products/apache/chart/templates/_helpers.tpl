{{- define "apache.accountName" -}}
{{- include "larder.serviceAccountName" (dict "root" . "account" .Values.serviceAccount "default" (include "larder.fullname" .)) -}}
{{- end -}}

{{/* Port of the status page that the image serves on loopback. */}}
{{- define "apache.statusPort" -}}18081{{- end -}}

{{/* Name of the container's and the service's first port. */}}
{{- define "apache.firstPort" -}}
{{- ternary "http" "https" (not (empty .Values.containerPorts.http)) -}}
{{- end -}}

{{/* Data of the ConfigMap, or nothing. */}}
{{- define "apache.configuration" -}}
{{- $v := .Values -}}
{{- $data := dict -}}
{{- if and $v.vhosts (not $v.vhostsConfigMap) -}}{{- $_ := set $data "vhosts.conf" (tpl $v.vhosts .) -}}{{- end -}}
{{- if $v.cloneHtdocsFromGit.enabled -}}{{- $_ := set $data "copy-site.sh" (include "larder.copySite" .) -}}{{- end -}}
{{- with $data -}}{{ toYaml . }}{{- end -}}
{{- end -}}

{{/* Stops the rendering with a message for each combination of values that cannot work. */}}
{{- define "apache.validate" -}}
{{- $v := .Values -}}
{{- $messages := list (include "larder.tlsFault" .) (include "larder.ingressFault" (dict "key" "ingress" "ingress" $v.ingress)) -}}
{{- if and (not $v.containerPorts.http) (not (and $v.tls.enabled $v.containerPorts.https)) -}}
{{- $messages = append $messages "containerPorts.http is empty; expected it, or containerPorts.https with tls.enabled" -}}
{{- end -}}
{{- if $v.cloneHtdocsFromGit.enabled -}}
{{- if not $v.git.repository -}}
{{- $messages = append $messages "cloneHtdocsFromGit.enabled requires git.repository: the library has no image with git yet" -}}
{{- end -}}
{{- if not $v.cloneHtdocsFromGit.repository -}}
{{- $messages = append $messages "cloneHtdocsFromGit.enabled requires cloneHtdocsFromGit.repository" -}}
{{- end -}}
{{- end -}}
{{- include "larder.failWith" $messages -}}
{{- end -}}
