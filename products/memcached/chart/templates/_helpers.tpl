{{- define "memcached.accountName" -}}
{{- include "larder.serviceAccountName" (dict "root" . "account" .Values.serviceAccount "default" (include "larder.fullname" .)) -}}
{{- end -}}

{{/* Whether pods have names and volumes of their own. */}}
{{- define "memcached.stateful" -}}
{{- if eq .Values.architecture "high-availability" -}}true{{- end -}}
{{- end -}}

{{/* Whether the cache is kept in a volume over restarts. */}}
{{- define "memcached.persistent" -}}
{{- if and (include "memcached.stateful" .) .Values.persistence.enabled -}}true{{- end -}}
{{- end -}}

{{- define "memcached.secretName" -}}
{{- if .Values.auth.existingPasswordSecret -}}{{ tpl .Values.auth.existingPasswordSecret . }}{{- else -}}{{ include "larder.fullname" . }}{{- end -}}
{{- end -}}

{{/* Stops the rendering with a message for each combination of values that cannot work. */}}
{{- define "memcached.validate" -}}
{{- $v := .Values -}}
{{- $messages := list -}}
{{- if not (has $v.architecture (list "standalone" "high-availability")) -}}
{{- $messages = append $messages (printf "architecture is %s; expected standalone or high-availability" $v.architecture) -}}
{{- end -}}
{{- if and (eq $v.architecture "standalone") (gt (int $v.replicaCount) 1) -}}
{{- $messages = append $messages "replicaCount is more than 1: several servers require architecture: high-availability" -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (eq $v.architecture "standalone") -}}
{{- $messages = append $messages "autoscaling.enabled requires architecture: high-availability" -}}
{{- end -}}
{{- if and $v.auth.enabled (not $v.auth.username) -}}
{{- $messages = append $messages "auth.enabled requires auth.username" -}}
{{- end -}}
{{- include "larder.failWith" $messages -}}
{{- end -}}
