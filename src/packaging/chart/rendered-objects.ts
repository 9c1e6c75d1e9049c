// The objects of a rendering, and functions with which rules read them: any field may be missing, or have another type than expected.
import { visibleText } from '../../sandbox/visible-text.ts';
import { type Json, type JsonMap, parseRenderedYaml, RenderedYamlError } from './rendered-yaml.ts';

/** The namespace for which charts are rendered; objects that name no namespace get it. */
export const RELEASE_NAMESPACE = 'larder';

/** An object with a kind and a name; its fields are not checked yet. */
export type RenderedObject = { apiVersion: string; kind: string; name: string; namespace: string; fields: JsonMap };

/** A field of an object that breaks a rule. */
export type Violation = {
  kind: string;
  name: string;
  /** The path of the field, such as `spec.containers[0].image`; empty for the object itself. */
  path: string;
  /** The value of the field; absent if the field is absent, or if its value may be a secret. */
  value?: Json;
  /** What is wrong, or what is expected. */
  reason: string;
};

/** Limit of characters of a value in a violation. */
const VALUE_SHOWN_MAX = 240;

/** Returns a violation as one line of a report. */
export function violationLine({ kind, name, path, value, reason }: Violation): string {
  const shown = value === undefined ? '' : ` is ${shortened(JSON.stringify(value))};`;
  const place = [`${kind} ${name}:`, path].filter((part) => part !== '').join(' ');
  return visibleText(`${place}${shown} ${reason}`).replaceAll('\n', ' ');
}

function shortened(text: string): string {
  return text.length > VALUE_SHOWN_MAX ? `${text.slice(0, VALUE_SHOWN_MAX)}…` : text;
}

/** Returns a violation in an object. */
export function violation(
  { kind, name }: Pick<RenderedObject, 'kind' | 'name'>,
  path: string,
  found: { value?: Json | undefined; reason: string },
): Violation {
  const { value, reason } = found;
  return { kind, name, path, reason, ...(value !== undefined && { value }) };
}

export type ParsedRendering = { objects: RenderedObject[]; violations: Violation[] };

/** Reads the output of `helm template`. A document that is not an object is a violation. */
export function parseRendering(text: string): ParsedRendering {
  try {
    const values = parseRenderedYaml(text);
    const read = values.flatMap((value, index) => (value === null ? [] : readObject(value, index + 1)));
    return {
      objects: read.flatMap((one) => ('fields' in one ? one : [])),
      violations: read.flatMap((one) => ('reason' in one ? one : [])),
    };
  } catch (error) {
    if (!(error instanceof RenderedYamlError)) throw error;
    return { objects: [], violations: [{ kind: 'The', name: 'rendering', path: '', reason: error.message }] };
  }
}

function readObject(value: Json, number: number): RenderedObject | Violation {
  const document = { kind: 'Document', name: String(number), path: '' };
  if (!isMapping(value)) return { ...document, value, reason: 'expected an object of Kubernetes' };
  const { apiVersion, kind } = value;
  const metadata = mapOf(value['metadata']);
  const { name, namespace } = metadata;
  if (typeof apiVersion !== 'string' || apiVersion === '') return { ...document, reason: 'has no apiVersion' };
  if (typeof kind !== 'string' || kind === '') return { ...document, reason: 'has no kind' };
  if (typeof name !== 'string' || name === '') return { ...document, reason: `of kind ${kind} has no metadata.name` };
  return { apiVersion, kind, name, namespace: textOf(namespace) || RELEASE_NAMESPACE, fields: value };
}

export function isMapping(value: Json | undefined): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns a value that is a map; for any other value, an empty map, because the schemas report wrong types. */
export function mapOf(value: Json | undefined): JsonMap {
  return isMapping(value) ? value : {};
}

export function listOf(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : [];
}

export function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Returns the value at these keys of nested maps; undefined if a key is missing. */
export function valueAt(value: Json | undefined, ...keys: string[]): Json | undefined {
  return keys.reduce<Json | undefined>(
    (at, key) => (isMapping(at) && Object.hasOwn(at, key) ? at[key] : undefined),
    value,
  );
}

/** A pod, or the template from which a workload creates pods. */
export type PodTemplate = {
  object: RenderedObject;
  metadata: JsonMap;
  spec: JsonMap;
  /** The path of the template in its object, followed by a dot; empty for a pod. */
  path: string;
};

const TEMPLATE_KEYS: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  PodTemplate: ['template'],
  Deployment: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  ReplicationController: ['spec', 'template'],
  Job: ['spec', 'template'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
};

/** Returns the pod template of an object; undefined for an object that starts no pods. */
export function findPodTemplate(object: RenderedObject): PodTemplate | undefined {
  const keys = Object.hasOwn(TEMPLATE_KEYS, object.kind) ? TEMPLATE_KEYS[object.kind] : undefined;
  if (keys === undefined) return undefined;
  const template = mapOf(valueAt(object.fields, ...keys));
  const path = keys.map((key) => `${key}.`).join('');
  return { object, metadata: mapOf(template['metadata']), spec: mapOf(template['spec']), path };
}

/** Returns all pod templates of a rendering. */
export function podTemplatesOf(objects: readonly RenderedObject[]): PodTemplate[] {
  return objects.flatMap((object) => findPodTemplate(object) ?? []);
}

export type Container = {
  /** `init` containers end before other containers start, unless their restart policy is Always. */
  role: 'init' | 'main' | 'ephemeral';
  fields: JsonMap;
  /** The path of the container: `spec.template.spec.containers[0]`. */
  path: string;
};

const CONTAINER_LISTS = { initContainers: 'init', containers: 'main', ephemeralContainers: 'ephemeral' } as const;

/** Returns the containers of a pod, init containers first. */
export function containersOf({ spec, path }: PodTemplate): Container[] {
  return Object.entries(CONTAINER_LISTS).flatMap(([list, role]) =>
    listOf(spec[list]).map((fields, index) => ({ role, fields: mapOf(fields), path: `${path}spec.${list}[${index}]` })),
  );
}
