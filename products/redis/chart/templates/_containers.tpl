{{/* Variables of the Redis container. Takes root, component and values. */}}
{{- define "redis.env" -}}
- name: REDIS_PORT
  value: {{ .values.containerPorts.redis | quote }}
{{- if .root.Values.auth.enabled }}
{{- $names := list "REDIS_PASSWORD" -}}
{{- if eq .component "replica" }}{{ $names = append $names "REDIS_MASTER_PASSWORD" }}{{ end -}}
{{- include "redis.passwordEnv" (dict "root" .root "names" $names) }}
{{- else }}
- name: ALLOW_EMPTY_PASSWORD
  value: "yes"
{{- end }}
{{- if eq .component "master" }}
- name: REDIS_REPLICATION_MODE
  value: master
{{- else if eq .component "replica" }}
- name: REDIS_REPLICATION_MODE
  value: replica
- name: REDIS_MASTER_HOST
  value: {{ include "redis.masterHost" .root | quote }}
- name: REDIS_MASTER_PORT_NUMBER
  value: {{ include "redis.masterPort" .root | quote }}
{{- else }}
{{- include "redis.nodeEnv" . }}
{{- end }}
{{- include "redis.tlsEnv" .root }}
{{- with .values.extraEnvVars }}
{{ include "larder.tpl" (dict "value" . "root" $.root) }}
{{- end }}
{{- end -}}

