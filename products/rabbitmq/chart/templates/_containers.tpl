{{/* Variables of the container. */}}
{{- define "rabbitmq.env" -}}
{{- $v := .Values -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: RABBITMQ_NODENAME
  value: {{ include "rabbitmq.nodeName" (dict "root" . "pod" "$(POD_NAME)") | quote }}
- name: RABBITMQ_USE_LONGNAME
  value: "true"
- name: RABBITMQ_MNESIA_BASE
  value: {{ $v.persistence.mountPath | quote }}
- name: RABBITMQ_DIST_PORT
  value: {{ $v.containerPorts.dist | quote }}
- name: ERL_EPMD_PORT
  value: {{ $v.containerPorts.epmd | quote }}
- name: RABBITMQ_LOGS
  value: {{ $v.logs | quote }}
- name: RABBITMQ_PLUGINS
  value: {{ include "rabbitmq.plugins" . | quote }}
- name: RABBITMQ_USERNAME
  value: {{ include "rabbitmq.auth" (dict "root" . "key" "username") | quote }}
{{- include "rabbitmq.secretEnv" (dict "root" . "kind" "password" "name" "RABBITMQ_PASSWORD") }}
{{- include "rabbitmq.secretEnv" (dict "root" . "kind" "erlang-cookie" "name" "RABBITMQ_ERL_COOKIE") }}
{{- if $v.clustering.enabled }}
- name: RABBITMQ_CLUSTER_NODE_NAME
  value: {{ include "rabbitmq.firstNode" . | quote }}
{{- end }}
{{- if $v.clustering.forceBoot }}
- name: RABBITMQ_FORCE_BOOT
  value: "yes"
{{- end }}
{{- if or $v.maxAvailableSchedulers $v.onlineSchedulers }}
- name: RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS
  value: "+S {{ $v.maxAvailableSchedulers }}:{{ $v.onlineSchedulers }}"
{{- end }}
{{- if or $v.advancedConfiguration $v.advancedConfigurationExistingSecret }}
- name: RABBITMQ_ADVANCED_CONFIG_FILE
  value: /etc/rabbitmq/advanced/advanced.config
{{- end }}
{{- with $v.extraEnvVars }}
{{ include "larder.tpl" (dict "value" . "root" $) }}
{{- end }}
{{- end -}}

{{/* Mounts of the container. */}}
{{- define "rabbitmq.mounts" -}}
{{- $v := .Values -}}
- name: data
  mountPath: {{ $v.persistence.mountPath | quote }}
  {{- with $v.persistence.subPath }}
  subPath: {{ tpl . $ | quote }}
  {{- end }}
- name: configuration
  mountPath: /etc/rabbitmq/conf.d
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- if or $v.advancedConfiguration $v.advancedConfigurationExistingSecret }}
- name: advanced
  mountPath: /etc/rabbitmq/advanced
  readOnly: true
{{- end }}
{{- if $v.loadDefinition.enabled }}
- name: definitions
  mountPath: /etc/rabbitmq/definitions.d
  readOnly: true
{{- end }}
{{- if $v.usePasswordFiles }}
- name: passwords
  mountPath: /run/secrets/rabbitmq
  readOnly: true
{{- end }}
{{- if $v.auth.tls.enabled }}
- name: certificate
  mountPath: /run/secrets/rabbitmq-tls
  readOnly: true
{{- end }}
{{- with $v.extraVolumeMounts }}
{{ include "larder.tpl" (dict "value" . "root" $) }}
{{- end }}
{{- end -}}

{{/*
Hooks of a cluster, or nothing. A node stops when the quorum queues have a majority without it, or nearly at the end of the grace period, and
gives the leaders of its queues to other nodes first.
*/}}
{{- define "rabbitmq.hooks" -}}
{{- $v := .Values -}}
{{- if and $v.clustering.enabled (gt (int $v.replicaCount) 1) }}
preStop:
  exec:
    command:
      - /bin/sh
      - -c
      - "rabbitmq-upgrade await_online_quorum_plus_one --timeout {{ max 1 (sub (int $v.terminationGracePeriodSeconds) 30) }}; rabbitmq-upgrade drain"
{{- if $v.clustering.rebalance }}
postStart:
  exec:
    command:
      - /bin/sh
      - -c
      # In the background: the container counts as started when the hook ends.
      - 'if [ "$POD_NAME" = {{ printf "%s-%d" (include "larder.fullname" .) (sub (int $v.replicaCount) 1) }} ]; then (until rabbitmq-health; do sleep 5; done; rabbitmq-queues rebalance all) >/dev/null 2>&1 & fi'
{{- end }}
{{- end }}
{{- end -}}

{{/* Ports of the container. */}}
{{- define "rabbitmq.ports" -}}
{{- $v := .Values -}}
{{- $ports := dict "amqp" $v.containerPorts.amqp "dist" $v.containerPorts.dist "epmd" $v.containerPorts.epmd -}}
{{- if include "rabbitmq.managed" . }}{{ $ports = set $ports "manager" $v.containerPorts.manager }}{{ end -}}
{{- if $v.metrics.enabled }}{{ $ports = set $ports "metrics" $v.containerPorts.metrics }}{{ end -}}
{{- if $v.auth.tls.enabled }}
{{- $ports = set $ports "amqp-tls" $v.containerPorts.amqpTls }}
{{- if include "rabbitmq.managed" . }}{{ $ports = set $ports "manager-tls" $v.containerPorts.managerTls }}{{ end -}}
{{- end -}}
{{- range $name, $port := $ports }}
- name: {{ $name }}
  containerPort: {{ int $port }}
{{- end }}
{{- with $v.extraContainerPorts }}
{{ include "larder.tpl" (dict "value" . "root" $) }}
{{- end }}
{{- end -}}

{{/* The RabbitMQ container. */}}
{{- define "rabbitmq.container" -}}
{{- $v := .Values -}}
{{- $alive := dict "exec" (dict "command" (list "/usr/local/bin/rabbitmq-health" "alive")) -}}
{{- $ready := dict "exec" (dict "command" (list "/usr/local/bin/rabbitmq-health")) -}}
{{- $limits := $v -}}
{{- $hooks := include "rabbitmq.hooks" . | fromYaml -}}
{{- if and $hooks (not $v.lifecycleHooks) }}{{ $limits = merge (dict "lifecycleHooks" $hooks) (omit $v "lifecycleHooks") }}{{ end -}}
name: rabbitmq
image: {{ include "larder.image" (dict "root" . "image" $v.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $v.image }}
{{- include "larder.command" (dict "root" . "values" $v) }}
env:
  {{- include "rabbitmq.env" . | nindent 2 }}
{{- include "larder.envFrom" (dict "root" . "values" $v) }}
ports:
  {{- include "rabbitmq.ports" . | trim | nindent 2 }}
{{- include "larder.probes" (dict "root" . "values" $v "live" $alive "ready" $ready) }}
{{- include "larder.containerLimits" (dict "root" . "values" $limits) }}
volumeMounts:
  {{- include "rabbitmq.mounts" . | nindent 2 }}
{{- end -}}
