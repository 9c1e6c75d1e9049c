// Rules for the objects that a chart renders: the "restricted" pod security standard, and our own.

export type KubernetesObject = {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  spec?: Record<string, unknown>;
  data?: Record<string, string>;
  stringData?: Record<string, string>;
  [field: string]: unknown;
};

type Context = {
  runAsUser?: number;
  runAsNonRoot?: boolean;
  privileged?: boolean;
  allowPrivilegeEscalation?: boolean;
  readOnlyRootFilesystem?: boolean;
  capabilities?: { drop?: string[]; add?: string[] };
  seccompProfile?: { type?: string };
};
type Container = {
  name: string;
  image: string;
  securityContext?: Context;
  resources?: { requests?: object; limits?: object };
  livenessProbe?: object;
  readinessProbe?: object;
  ports?: { name?: string; hostPort?: number }[];
};
type PodSpec = {
  containers: Container[];
  initContainers?: Container[];
  volumes?: Record<string, unknown>[];
  securityContext?: Context;
  automountServiceAccountToken?: boolean;
  hostNetwork?: boolean;
  hostPID?: boolean;
  hostIPC?: boolean;
};
type JobTemplate = { spec: { template: PodTemplate } };
type PodTemplate = { metadata?: { labels?: Record<string, string> }; spec: PodSpec };

/** Kubernetes adds a hash of 11 characters to the name of a workload, in a label of at most 63. */
const WORKLOAD_NAME_MAX = 52;
const LABEL_MAX = 63;
/** Volume types of the restricted standard. */
const VOLUME_TYPES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
];

/** The pod of a workload, or of a pod itself. */
export function findPod(object: KubernetesObject): PodSpec | undefined {
  if (object.kind === 'Pod') return object.spec as PodSpec;
  if (object.kind === 'CronJob') return (object.spec?.['jobTemplate'] as JobTemplate | undefined)?.spec.template.spec;
  return (object.spec?.['template'] as PodTemplate | undefined)?.spec;
}

export const containersOf = (pod: PodSpec) => [...(pod.initContainers ?? []), ...pod.containers];

function containerFaults(container: Container, pod: PodSpec): string[] {
  const own = container.securityContext ?? {};
  const inherited = { ...pod.securityContext, ...own };
  return [
    inherited.runAsNonRoot !== true && 'may run as root',
    inherited.runAsUser === 0 && 'runs as root',
    own.privileged === true && 'is privileged',
    own.allowPrivilegeEscalation !== false && 'may gain rights',
    !own.capabilities?.drop?.includes('ALL') && 'keeps capabilities',
    (own.capabilities?.add ?? []).some((name) => name !== 'NET_BIND_SERVICE') && 'adds capabilities',
    !['RuntimeDefault', 'Localhost'].includes(inherited.seccompProfile?.type ?? '') && 'has no seccomp profile',
    container.ports?.some(({ hostPort }) => hostPort) && 'has a port of the host',
  ].flatMap((fault) => (fault ? [`container ${container.name} ${fault}`] : []));
}

/** Returns the faults of a pod under the "restricted" pod security standard. */
export function restrictedFaults(pod: PodSpec): string[] {
  const host = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => pod[field] === true);
  const volumes = (pod.volumes ?? []).filter((volume) => !VOLUME_TYPES.some((type) => type in volume));
  return [
    ...host.map((field) => `uses ${field}`),
    ...volumes.map(({ name }) => `volume ${String(name)} has a type that is not permitted`),
    ...containersOf(pod).flatMap((container) => containerFaults(container, pod)),
  ];
}

function ownContainerFaults({ name, image, resources, ...container }: Container, isServing: boolean): string[] {
  const tagged = /:[^/:@]+(@sha256:[0-9a-f]{64})?$/.test(image) || /@sha256:[0-9a-f]{64}$/.test(image);
  return [
    (!tagged || /:latest(@|$)/.test(image)) && `has the image ${image}; expected a version or a digest`,
    (!resources || (!resources.requests && !resources.limits)) && 'has no resources',
    isServing && !container.readinessProbe && 'has no readiness probe',
    isServing && !container.livenessProbe && 'has no liveness probe',
  ].flatMap((fault) => (fault ? [`container ${name} ${fault}`] : []));
}

function podFaults(object: KubernetesObject, pod: PodSpec): string[] {
  const serving = !['Pod', 'Job', 'CronJob'].includes(object.kind);
  return [
    ...(pod.automountServiceAccountToken === false ? [] : ['mounts a token of the service account']),
    ...(pod.initContainers ?? []).flatMap((container) => ownContainerFaults(container, false)),
    ...pod.containers.flatMap((container) => ownContainerFaults(container, serving)),
  ];
}

/** Labels whose values change with the version of the chart. */
const CHANGING_LABELS = ['helm.sh/chart', 'app.kubernetes.io/version'];

function claimFaults(object: KubernetesObject): string[] {
  const claims = (object.spec?.['volumeClaimTemplates'] ?? []) as KubernetesObject[];
  return claims.flatMap(({ metadata }) =>
    CHANGING_LABELS.filter((label) => metadata.labels?.[label]).map((label) => `claim template has the label ${label}`),
  );
}

function selectorFaults({ kind, spec = {} }: KubernetesObject): string[] {
  if (!['StatefulSet', 'Deployment', 'DaemonSet'].includes(kind)) return [];
  const { matchLabels } = spec['selector'] as { matchLabels: Record<string, string> };
  const labels = (spec['template'] as PodTemplate).metadata?.labels ?? {};
  return [
    ...CHANGING_LABELS.filter((label) => label in matchLabels).map((label) => `selector has the label ${label}`),
    ...Object.keys(matchLabels)
      .filter((label) => labels[label] !== matchLabels[label])
      .map((label) => `pods lack ${label}`),
  ];
}

/** Returns the faults of an object under our own rules. */
export function ownFaults(object: KubernetesObject): string[] {
  const { kind, metadata } = object;
  const limit = ['StatefulSet', 'Deployment', 'DaemonSet', 'CronJob'].includes(kind) ? WORKLOAD_NAME_MAX : LABEL_MAX;
  const long = Object.entries(metadata.labels ?? {}).filter(([, value]) => String(value).length > LABEL_MAX);
  const pod = findPod(object);
  return [
    ...(metadata.name.length > limit ? [`name has more than ${limit} characters`] : []),
    ...long.map(([label]) => `label ${label} has more than ${LABEL_MAX} characters`),
    ...claimFaults(object),
    ...selectorFaults(object),
    ...(pod ? podFaults(object, pod) : []),
  ];
}
