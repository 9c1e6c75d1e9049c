// The format of the key `chart` of `customization.yaml`. docs/customization.md explains its keys.
import { Type } from 'typebox';
import { Emptiable, FreeMapping, Mapping, WrittenText } from '../yaml/yaml-fields.ts';
import { ANNOTATION_BYTES_MAX, OBJECT_METADATA_MAX } from './limits.ts';

// The syntax of names is that of Kubernetes (apimachinery, pkg/util/validation): an optional DNS name and a slash, then a name.
const PREFIX = '(?=.{1,253}/)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:[.][a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*/';
const NAME = '[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?';

const MetadataName = Type.String({
  maxLength: 317,
  pattern: `^(?:${PREFIX})?${NAME}$`,
  expects: 'a name of Kubernetes (at most 63 letters, digits, . _ -, optionally with a domain and a slash before them)',
});

const LabelValue = WrittenText({
  pattern: `^(?:${NAME})?$`,
  expects: 'the value of a label of Kubernetes (at most 63 letters, digits, . _ -)',
});

/** The limit is in bytes, and is checked where the value is read. */
const AnnotationValue = WrittenText({
  maxLength: ANNOTATION_BYTES_MAX,
  pattern: '^[^\\u0000]*$',
  expects: 'text without NUL',
  writeOnly: true,
});

export const ChartDeclarationSchema = Type.Object(
  {
    values: Emptiable(FreeMapping({ description: 'Values that are merged into values.yaml of the charts.' })),
    labels: Emptiable(
      Mapping(MetadataName, LabelValue, {
        maxProperties: OBJECT_METADATA_MAX,
        description: 'Labels of every object of the charts.',
      }),
    ),
    annotations: Emptiable(
      Mapping(MetadataName, AnnotationValue, {
        maxProperties: OBJECT_METADATA_MAX,
        description: 'Annotations of every object of the charts.',
      }),
    ),
  },
  { additionalProperties: false, description: 'Changes of the Helm charts.' },
);
