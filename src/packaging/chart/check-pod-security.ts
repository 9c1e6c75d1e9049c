// Checks pods by the "restricted" profile of Kubernetes' pod security standards, which includes the profile "baseline", as of version 1.37:
// https://kubernetes.io/docs/concepts/security/pod-security-standards/. Assumes that all pods run on Linux.
import {
  type Container,
  containersOf,
  listOf,
  mapOf,
  type PodTemplate,
  podTemplatesOf,
  type RenderedObject,
  textOf,
  type Violation,
  valueAt,
  violation,
} from './rendered-objects.ts';
import type { Json } from './rendered-yaml.ts';

/** One rule for a place; `pod` gives the context that a container inherits. */
type Find = (path: string, found: { value?: Json | undefined; reason: string }) => Violation;

/** Returns the violations of the profile in the pods of these objects. */
export function checkPodSecurity(objects: readonly RenderedObject[]): Violation[] {
  return podTemplatesOf(objects).flatMap((pod) => {
    const find: Find = (path, found) => violation(pod.object, path, found);
    return [
      ...hostNamespaces(pod, find),
      ...volumeTypes(pod, find),
      ...sysctls(pod, find),
      ...appArmorAnnotations(pod, find),
      ...sharedContext(pod.spec['securityContext'], `${pod.path}spec.securityContext`, find),
      ...containersOf(pod).flatMap((container) => containerFaults(pod, container, find)),
    ];
  });
}

const UNSET_OR_FALSE = 'expected false or no value';

function hostNamespaces({ spec, path }: PodTemplate, find: Find): Violation[] {
  return ['hostNetwork', 'hostPID', 'hostIPC']
    .filter((field) => isGiven(spec[field]) && spec[field] !== false)
    .map((field) => find(`${path}spec.${field}`, { value: spec[field], reason: UNSET_OR_FALSE }));
}

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

function volumeTypes({ spec, path }: PodTemplate, find: Find): Violation[] {
  return listOf(spec['volumes']).flatMap((volume, index) => {
    const types = Object.entries(mapOf(volume)).flatMap(([key, value]) =>
      key !== 'name' && value !== null ? [key] : [],
    );
    // For the Kubernetes API, a volume without a type is an empty folder.
    if (types.every((type) => VOLUME_TYPES.includes(type))) return [];
    const reason = `has the type ${types.join(', ')}; expected ${VOLUME_TYPES.join(', ')}`;
    return find(`${path}spec.volumes[${index}]`, { reason });
  });
}

/** Sysctls that a pod may set, because they do not affect other pods on the node. Kubernetes 1.32 added the last of them. */
const SYSCTLS = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
];

function sysctls({ spec, path }: PodTemplate, find: Find): Violation[] {
  return listOf(valueAt(spec, 'securityContext', 'sysctls')).flatMap((sysctl, index) => {
    const name = textOf(mapOf(sysctl)['name']);
    if (name !== undefined && SYSCTLS.includes(name)) return [];
    return find(`${path}spec.securityContext.sysctls[${index}].name`, {
      value: name ?? null,
      reason: 'is not a kernel setting that the profile permits',
    });
  });
}

const APPARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';

function appArmorAnnotations({ metadata, path }: PodTemplate, find: Find): Violation[] {
  return Object.entries(mapOf(metadata['annotations'])).flatMap(([key, value]) => {
    if (!key.startsWith(APPARMOR_ANNOTATION)) return [];
    if (typeof value === 'string' && (['', 'runtime/default'].includes(value) || value.startsWith('localhost/')))
      return [];
    return find(`${path}metadata.annotations["${key}"]`, { value, reason: 'expected runtime/default or localhost/…' });
  });
}

