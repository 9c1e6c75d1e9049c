// Objects that a chart renders, and rules for the objects of our own charts. These rules are stricter than the rules for
// every chart in src/packaging/chart/.

export type KubernetesObject = {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  spec?: Record<string, unknown>;
  data?: Record<string, string>;
  stringData?: Record<string, string>;
  [field: string]: unknown;
};

type Container = { name: string; image: string };
type PodSpec = {
  containers: Container[];
  initContainers?: Container[];
  volumes?: Record<string, unknown>[];
  automountServiceAccountToken?: boolean;
};
type PodTemplate = { spec: PodSpec };
type JobTemplate = { spec: { template: PodTemplate } };

/** The longest name, in characters. A name of this length fits into a label. */
const NAME_MAX = 63;

/** Returns the object with this kind and name, or undefined if the chart did not render it. */
export function findObject(objects: readonly KubernetesObject[], kind: string, name: string) {
  return objects.find((object) => object.kind === kind && object.metadata.name === name);
}

/** Returns the pod of a workload. A pod object is its own pod. */
export function findPod(object: KubernetesObject): PodSpec | undefined {
  if (object.kind === 'Pod') return object.spec as PodSpec;
  if (object.kind === 'CronJob') return (object.spec?.['jobTemplate'] as JobTemplate | undefined)?.spec.template.spec;
  return (object.spec?.['template'] as PodTemplate | undefined)?.spec;
}

function podFaults(pod: PodSpec): string[] {
  const images = [...(pod.initContainers ?? []), ...pod.containers].flatMap(({ name, image }) => {
    const tagged = /:[^/:@]+(@sha256:[0-9a-f]{64})?$/.test(image) || /@sha256:[0-9a-f]{64}$/.test(image);
    const fixed = tagged && !/:latest(@|$)/.test(image);
    return fixed ? [] : [`container ${name} has the image ${image}; expected a version or a digest`];
  });
  const untyped = (pod.volumes ?? []).filter((volume) => Object.keys(volume).every((key) => key === 'name'));
  return [
    ...(pod.automountServiceAccountToken === false ? [] : ['mounts a token of the service account']),
    ...images,
    ...untyped.map(({ name }) => `volume ${String(name)} has no type`),
  ];
}

/** Returns the faults of an object by our own rules. */
export function ownFaults(object: KubernetesObject): string[] {
  const pod = findPod(object);
  return [
    ...(object.metadata.name.length > NAME_MAX ? [`name has more than ${NAME_MAX} characters`] : []),
    ...(pod ? podFaults(pod) : []),
  ];
}
