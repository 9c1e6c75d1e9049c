// A real Kubernetes API on loopback: etcd, the API server, its controllers and its scheduler. kwok simulates the nodes, so
// that pods run and claims get volumes without any container.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FOREIGN_KINDS } from '../../src/packaging/chart/kubernetes-kinds.ts';
import { KUBERNETES_PROGRAMS } from '../clients.ts';
import { freePort, until } from '../service.ts';
import { type KubernetesApi, openKubernetesApi } from './kubernetes-api.ts';

/**
 * The time limit of the start. On an idle machine, the API answers after three seconds. While other tests run, it needs ten
 * times as long.
 */
const START_MS_MAX = 120_000;
const POLL_MS = 100;
/** The number of nodes. Pods that may not share a node need one node each. */
const NODE_COUNT = 6;
/** The priority class that the values of tests name. Without this class, the API server rejects their pods. */
const PRIORITY_CLASS = 'high';
/** The storage class that the stages of kwok name. */
const DEFAULT_CLASS = 'kwok-volume';
/** The storage classes: the default class, and the class that the values of tests name. */
const STORAGE_CLASSES = [DEFAULT_CLASS, 'fast'];
/** How many lines of its log are shown if a program ends too early. */
const LOG_LINES_SHOWN = 5;

/**
 * The configuration of kwok for a load balancer that gives each Service an address. The configuration is written as JSON,
 * which is valid YAML.
 */
const LOAD_BALANCER = {
  ...{ apiVersion: 'kwok.x-k8s.io/v1alpha1', kind: 'Stage', metadata: { name: 'load-balancer' } },
  spec: {
    resourceRef: { apiGroup: 'v1', kind: 'Service' },
    selector: {
      matchExpressions: [
        { key: '.spec.type', operator: 'In', values: ['LoadBalancer'] },
        { key: '.status.loadBalancer.ingress', operator: 'DoesNotExist' },
      ],
    },
    next: { statusTemplate: 'loadBalancer:\n  ingress:\n  - ip: 192.0.2.1\n' },
  },
};

export type Cluster = AsyncDisposable & { api: KubernetesApi; kubeconfig: string };

type Program = { child: ChildProcess; log: string };

