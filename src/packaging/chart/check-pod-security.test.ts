// Each rule of the restricted profile, with a pod that keeps all rules, and with a change of this pod that breaks the rule.
import { expect, test } from 'vitest';
import { checkPodSecurity } from './check-pod-security.ts';
import { parseRendering, violationLine } from './rendered-objects.ts';

const SECURE = {
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

type Change = { pod?: object; container?: object; context?: object; annotations?: object; list?: string };

function faults({ pod = {}, container = {}, context = {}, annotations = {}, list = 'containers' }: Change): string[] {
  const secure = { name: 'app', image: 'app', securityContext: SECURE };
  const changed = { name: 'app', image: 'app', securityContext: { ...SECURE, ...context }, ...container };
  const spec = { containers: [secure], ...pod, [list]: [changed] };
  const template = { metadata: { annotations }, spec };
  const object = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec: { template } };
  return checkPodSecurity(parseRendering(JSON.stringify(object)).objects).map(violationLine);
}

test('a pod that keeps all rules has no violation', () => {
  const ports = [{ containerPort: 80, hostPort: 0 }];
  const volumes = [{ name: 'a', emptyDir: {} }, { name: 'b', secret: { secretName: 's' } }, { name: 'c' }];
  const context = { capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] }, procMount: 'Default', runAsUser: 1001 };
  const pod = {
    volumes,
    hostNetwork: false,
    securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem', value: '1' }] },
  };
  expect(faults({ pod, context, container: { ports, livenessProbe: { httpGet: { port: 80 } } } })).toEqual([]);
});

test('what the pod sets need not be set by each container', () => {
  const securityContext = { runAsNonRoot: true, seccompProfile: { type: 'Localhost', localhostProfile: 'a' } };
  const own = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
  expect(faults({ pod: { securityContext }, container: { securityContext: own } })).toEqual([]);
});

test.each<[Change, string]>([
  [{ pod: { hostNetwork: true } }, 'spec.template.spec.hostNetwork is true; expected false or no value'],
  [{ pod: { hostPID: true } }, 'spec.template.spec.hostPID is true; expected false or no value'],
  [{ pod: { hostIPC: true } }, 'spec.template.spec.hostIPC is true; expected false or no value'],
  [
    { pod: { volumes: [{ name: 'v', hostPath: { path: '/' } }] } },
    'volumes[0] has the type hostPath; expected configMap',
  ],
  [{ pod: { volumes: [{ name: 'v', nfs: {} }] } }, 'volumes[0] has the type nfs'],
  [{ pod: { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/' } }] } }, 'has the type emptyDir, hostPath'],
  [
    { pod: { securityContext: { sysctls: [{ name: 'kernel.msgmax' }] } } },
    'sysctls[0].name is "kernel.msgmax"; is not',
  ],
  [
    { pod: { securityContext: { runAsUser: 0 } } },
    'spec.securityContext.runAsUser is 0; expected a user that is not root',
  ],
  [{ pod: { securityContext: { windowsOptions: { hostProcess: true } } } }, 'windowsOptions.hostProcess is true'],
  [{ pod: { securityContext: { appArmorProfile: { type: 'Unconfined' } } } }, 'appArmorProfile.type is "Unconfined"'],
  [{ pod: { securityContext: { seccompProfile: { type: 'Unconfined' } } } }, 'seccompProfile.type is "Unconfined"'],
  [{ pod: { securityContext: { seLinuxOptions: { type: 'spc_t' } } } }, 'seLinuxOptions.type is "spc_t"'],
  [
    { context: { seLinuxOptions: { user: 'u' } } },
    'containers[0].securityContext.seLinuxOptions.user is "u"; expected no value',
  ],
  [{ context: { seLinuxOptions: { role: 'r' } } }, 'seLinuxOptions.role is "r"; expected no value'],
  [
    { annotations: { 'container.apparmor.security.beta.kubernetes.io/app': 'unconfined' } },
    'metadata.annotations["container.apparmor.security.beta.kubernetes.io/app"] is "unconfined"',
  ],
  [{ context: { privileged: true } }, 'containers[0].securityContext.privileged is true; expected false or no value'],
  [{ context: { allowPrivilegeEscalation: undefined } }, 'securityContext.allowPrivilegeEscalation expected false'],
  [{ context: { runAsNonRoot: undefined } }, 'securityContext.runAsNonRoot expected true, here or for the pod'],
  [{ context: { runAsUser: 0 } }, 'containers[0].securityContext.runAsUser is 0'],
  [{ context: { procMount: 'Unmasked' } }, 'securityContext.procMount is "Unmasked"; expected Default'],
  [
    { context: { seccompProfile: undefined } },
    'securityContext.seccompProfile.type expected RuntimeDefault or Localhost',
  ],
  [{ context: { capabilities: { drop: ['NET_RAW'] } } }, 'capabilities.drop is ["NET_RAW"]; expected ALL'],
  [{ context: { capabilities: { drop: ['ALL'], add: ['SYS_ADMIN'] } } }, 'capabilities.add[0] is "SYS_ADMIN"'],
  [{ container: { ports: [{ hostPort: 80 }] } }, 'containers[0].ports[0].hostPort is 80; expected no port of the host'],
  [{ container: { livenessProbe: { httpGet: { host: '10.0.0.1' } } } }, 'livenessProbe.httpGet.host is "10.0.0.1"'],
  [
    { container: { startupProbe: { tcpSocket: { host: 'x' } } } },
    'startupProbe.tcpSocket.host is "x"; expected no host',
  ],
  [{ container: { lifecycle: { preStop: { httpGet: { host: 'x' } } } } }, 'lifecycle.preStop.httpGet.host is "x"'],
])('one violation by %j', (change, line) => {
  const lines = faults(change);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(line);
  expect(lines[0]).toMatch(/^Deployment web: /);
});

test.each(['initContainers', 'ephemeralContainers'])('%s have the same rules', (list) => {
  expect(faults({ list, context: { privileged: true } })).toEqual([
    `Deployment web: spec.template.spec.${list}[0].securityContext.privileged is true; expected false or no value`,
  ]);
});

test.each([
  ['Pod', { spec: { containers: [{}] } }, 'spec.containers[0]'],
  ['Job', { spec: { template: { spec: { containers: [{}] } } } }, 'spec.template.spec.containers[0]'],
  [
    'CronJob',
    { spec: { jobTemplate: { spec: { template: { spec: { containers: [{}] } } } } } },
    'spec.jobTemplate.spec.template.spec.containers[0]',
  ],
])(
  'a container of a %s without a security context breaks the four rules that ask for a value',
  (kind, fields, path) => {
    const object = { apiVersion: 'v1', kind, metadata: { name: 'x' }, ...fields };
    const lines = checkPodSecurity(parseRendering(JSON.stringify(object)).objects);
    expect(lines.map((one) => one.path).sort()).toEqual([
      `${path}.securityContext.allowPrivilegeEscalation`,
      `${path}.securityContext.capabilities.drop`,
      `${path}.securityContext.runAsNonRoot`,
      `${path}.securityContext.seccompProfile.type`,
    ]);
  },
);

test('fields of the wrong type cause no error', () => {
  const spec = { containers: 'x', volumes: { a: 1 }, securityContext: [], initContainers: [null, 1, 'a'] };
  const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x', annotations: 3 }, spec };
  expect(checkPodSecurity(parseRendering(JSON.stringify(object)).objects).length).toBe(12);
});
