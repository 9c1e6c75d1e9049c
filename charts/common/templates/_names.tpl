{{/* Every definition begins with "larder.": definitions of all charts of a release share one table, and a second "common." would replace these. */}}

{{- define "larder.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 42 | trimSuffix "-" -}}
{{- end -}}

{{/*
The name that objects begin with. Kubernetes puts a hash of 11 characters after the name of a workload into a label of at most 63, and charts
add a suffix of at most 10: what is longer than 42 keeps its beginning and gets a hash, so that two long names stay two names.
*/}}
{{- define "larder.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := printf "%s-%s" .Release.Name $name -}}
{{- if .Values.fullnameOverride -}}
{{- $full = tpl .Values.fullnameOverride . -}}
{{- else if contains $name .Release.Name -}}
{{- $full = .Release.Name -}}
{{- end -}}
{{- if gt (len $full) 42 -}}
{{- printf "%s-%s" ($full | trunc 33 | trimSuffix "-") (sha256sum $full | trunc 8) -}}
{{- else -}}
{{- $full | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "larder.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* Name of a service account. Takes root, account (values) and default (the name when it is created). */}}
{{- define "larder.serviceAccountName" -}}
{{- if .account.name -}}{{ tpl .account.name .root }}{{- else if .account.create -}}{{ .default }}{{- else -}}default{{- end -}}
{{- end -}}

{{/* A value as text. Helm reads numbers of values files as floating point, whose text is 1.2345678e+07; past 2^53 they lose digits. */}}
{{- define "larder.text" -}}
{{- if not (kindIs "float64" .) -}}{{ toString . }}
{{- else if ne . (floor .) -}}{{ toString . }}
{{- else if gt . 9007199254740991.0 -}}{{ fail (printf "the number %.0f has too many digits; write it in quotes" .) }}
{{- else -}}{{ printf "%.0f" . }}{{- end -}}
{{- end -}}

{{/* A value that may contain templates. Takes value and root. */}}
{{- define "larder.tpl" -}}
{{- if kindIs "string" .value -}}{{ tpl .value .root }}{{- else -}}{{ tpl (toYaml .value) .root }}{{- end -}}
{{- end -}}