/** Starts a cluster with a default storage class. If it does not start, neither a process nor a folder is left. */
export async function startCluster(): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'larder-kubernetes-'));
  const programs: Program[] = [];
  const stop = async () => {
    for (const { child } of programs.toReversed()) await end(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const cluster = await startPrograms(folder, programs);
    await createCommonObjects(cluster.api);
    return { ...cluster, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function startPrograms(folder: string, programs: Program[]) {
  if (KUBERNETES_PROGRAMS === undefined) throw new Error('npm run clients -- kubernetes builds the missing programs');
  const { etcd, apiServer, controllerManager, scheduler, kwok, kwokStages } = KUBERNETES_PROGRAMS;
  const run = (path: string, args: string[]) => programs.push(startProgram(folder, path, args));
  const [etcdPort, peerPort, port] = [await freePort(), await freePort(), await freePort()];
  const token = randomBytes(16).toString('hex');
  await writeFile(join(folder, 'tokens.csv'), `${token},admin,admin,system:masters\n`, { mode: 0o600 });
  execFileSync('openssl', ['genrsa', '-out', join(folder, 'accounts.key'), '2048'], { stdio: 'ignore' });
  run(etcd, etcdArguments(folder, `http://127.0.0.1:${etcdPort}`, `http://127.0.0.1:${peerPort}`));
  run(apiServer, apiServerArguments(folder, `http://127.0.0.1:${etcdPort}`, port));
  const url = `https://127.0.0.1:${port}`;
  const certificate = join(folder, 'certs/apiserver.crt');
  const api = await whileRunning(programs, async () => {
    const ca = await readFile(certificate, 'utf8').catch(() => undefined);
    const opened = ca === undefined ? undefined : openKubernetesApi({ url, token, ca });
    return (await opened?.isReady()) ? opened : undefined;
  });
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, JSON.stringify(kubeconfigOf(url, token, certificate)), { mode: 0o600 });
  const accounts = ['--service-account-private-key-file', join(folder, 'accounts.key')];
  const options = ['--kubeconfig', kubeconfig, '--leader-elect=false', '--bind-address=127.0.0.1', '--secure-port=0'];
  // The long grace period is needed because a busy machine delays the heartbeats of the simulated nodes.
  const patience = ['--node-monitor-grace-period=1h'];
  run(controllerManager, [...options, ...accounts, ...patience, '--use-service-account-credentials=true']);
  run(scheduler, options);
  const stages = join(folder, 'stages.yaml');
  await writeFile(stages, await stagesOf(kwokStages));
  run(kwok, ['--kubeconfig', kubeconfig, '--config', stages, '--manage-all-nodes=true', '--node-ip=127.0.0.1']);
  return { api, kubeconfig };
}

/**
 * Returns the stages of kwok, which define what it simulates. They are kwok's own stages, with volumes of all storage
 * classes, and load balancers.
 */
async function stagesOf(path: string): Promise<string> {
  const classes = `in [${STORAGE_CLASSES.map((name) => `'${name}'`).join(', ')}]`;
  const own = (await readFile(path, 'utf8')).replaceAll(`== '${DEFAULT_CLASS}'`, classes);
  return `${own}\n---\n${JSON.stringify(LOAD_BALANCER)}\n`;
}

function startProgram(folder: string, path: string, args: string[]): Program {
  const log = join(folder, `${path.slice(path.lastIndexOf('/') + 1)}.log`);
  const file = openSync(log, 'a');
  // The processes end with the test, even if the test is killed.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', path, ...args], { stdio: ['ignore', file, file] });
  closeSync(file);
  return { child, log };
}

function etcdArguments(folder: string, clients: string, peers: string): string[] {
  return [
    ...['--data-dir', join(folder, 'etcd'), '--unsafe-no-fsync'],
    ...['--listen-client-urls', clients, '--advertise-client-urls', clients, '--listen-peer-urls', peers],
    ...['--initial-advertise-peer-urls', peers, '--initial-cluster', `default=${peers}`],
  ];
}

function apiServerArguments(folder: string, etcd: string, port: number): string[] {
  return [
    ...['--etcd-servers', etcd, '--bind-address=127.0.0.1', '--advertise-address=127.0.0.1'],
    ...['--secure-port', String(port), '--cert-dir', join(folder, 'certs'), '--endpoint-reconciler-type=none'],
    ...['--service-cluster-ip-range=10.96.0.0/16', '--token-auth-file', join(folder, 'tokens.csv')],
    ...['--authorization-mode=RBAC', '--service-account-issuer=https://kubernetes.default.svc'],
    ...['--service-account-key-file', join(folder, 'accounts.key')],
    ...['--service-account-signing-key-file', join(folder, 'accounts.key')],
  ];
}

function kubeconfigOf(server: string, token: string, certificate: string): object {
  return {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'test' },
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority': certificate } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
  };
}

/** Calls `ask` until it returns a value. If a program ends, throws an error with the end of its log. */
async function whileRunning<T>(programs: Program[], ask: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + START_MS_MAX;
  while (Date.now() < deadline) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    const ended = programs.find(({ child }) => child.exitCode !== null || child.signalCode !== null);
    if (ended !== undefined) {
      const lines = (await readFile(ended.log, 'utf8')).trimEnd().split('\n').slice(-LOG_LINES_SHOWN);
      throw new Error(`${ended.log} ended before the API was ready:\n${lines.join('\n')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`The Kubernetes API is not ready after ${START_MS_MAX / 1000} seconds`);
}

async function createCommonObjects(api: KubernetesApi): Promise<void> {
  for (let index = 0; index < NODE_COUNT; index++) await api.create(nodeNamed(`node-${index}`));
  for (const name of STORAGE_CLASSES) {
    const annotations = { 'storageclass.kubernetes.io/is-default-class': String(name === DEFAULT_CLASS) };
    const stored = { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name, annotations } };
    await api.create({ ...stored, provisioner: 'kwok.x-k8s.io/volume' });
  }
  const priority = { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: PRIORITY_CLASS } };
  await api.create({ ...priority, value: 1000 });
  for (const kind of FOREIGN_KINDS) await api.create(definitionOf(kind));
  for (const kind of FOREIGN_KINDS) {
    const [apiVersion = '', name = ''] = kind.split(' ');
    await until(`the API serves ${kind}`, () => api.knows(apiVersion, name));
  }
}

function nodeNamed(name: string) {
  const resources = { cpu: '64', memory: '256Gi', pods: '200', 'ephemeral-storage': '1Ti' };
  const labels = { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' };
  return {
    ...{ apiVersion: 'v1', kind: 'Node', metadata: { name, labels } },
    status: { capacity: resources, allocatable: resources },
  };
}

/** Returns the definition of a kind of another project. It allows any fields. */
function definitionOf(name: string) {
  const [apiVersion = '', kind = ''] = name.split(' ');
  const [group = '', version = ''] = apiVersion.split('/');
  const singular = kind.toLowerCase();
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  return {
    ...{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
    metadata: { name: `${singular}s.${group}` },
    spec: {
      ...{ group, scope: 'Namespaced', names: { kind, singular, plural: `${singular}s`, listKind: `${kind}List` } },
      versions: [{ name: version, served: true, storage: true, schema }],
    },
  };
}
