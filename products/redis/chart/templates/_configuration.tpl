{{- define "redis.hasUsers" -}}
{{- if and .Values.auth.enabled .Values.auth.acl.enabled .Values.auth.acl.users -}}true{{- end -}}
{{- end -}}

{{/* Data of the ConfigMap that the image reads from conf.d/. */}}
{{- define "redis.configuration" -}}
redis.conf: |
  # For every node.
  {{- with .Values.commonConfiguration }}
  {{- tpl . $ | nindent 2 }}
  {{- end }}
master.conf: |
  # For the primary.
  {{- range .Values.master.disableCommands }}
  rename-command {{ . }} ""
  {{- end }}
  {{- with .Values.master.configuration }}
  {{- tpl . $ | nindent 2 }}
  {{- end }}
replica.conf: |
  # For replicas, and for all nodes with sentinels.
  {{- range .Values.replica.disableCommands }}
  rename-command {{ . }} ""
  {{- end }}
  {{- with .Values.replica.configuration }}
  {{- tpl . $ | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Data of the ConfigMap with the scripts. */}}
{{- define "redis.scripts" -}}
{{- range $path, $_ := .Files.Glob "scripts/*.sh" }}
{{ base $path }}: |
  {{- $.Files.Get $path | trim | nindent 2 }}
{{- end }}
sentinel.conf: |
  # More settings of the sentinels.
  {{- with .Values.sentinel.configuration }}
  {{- tpl . $ | nindent 2 }}
  {{- end }}
{{- end -}}