{{/* Variables of the scripts that look for the primary. */}}
{{- define "redis.nodeEnv" -}}
{{- $root := .root }}
{{- $host := include "redis.nodeHost" (dict "root" $root "node" "$(POD_NAME)") }}
{{- $port := $root.Values.sentinel.containerPorts.sentinel }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: NODE_HOST
  value: {{ ternary $host "$(POD_IP)" $root.Values.useHostnames | quote }}
- name: FIRST_NODE
  value: {{ include "larder.fullname" $root }}-node-0
- name: NODE_PORT
  value: {{ $root.Values.replica.containerPorts.redis | quote }}
- name: SENTINEL_PORT
  value: {{ $port | quote }}
- name: SENTINEL_SELF
  value: {{ printf "%s:%v" $host $port | quote }}
- name: SENTINEL_PEERS
  value: {{ range $node := until (int $root.Values.replica.replicaCount) }}{{ if $node }} {{ end }}{{ include "redis.nodeHost" (dict "root" $root "node" (printf "%s-node-%d" (include "larder.fullname" $root) $node)) }}:{{ $port }}{{ end }}
- name: SENTINEL_MASTER_SET
  value: {{ $root.Values.sentinel.masterSet | quote }}
- name: SENTINEL_GET_MASTER_SECONDS
  value: {{ $root.Values.sentinel.getMasterTimeout | quote }}
- name: SENTINEL_RECOVER
  value: {{ ternary "yes" "no" $root.Values.sentinel.automateClusterRecovery | quote }}
- name: NAME_RESOLUTION_THRESHOLD
  value: {{ $root.Values.nameResolutionThreshold | quote }}
- name: NAME_RESOLUTION_SECONDS
  value: {{ $root.Values.nameResolutionTimeout | quote }}
{{- if $root.Values.sentinel.externalMaster.enabled }}
- name: EXTERNAL_PRIMARY
  value: {{ printf "%s %v" (tpl $root.Values.sentinel.externalMaster.host $root) $root.Values.sentinel.externalMaster.port | quote }}
{{- end }}
{{- end -}}

{{/* The Redis container. Takes root, component and values. */}}
{{- define "redis.container" -}}
{{- $root := .root -}}
{{- $flags := .values.extraFlags | default list -}}
{{- if ne .values.persistence.path "/data" }}{{ $flags = concat (list "--dir" .values.persistence.path) $flags }}{{ end -}}
{{- if $root.Values.image.debug }}{{ $flags = concat (list "--loglevel" "verbose") $flags }}{{ end -}}
{{- $command := list -}}
{{- $args := list -}}
{{- if $flags }}{{ $args = concat (list "redis-server") $flags }}{{ end -}}
{{- if eq .component "node" -}}
{{- $command = list "/bin/sh" "/opt/redis-scripts/start-node.sh" -}}{{- $args = $flags -}}
{{- end -}}
{{- if .values.preExecCmds -}}
{{- $start := ternary "/bin/sh /opt/redis-scripts/start-node.sh" "/usr/local/bin/redis-entrypoint redis-server" (eq .component "node") -}}
{{- $command = list "/bin/sh" "-c" (printf "%s\nexec %s \"$@\"" (include "redis.shell" (dict "value" .values.preExecCmds "root" $root)) $start) "redis" -}}
{{- $args = $flags -}}
{{- end -}}
name: redis
image: {{ include "larder.image" (dict "root" $root "image" $root.Values.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $root.Values.image }}
{{- include "larder.command" (dict "root" $root "values" .values "command" $command "args" $args) }}
env:
  {{- include "redis.env" . | nindent 2 }}
{{- include "larder.envFrom" . }}
ports:
  - name: redis
    containerPort: {{ int .values.containerPorts.redis }}
{{- $health := dict "exec" (dict "command" (list "/usr/local/bin/redis-health")) -}}
{{- include "larder.probes" (dict "root" $root "values" .values "live" $health "ready" $health) }}
{{- include "larder.containerLimits" . }}
volumeMounts:
  - name: redis-data
    mountPath: {{ .values.persistence.path | quote }}
    {{- with .values.persistence.subPath }}
    subPath: {{ tpl . $root | quote }}
    {{- end }}
    {{- with .values.persistence.subPathExpr }}
    subPathExpr: {{ tpl . $root | quote }}
    {{- end }}
  - name: configuration
    mountPath: /usr/local/etc/redis/conf.d
    readOnly: true
  - name: tmp
    mountPath: /tmp
  {{- if eq .component "node" }}
  - name: scripts
    mountPath: /opt/redis-scripts
    readOnly: true
  {{- end }}
  {{- include "redis.secretMounts" $root | nindent 2 }}
  {{- with .values.extraVolumeMounts }}
  {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The sentinel of a node. Takes root. */}}
{{- define "redis.sentinelContainer" -}}
{{- $root := .root -}}
{{- $values := $root.Values.sentinel -}}
{{- $health := dict "exec" (dict "command" (list "/bin/sh" "/opt/redis-scripts/sentinel-health.sh")) -}}
{{- $command := list "/bin/sh" "/opt/redis-scripts/start-sentinel.sh" -}}
{{- if $values.preExecCmds -}}
{{- $command = list "/bin/sh" "-c" (printf "%s\nexec /bin/sh /opt/redis-scripts/start-sentinel.sh" (include "redis.shell" (dict "value" $values.preExecCmds "root" $root))) -}}
{{- end -}}
name: sentinel
image: {{ include "larder.image" (dict "root" $root "image" $values.image "default" $root.Values.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $values.image }}
{{- include "larder.command" (dict "root" $root "values" $values "command" $command) }}
env:
  - name: SENTINEL_QUORUM
    value: {{ $values.quorum | quote }}
  - name: SENTINEL_DOWN_AFTER_MS
    value: {{ int $values.downAfterMilliseconds | quote }}
  - name: SENTINEL_FAILOVER_TIMEOUT_MS
    value: {{ int $values.failoverTimeout | quote }}
  - name: SENTINEL_PARALLEL_SYNCS
    value: {{ $values.parallelSyncs | quote }}
  - name: SENTINEL_AUTH
    value: {{ ternary "yes" "no" (and $root.Values.auth.enabled $root.Values.auth.sentinel) | quote }}
  {{- if and $root.Values.auth.acl.sentinel (include "redis.hasUsers" $root) }}
  - name: SENTINEL_USERS_FILE
    value: /usr/local/etc/redis/conf.d/30-users.conf
  {{- end }}
  {{- if $values.image.debug }}
  - name: SENTINEL_LOG_LEVEL
    value: verbose
  {{- end }}
  {{- if $root.Values.auth.enabled }}
  {{- include "redis.passwordEnv" (dict "root" $root "names" (list "REDIS_PASSWORD")) | nindent 2 }}
  {{- end }}
  {{- include "redis.nodeEnv" . | nindent 2 }}
  {{- include "redis.tlsEnv" $root | nindent 2 }}
  {{- with $values.extraEnvVars }}
  {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 2 }}
  {{- end }}
{{- include "larder.envFrom" (dict "root" $root "values" $values) }}
ports:
  - name: sentinel
    containerPort: {{ int $values.containerPorts.sentinel }}
{{- include "larder.probes" (dict "root" $root "values" $values "live" $health "ready" $health) }}
{{- include "larder.containerLimits" (dict "root" $root "values" $values) }}
volumeMounts:
  - name: sentinel-data
    mountPath: /var/lib/sentinel
  - name: configuration
    mountPath: /usr/local/etc/redis/conf.d
    readOnly: true
  - name: scripts
    mountPath: /opt/redis-scripts
    readOnly: true
  - name: tmp
    mountPath: /tmp
  {{- include "redis.secretMounts" $root | nindent 2 }}
  {{- with $values.extraVolumeMounts }}
  {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The exporter. Takes root and port (of Redis). */}}
{{- define "redis.exporterContainer" -}}
{{- $root := .root -}}
{{- $values := $root.Values.metrics -}}
{{- $answer := dict "httpGet" (dict "path" "/" "port" "metrics") -}}
{{- $alive := dict "tcpSocket" (dict "port" "metrics") -}}
{{- $args := list -}}
{{- range $name, $value := $values.extraArgs }}{{ $args = append $args (printf "--%s=%v" $name $value) }}{{ end -}}
name: metrics
image: {{ include "larder.image" (dict "root" $root "image" $values.image) }}
imagePullPolicy: {{ include "larder.pullPolicy" $values.image }}
{{- include "larder.command" (dict "root" $root "values" (pick $values "command") "args" $args) }}
env:
  - name: REDIS_ADDR
    value: {{ ternary "rediss" "redis" $root.Values.tls.enabled }}://{{ $values.redisTargetHost }}:{{ .port }}
  - name: REDIS_EXPORTER_WEB_LISTEN_ADDRESS
    value: ":{{ $values.containerPorts.http }}"
  {{- if $root.Values.auth.enabled }}
  {{- include "redis.passwordEnv" (dict "root" $root "names" (list "REDIS_PASSWORD")) | nindent 2 }}
  {{- end }}
  {{- if $root.Values.tls.enabled }}
  - name: REDIS_EXPORTER_TLS_CA_CERT_FILE
    value: {{ include "redis.tlsFile" (dict "root" $root "key" "certCAFilename" "own" "ca.crt") | quote }}
  {{- if $root.Values.tls.authClients }}
  - name: REDIS_EXPORTER_TLS_CLIENT_CERT_FILE
    value: {{ include "redis.tlsFile" (dict "root" $root "key" "certFilename" "own" "tls.crt") | quote }}
  - name: REDIS_EXPORTER_TLS_CLIENT_KEY_FILE
    value: {{ include "redis.tlsFile" (dict "root" $root "key" "certKeyFilename" "own" "tls.key") | quote }}
  {{- end }}
  {{- end }}
  {{- with $values.extraEnvVars }}
  {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 2 }}
  {{- end }}
