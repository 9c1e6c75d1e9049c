{{/* Settings of the chart, which the image reads from conf.d/. */}}
{{- define "rabbitmq.settings" -}}
{{- $v := .Values -}}
listeners.tcp.default = {{ int $v.containerPorts.amqp }}
{{- if include "rabbitmq.managed" . }}
management.tcp.port = {{ int $v.containerPorts.manager }}
{{- end }}
{{- if $v.metrics.enabled }}
prometheus.tcp.port = {{ int $v.containerPorts.metrics }}
{{- end }}
{{- if $v.image.debug }}
log.console.level = debug
{{- end }}
{{- if $v.memoryHighWatermark.enabled }}
vm_memory_high_watermark.{{ $v.memoryHighWatermark.type }} = {{ $v.memoryHighWatermark.value }}
{{- end }}
{{- if $v.auth.tls.enabled }}
{{- include "rabbitmq.tlsSettings" . }}
{{- end }}
{{- if $v.clustering.enabled }}
cluster_partition_handling = {{ $v.clustering.partitionHandling }}
cluster_formation.peer_discovery_backend = classic_config
{{- range $node := until (int $v.replicaCount) }}
cluster_formation.classic_config.nodes.{{ add1 $node }} = {{ include "rabbitmq.nodeName" (dict "root" $ "pod" (printf "%s-%d" (include "larder.fullname" $) $node)) }}
{{- end }}
{{- with $v.clustering.name }}
cluster_name = {{ tpl . $ }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "rabbitmq.tlsSettings" -}}
{{- $v := .Values -}}
{{- $folder := "/run/secrets/rabbitmq-tls" }}
listeners.ssl.default = {{ int $v.containerPorts.amqpTls }}
{{- range $prefix := ternary (list "ssl_options" "management.ssl") (list "ssl_options") (not (empty (include "rabbitmq.managed" .))) }}
{{ $prefix }}.cacertfile = {{ $folder }}/ca.crt
{{ $prefix }}.certfile = {{ $folder }}/tls.crt
{{ $prefix }}.keyfile = {{ $folder }}/tls.key
{{- end }}
ssl_options.verify = {{ $v.auth.tls.sslOptionsVerify }}
ssl_options.fail_if_no_peer_cert = {{ and $v.auth.tls.failIfNoPeerCert (eq $v.auth.tls.sslOptionsVerify "verify_peer") }}
{{- if include "rabbitmq.managed" . }}
management.ssl.port = {{ int $v.containerPorts.managerTls }}
{{- end }}
{{- end -}}

{{/* Data of the secret with the settings of values: they may contain passwords. */}}
{{- define "rabbitmq.givenSettings" -}}
{{- $v := .Values -}}
{{- if and $v.configuration (not $v.configurationExistingSecret) }}
rabbitmq.conf: |
  {{- tpl $v.configuration . | nindent 2 }}
{{- end }}
{{- if and $v.extraConfiguration (not $v.extraConfigurationExistingSecret) }}
extraConfiguration: |
  {{- tpl $v.extraConfiguration . | nindent 2 }}
{{- end }}
{{- if and $v.advancedConfiguration (not $v.advancedConfigurationExistingSecret) }}
advanced.config: |
  {{- tpl $v.advancedConfiguration . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Sources of the projected volume of conf.d/. A later file wins. */}}
{{- define "rabbitmq.settingsSources" -}}
{{- $v := .Values -}}
{{- $full := include "larder.fullname" . -}}
- configMap:
    name: {{ $full }}-configuration
    items:
      - key: chart.conf
        path: 10-chart.conf
{{- range $key, $source := dict "rabbitmq.conf" (list $v.configuration $v.configurationExistingSecret "20-rabbitmq.conf") "extraConfiguration" (list $v.extraConfiguration $v.extraConfigurationExistingSecret "30-extra.conf") }}
{{- if or (index $source 0) (index $source 1) }}
- secret:
    name: {{ tpl (index $source 1 | default (printf "%s-config" $full)) $ | quote }}
    items:
      - key: {{ $key }}
        path: {{ index $source 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Volumes of a pod, other than that of the data. */}}
{{- define "rabbitmq.volumes" -}}
{{- $v := .Values -}}
- name: configuration
  projected:
    sources:
      {{- include "rabbitmq.settingsSources" . | nindent 6 }}
- name: tmp
  emptyDir: {}
{{- if or $v.advancedConfiguration $v.advancedConfigurationExistingSecret }}
- name: advanced
  secret:
    secretName: {{ tpl ($v.advancedConfigurationExistingSecret | default (printf "%s-config" (include "larder.fullname" .))) . | quote }}
    items:
      - key: advanced.config
        path: advanced.config
{{- end }}
{{- if $v.loadDefinition.enabled }}
- name: definitions
  secret:
    secretName: {{ tpl $v.loadDefinition.existingSecret . | quote }}
    items:
      - key: {{ base (tpl $v.loadDefinition.file .) | quote }}
        path: definitions.json
{{- end }}
{{- if $v.usePasswordFiles }}
- name: passwords
  projected:
    sources:
      {{- range $kind := list "password" "erlang-cookie" }}
      - secret:
          name: {{ include "rabbitmq.secretName" (dict "root" $ "kind" $kind) | quote }}
          items:
            - key: {{ include "rabbitmq.secretKey" (dict "root" $ "kind" $kind) | quote }}
              path: {{ include "rabbitmq.secretKey" (dict "root" $ "kind" $kind) | quote }}
      {{- end }}
{{- end }}
{{- if $v.auth.tls.enabled }}
- name: certificate
  secret:
    secretName: {{ include "rabbitmq.tlsSecretName" . | quote }}
{{- end }}
{{- if not $v.persistence.enabled }}
- name: data
  emptyDir: {}
{{- else if $v.persistence.existingClaim }}
- name: data
  persistentVolumeClaim:
    claimName: {{ tpl $v.persistence.existingClaim . | quote }}
{{- end }}
{{- with $v.extraVolumes }}
{{ include "larder.tpl" (dict "value" . "root" $) }}
{{- end }}
{{- end -}}