const PROFILE_TYPES = ['RuntimeDefault', 'Localhost'];
const SELINUX_TYPES = ['', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'];

/** Rules for the fields that both the security context of a pod and that of a container have. */
function sharedContext(context: Json | undefined, path: string, find: Find): Violation[] {
  const hostProcess = valueAt(context, 'windowsOptions', 'hostProcess');
  const appArmor = valueAt(context, 'appArmorProfile', 'type');
  const seccomp = valueAt(context, 'seccompProfile', 'type');
  const runAsUser = valueAt(context, 'runAsUser');
  const profile = `expected ${PROFILE_TYPES.join(' or ')}`;
  return [
    isGiven(hostProcess) && hostProcess !== false
      ? find(`${path}.windowsOptions.hostProcess`, { value: hostProcess, reason: UNSET_OR_FALSE })
      : [],
    isGiven(appArmor) && !isOneOf(appArmor, PROFILE_TYPES)
      ? find(`${path}.appArmorProfile.type`, { value: appArmor, reason: profile })
      : [],
    isGiven(seccomp) && !isOneOf(seccomp, PROFILE_TYPES)
      ? find(`${path}.seccompProfile.type`, { value: seccomp, reason: profile })
      : [],
    runAsUser === 0 ? find(`${path}.runAsUser`, { value: 0, reason: 'expected a user that is not root' }) : [],
    seLinuxFaults(context, path, find),
  ].flat();
}

function seLinuxFaults(context: Json | undefined, path: string, find: Find): Violation[] {
  const options = mapOf(valueAt(context, 'seLinuxOptions'));
  const type = options['type'];
  const named = ['user', 'role'].filter((field) => isGiven(options[field]) && options[field] !== '');
  return [
    ...(isGiven(type) && !isOneOf(type, SELINUX_TYPES)
      ? [find(`${path}.seLinuxOptions.type`, { value: type, reason: `expected ${SELINUX_TYPES.slice(1).join(', ')}` })]
      : []),
    ...named.map((field) =>
      find(`${path}.seLinuxOptions.${field}`, { value: options[field], reason: 'expected no value' }),
    ),
  ];
}

function containerFaults(pod: PodTemplate, container: Container, find: Find): Violation[] {
  const context = mapOf(container.fields['securityContext']);
  const path = `${container.path}.securityContext`;
  const { privileged, procMount } = context;
  return [
    ...sharedContext(context, path, find),
    ...inheritedFaults(pod, container, find),
    ...capabilityFaults(context['capabilities'], path, find),
    ...hostPorts(container, find),
    ...hostHandlers(container, find),
    isGiven(privileged) && privileged !== false
      ? find(`${path}.privileged`, { value: privileged, reason: UNSET_OR_FALSE })
      : [],
    context['allowPrivilegeEscalation'] === false
      ? []
      : find(`${path}.allowPrivilegeEscalation`, {
          value: context['allowPrivilegeEscalation'],
          reason: 'expected false',
        }),
    isGiven(procMount) && procMount !== 'Default'
      ? find(`${path}.procMount`, { value: procMount, reason: 'expected Default' })
      : [],
  ].flat();
}

/** Rules for fields that a container must set if its pod does not. The value of a container has precedence. */
function inheritedFaults({ spec }: PodTemplate, { fields, path }: Container, find: Find): Violation[] {
  const inherited = (...keys: string[]) => {
    const own = valueAt(fields, 'securityContext', ...keys);
    return isGiven(own) ? own : valueAt(spec, 'securityContext', ...keys);
  };
  const runAsNonRoot = inherited('runAsNonRoot');
  const seccomp = inherited('seccompProfile', 'type');
  return [
    runAsNonRoot === true
      ? []
      : find(`${path}.securityContext.runAsNonRoot`, {
          value: runAsNonRoot,
          reason: 'expected true, here or for the pod',
        }),
    // A wrong value is reported only at the place that sets it.
    isGiven(seccomp)
      ? []
      : find(`${path}.securityContext.seccompProfile.type`, {
          reason: `expected ${PROFILE_TYPES.join(' or ')}, here or for the pod`,
        }),
  ].flat();
}

function capabilityFaults(capabilities: Json | undefined, path: string, find: Find): Violation[] {
  const { drop, add } = mapOf(capabilities);
  const added = listOf(add).flatMap((name, index) =>
    name === 'NET_BIND_SERVICE'
      ? []
      : find(`${path}.capabilities.add[${index}]`, { value: name, reason: 'expected NET_BIND_SERVICE or none' }),
  );
  if (listOf(drop).includes('ALL')) return added;
  return [...added, find(`${path}.capabilities.drop`, { value: drop, reason: 'expected ALL' })];
}

function hostPorts({ fields, path }: Container, find: Find): Violation[] {
  return listOf(fields['ports']).flatMap((port, index) => {
    const { hostPort } = mapOf(port);
    if (!isGiven(hostPort) || hostPort === 0) return [];
    return find(`${path}.ports[${index}].hostPort`, { value: hostPort, reason: 'expected no port of the host' });
  });
}

const HANDLERS = [
  ['livenessProbe'],
  ['readinessProbe'],
  ['startupProbe'],
  ['lifecycle', 'postStart'],
  ['lifecycle', 'preStop'],
];

/** Rejects probes and hooks with a host, because they make the node send requests to this host (in the profile since 1.34). */
function hostHandlers({ fields, path }: Container, find: Find): Violation[] {
  return HANDLERS.flatMap((keys) =>
    ['httpGet', 'tcpSocket'].flatMap((action) => {
      const host = valueAt(fields, ...keys, action, 'host');
      if (!isGiven(host) || host === '') return [];
      return find(`${path}.${keys.join('.')}.${action}.host`, { value: host, reason: 'expected no host' });
    }),
  );
}

function isGiven(value: Json | undefined): value is Exclude<Json, null> {
  return value !== undefined && value !== null;
}

function isOneOf(value: Json, words: readonly string[]): boolean {
  return typeof value === 'string' && words.includes(value);
}
