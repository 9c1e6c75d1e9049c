// Limits of names and labels: those of the Kubernetes API, and shorter ones for names that controllers lengthen or copy into labels.
import {
  containersOf,
  findPodTemplate,
  listOf,
  mapOf,
  type RenderedObject,
  textOf,
  type Violation,
  valueAt,
  violation,
} from './rendered-objects.ts';
import type { Json } from './rendered-yaml.ts';

/** Limit of the value of a label, and of a DNS label (RFC 1035). */
const LABEL_MAX = 63;
/** Limit of names to which controllers append up to 11 characters: a hash in a label of the pods, or the minute of a job. */
const LENGTHENED_NAME_MAX = 52;
/** Limit of the names of most objects (RFC 1123). */
const NAME_MAX = 253;
/** Limit of the names of ports: they are IANA service names (RFC 6335). */
const PORT_NAME_MAX = 15;

const NAME_LIMITS: Readonly<Record<string, number>> = {
  StatefulSet: LENGTHENED_NAME_MAX,
  DaemonSet: LENGTHENED_NAME_MAX,
  Deployment: LENGTHENED_NAME_MAX,
  CronJob: LENGTHENED_NAME_MAX,
  Job: LABEL_MAX,
  Pod: LABEL_MAX,
  Service: LABEL_MAX,
};

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const DNS_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
/** Kinds of objects whose names may contain other characters. */
const FREE_KINDS = ['Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding'];
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

/** Returns the violations of these limits in the objects. */
export function checkNames(objects: readonly RenderedObject[]): Violation[] {
  return [...objects.flatMap(objectFaults), ...doubles(objects)];
}

function objectFaults(object: RenderedObject): Violation[] {
  const { kind, name, fields } = object;
  const max = Object.hasOwn(NAME_LIMITS, kind) ? (NAME_LIMITS[kind] ?? NAME_MAX) : NAME_MAX;
  const pattern = max < NAME_MAX ? DNS_LABEL : DNS_NAME;
  const template = findPodTemplate(object);
  return [
    ...(name.length > max ? [found(object, 'metadata.name', name, `has more than ${max} characters`)] : []),
    ...(FREE_KINDS.includes(kind) || pattern.test(name)
      ? []
      : [found(object, 'metadata.name', name, 'expected small letters, digits and -')]),
    ...labelFaults(object, mapOf(fields['metadata'])['labels'], 'metadata.labels'),
    ...(template === undefined || template.path === ''
      ? []
      : labelFaults(object, template.metadata['labels'], `${template.path}metadata.labels`)),
    ...selectorFaults(object),
    ...claimFaults(object),
    ...containerNameFaults(object),
  ];
}

function found(object: RenderedObject, path: string, value: Json | undefined, reason: string): Violation {
  return violation(object, path, { value, reason });
}

function labelFaults(object: RenderedObject, labels: Json | undefined, path: string): Violation[] {
  return Object.entries(mapOf(labels)).flatMap(([key, value]) => {
    const at = `${path}["${key}"]`;
    const name = key.slice(key.indexOf('/') + 1);
    if (!LABEL_KEY.test(key) || name.length > LABEL_MAX)
      return found(object, at, value, 'is not a valid name of a label');
    if (typeof value !== 'string') return [];
    if (value.length > LABEL_MAX) return found(object, at, value, `has more than ${LABEL_MAX} characters`);
    return LABEL_VALUE.test(value) ? [] : found(object, at, value, 'is not a valid value of a label');
  });
}

/** Labels whose values differ in each version of a chart. Selectors must not contain them, because an upgrade cannot change a selector. */
const CHANGING_LABELS = ['helm.sh/chart', 'app.kubernetes.io/version'];

function selectorFaults(object: RenderedObject): Violation[] {
  if (!['StatefulSet', 'Deployment', 'DaemonSet'].includes(object.kind)) return [];
  const selected = mapOf(valueAt(object.fields, 'spec', 'selector', 'matchLabels'));
  const labels = mapOf(findPodTemplate(object)?.metadata['labels']);
  return Object.entries(selected).flatMap(([key, value]) => {
    const path = `spec.selector.matchLabels["${key}"]`;
    if (CHANGING_LABELS.includes(key))
      return found(object, path, value, 'changes with each version; an upgrade may not');
    return labels[key] === value ? [] : found(object, path, value, 'is not a label of the pods');
  });
}

function claimFaults(object: RenderedObject): Violation[] {
  return listOf(valueAt(object.fields, 'spec', 'volumeClaimTemplates')).flatMap((claim, index) => {
    const path = `spec.volumeClaimTemplates[${index}].metadata`;
    const { name, labels } = mapOf(mapOf(claim)['metadata']);
    const changing = Object.keys(mapOf(labels)).filter((key) => CHANGING_LABELS.includes(key));
    return [
      ...changing.map((key) =>
        found(object, `${path}.labels["${key}"]`, mapOf(labels)[key], 'changes with each version; an upgrade may not'),
      ),
      ...labelFaults(object, labels, `${path}.labels`),
      ...dnsLabelFaults(object, name, `${path}.name`),
    ];
  });
}

function containerNameFaults(object: RenderedObject): Violation[] {
  const template = findPodTemplate(object);
  if (template === undefined) return [];
  const volumes = listOf(template.spec['volumes']).flatMap((volume, index) =>
    dnsLabelFaults(object, mapOf(volume)['name'], `${template.path}spec.volumes[${index}].name`),
  );
  const containers = containersOf(template).flatMap(({ fields, path }) => [
    ...dnsLabelFaults(object, fields['name'], `${path}.name`),
    ...listOf(fields['ports']).flatMap((port, index) =>
      portFaults(object, mapOf(port)['name'], `${path}.ports[${index}].name`),
    ),
  ]);
  return [...volumes, ...containers];
}

function dnsLabelFaults(object: RenderedObject, name: Json | undefined, path: string): Violation[] {
  const text = textOf(name);
  if (text !== undefined && text.length <= LABEL_MAX && DNS_LABEL.test(text)) return [];
  return [found(object, path, name, `expected at most ${LABEL_MAX} small letters, digits and -`)];
}

function portFaults(object: RenderedObject, name: Json | undefined, path: string): Violation[] {
  const text = textOf(name);
  if (text === undefined) return [];
  const fits = text.length <= PORT_NAME_MAX && DNS_LABEL.test(text) && /[a-z]/.test(text) && !text.includes('--');
  return fits ? [] : [found(object, path, text, `expected at most ${PORT_NAME_MAX} small letters, digits and -`)];
}

/** Finds objects that have the same kind, namespace and name as an earlier one, which they would replace. */
function doubles(objects: readonly RenderedObject[]): Violation[] {
  const seen = new Set<string>();
  return objects.flatMap((object) => {
    const key = [object.apiVersion.replace(/\/.*/, ''), object.kind, object.namespace, object.name].join(' ');
    if (seen.has(key)) return violation(object, '', { reason: 'is rendered twice' });
    seen.add(key);
    return [];
  });
}
