// Adds labels and annotations to every object of a chart, however its templates write the objects.
import type { ChartFiles } from './chart-archive.ts';
import { ChartError } from './chart-error.ts';

type ObjectMetadata = {
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
};

/** The template with the labels and annotations. helm does not render files whose names begin with `_`. */
const METADATA_TEMPLATE = 'templates/_larder-customization.tpl';
/** The beginning of the new name of a chart's own template. A template that includes it gets its old name. */
const ORIGINAL_PREFIX = '_larder-original.';

const OBJECTS = 'larder-customization.objects';

/** Matches a file that helm renders to objects. It is in `templates/` of the chart or of a chart inside it. */
const TEMPLATE = /^(?:charts\/[^/]+\/)*templates\/(?<inside>(?:[^/]+\/)*)(?<name>[^/_][^/]*)$/;
/** helm shows the text of this file to people. */
const NOTES = /NOTES\.txt$/;

/**
 * Returns the files of a chart whose objects all have these labels and annotations. Each template is renamed. A new template
 * with its old name includes it and changes the rendered objects. If an object already has a label or annotation, it keeps
 * its own value. The same files and metadata give the same result. Throws ChartError if the chart already has a file with a
 * name that is needed.
 */
export function labelObjects(files: ChartFiles, metadata: ObjectMetadata): ChartFiles {
  if (Object.keys(metadata.labels).length + Object.keys(metadata.annotations).length === 0) return files;
  const labelled = new Map<string, Uint8Array>();
  const add = (path: string, bytes: Uint8Array): void => {
    if (labelled.has(path))
      throw new ChartError(path, 'has a name that Larder needs for the labels of a customization');
    labelled.set(path, bytes);
  };
  for (const [path, bytes] of files) {
    const { inside, name } = TEMPLATE.exec(path)?.groups ?? {};
    if (inside === undefined || name === undefined || NOTES.test(name)) add(path, bytes);
    else {
      const original = `${inside}${ORIGINAL_PREFIX}${name}`;
      add(`${path.slice(0, path.length - name.length)}${ORIGINAL_PREFIX}${name}`, bytes);
      add(path, Buffer.from(including(original)));
    }
  }
  add(METADATA_TEMPLATE, Buffer.from(metadataTemplate(metadata)));
  return labelled;
}

function including(original: string): string {
  return `{{- include "${OBJECTS}" (include (print $.Template.BasePath ${JSON.stringify(`/${original}`)}) .) -}}\n`;
}

/** Returns JSON as a raw string of Go templates. Such a string has no escapes, so it cannot contain a backquote. */
function rawJson(value: unknown): string {
  return `\`${JSON.stringify(value).replaceAll('`', '\\u0060')}\``;
}

/**
 * Splits the documents with the expression that helm itself uses (helm, pkg/release/util/manifest.go). Reads and writes them
 * with the library with which helm reads them later. The expression removes the last line break of a document. This line
 * break may belong to a text in a block, so it is added again. A text that is not an object stays unchanged, so that helm
 * reports it.
 */
function metadataTemplate({ labels, annotations }: ObjectMetadata): string {
  return `{{/* Adds the labels and annotations of customizations to each object of a text. An object keeps its own values. */}}
{{- define "${OBJECTS}" -}}
{{- $added := dict "labels" (fromJson ${rawJson(labels)}) "annotations" (fromJson ${rawJson(annotations)}) -}}
{{- range $text := regexSplit "(?:^|\\\\s*\\n)---\\\\s*" . -1 }}
{{- $object := fromYaml (ternary $text (print $text "\\n") (hasSuffix "\\n" $text)) }}
{{- if and (hasKey $object "kind") (hasKey $object "apiVersion") }}
{{- include "larder-customization.add" (dict "object" $object "added" $added) }}
---
{{ toYaml $object }}
{{- else if trim $text }}
---
{{ $text }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Changes an object, the objects of a list, and the pods of a workload. Takes object and added. */}}
{{- define "larder-customization.add" -}}
{{- $added := .added -}}
{{- if kindIs "slice" .object.items -}}
{{- range .object.items }}{{ if kindIs "map" . }}{{ include "larder-customization.add" (dict "object" . "added" $added) }}{{ end }}{{ end -}}
{{- else -}}
{{- include "larder-customization.metadata" . -}}
{{- if and (eq (toString .object.kind) "CronJob") (kindIs "map" .object.spec) -}}
{{- include "larder-customization.template" (dict "owner" .object.spec "key" "jobTemplate" "added" $added) -}}
{{- with .object.spec.jobTemplate }}{{ include "larder-customization.template" (dict "owner" .spec "key" "template" "added" $added) }}{{ end -}}
{{- else if has (toString .object.kind) (list "DaemonSet" "Deployment" "Job" "ReplicaSet" "ReplicationController" "StatefulSet") -}}
{{- include "larder-customization.template" (dict "owner" .object.spec "key" "template" "added" $added) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Changes a template from which Kubernetes makes objects. Takes owner, key and added. */}}
{{- define "larder-customization.template" -}}
{{- if kindIs "map" .owner -}}
{{- $template := get .owner .key -}}
{{- if kindIs "map" $template }}{{ include "larder-customization.metadata" (dict "object" $template "added" .added) }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "larder-customization.metadata" -}}
{{- $metadata := .object.metadata | default dict -}}
{{- $_ := set .object "metadata" $metadata -}}
{{- range $field, $values := .added -}}
{{- if $values -}}
{{- $own := get $metadata $field | default dict -}}
{{- range $name, $value := $values }}{{ if not (hasKey $own $name) }}{{ $_ := set $own $name $value }}{{ end }}{{ end -}}
{{- $_ := set $metadata $field $own -}}
{{- end -}}
{{- end -}}
{{- end -}}
`;
}
