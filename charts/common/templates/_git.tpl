{{/* The script copy-site.sh of containers with git. */}}
{{- define "larder.copySite" -}}
# Copies a branch of a git repository into the served folder: once, or each SITE_SECONDS with the argument "forever".
# The history stays in GIT_DIR, outside of the served folder.
set -eu
# SITE_REPOSITORY may name variables, as https://user:${TOKEN}@git.example.com/site.
eval "repository=\"$SITE_REPOSITORY\""
[ -f "$GIT_DIR/HEAD" ] || git init --quiet

copy_site() {
  git fetch --quiet --depth 1 -- "$repository" "${SITE_BRANCH:-HEAD}" && git read-tree --reset -u FETCH_HEAD
}

if [ "${1-}" != forever ]; then
  copy_site
  exit
fi
while sleep "$SITE_SECONDS"; do
  copy_site || echo "The site was not copied; the next attempt is in $SITE_SECONDS seconds." >&2
done
{{ end -}}

{{/*
A container that copies a site from git, by the volumes git, site, and scripts with copy-site.sh. Takes root, name, image, git (values of the
repository), values (command, args), args (the chart's own), limits (resources, resourcesPreset) and serving (whether the container stays).
*/}}
{{- define "larder.gitContainer" -}}
{{- $git := .git -}}
name: {{ .name }}
image: {{ include "larder.image" (dict "root" .root "image" .image) }}
imagePullPolicy: {{ include "larder.pullPolicy" .image }}
{{- include "larder.command" (dict "root" .root "values" .values "command" (list "/bin/sh" "/opt/site/copy-site.sh") "args" .args) }}
env:
  - name: SITE_REPOSITORY
    value: {{ tpl $git.repository .root | quote }}
  - name: SITE_BRANCH
    value: {{ tpl $git.branch .root | quote }}
  - name: SITE_SECONDS
    value: {{ include "larder.text" $git.interval | quote }}
  - name: GIT_DIR
    value: /git/repository
  - name: GIT_WORK_TREE
    value: /app
  - name: HOME
    value: /git
  - name: TMPDIR
    value: /git
  {{- with $git.extraEnvVars }}
  {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 2 }}
  {{- end }}
{{- include "larder.envFrom" (dict "root" .root "values" (dict "extraEnvVarsSecret" $git.extraEnvVarsSecret)) }}
{{- if .serving }}
{{- $copied := dict "exec" (dict "command" (list "test" "-f" "/git/repository/FETCH_HEAD")) }}
{{- $probe := dict "enabled" true "periodSeconds" 60 }}
{{- include "larder.probes" (dict "root" .root "values" (dict "livenessProbe" $probe "readinessProbe" $probe) "live" $copied "ready" $copied) }}
{{- end }}
{{- include "larder.containerLimits" (dict "root" .root "values" (merge (dict "containerSecurityContext" .root.Values.containerSecurityContext) .limits)) }}
volumeMounts:
  - name: site
    mountPath: /app
  - name: git
    mountPath: /git
  - name: scripts
    mountPath: /opt/site
    readOnly: true
  {{- with $git.extraVolumeMounts }}
  {{- include "larder.tpl" (dict "value" . "root" $.root) | nindent 2 }}
  {{- end }}
{{- end -}}