ports:
  - name: metrics
    containerPort: {{ int $values.containerPorts.http }}
{{- include "larder.probes" (dict "root" $root "values" $values "live" $alive "ready" $answer) }}
{{- include "larder.containerLimits" (dict "root" $root "values" (pick $values "containerSecurityContext" "resources" "resourcesPreset")) }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- include "redis.secretMounts" $root | nindent 2 }}
  {{- with $values.extraVolumeMounts }}
  {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Init containers of the chart, and those of values. Takes root and values. */}}
{{- define "redis.initContainers" -}}
{{- $root := .root -}}
{{- with $root.Values.sysctl }}
{{- if .enabled }}
- name: sysctl
  image: {{ include "larder.image" (dict "root" $root "image" .image "default" $root.Values.image) }}
  imagePullPolicy: {{ include "larder.pullPolicy" .image }}
  {{- with .command }}
  command:
    {{- include "larder.tpl" (dict "value" . "root" $root) | nindent 4 }}
  {{- end }}
  securityContext:
    privileged: true
    runAsUser: 0
  {{- with include "larder.resources" (dict "resources" .resources "preset" .resourcesPreset) }}
  resources:
    {{- . | nindent 4 }}
  {{- end }}
  {{- if .mountHostSys }}
  volumeMounts:
    - name: host-sys
      mountPath: /host-sys
  {{- end }}
{{- end }}
{{- end }}
{{- if and $root.Values.volumePermissions.enabled .values.persistence.enabled }}
- {{- include "larder.volumePermissions" (dict "root" $root "values" .values "volume" "redis-data" "path" .values.persistence.path) | nindent 2 }}
{{- end }}
{{- with .values.initContainers }}
{{ include "larder.tpl" (dict "value" . "root" $root) }}
{{- end }}
{{- end -}}
