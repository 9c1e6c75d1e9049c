// Clients that no Debian package contains. `npm run clients` builds them once and keeps them outside the checkout.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HostError, prepareHost } from '../src/host/prepare.ts';
import { CLIENT_REQUIREMENTS } from '../src/host/requirements.ts';
import { KUBERNETES_VERSIONS } from '../src/packaging/chart/kubernetes-kinds.ts';
import { buildGoProgram, fetchGoSource, type GoSource } from './go-program.ts';

const run = promisify(execFile);

export const CLIENTS_FOLDER =
  process.env['CLIENTS_BIN'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'larder-clients');

/**
 * `names` are the possible file names, and a new build gets the first. `word`: the client is built only if this word is an
 * argument of the command, because its build takes minutes on two processors.
 */
type GoClient = { names: string[]; source: GoSource; word?: string };

const KUBERNETES_VERSION = '1.37.2';
const KUBERNETES = {
  module: 'k8s.io/kubernetes',
  version: `v${KUBERNETES_VERSION}`,
  replacedVersion: `v${KUBERNETES_VERSION.replace(/^1/, '0')}`,
  // Without a version, the API server does not know which features it has.
  linkedValues: { 'k8s.io/component-base/version.gitVersion': `v${KUBERNETES_VERSION}` },
};
const KWOK = goSource('sigs.k8s.io/kwok', 'cmd/kwok', 'v0.8.0');

const GO_CLIENTS: readonly GoClient[] = [
  { names: ['crane'], source: goSource('github.com/google/go-containerregistry', 'cmd/crane', 'v0.22.1') },
  { names: ['oras'], source: goSource('oras.land/oras', 'cmd/oras', 'v1.3.6') },
  { names: ['kubeconform'], source: goSource('github.com/yannh/kubeconform', 'cmd/kubeconform', 'v0.8.0') },
  { names: ['helm'], source: goSource('helm.sh/helm/v3', 'cmd/helm', 'v3.22.0') },
  // `helm34` is a helm 4 that another package installed together with kubectl.
  { names: ['helm4', 'helm34'], source: goSource('helm.sh/helm/v4', 'cmd/helm', 'v4.3.1') },
  { names: ['cosign'], source: goSource('github.com/sigstore/cosign/v3', 'cmd/cosign', 'v3.1.3'), word: 'cosign' },
  { names: ['cosign2'], source: goSource('github.com/sigstore/cosign/v2', 'cmd/cosign', 'v2.6.5'), word: 'cosign2' },
  {
    names: ['etcd'],
    source: { ...goSource('go.etcd.io/etcd/server/v3', '', 'v3.7.3'), replacedVersion: 'v3.7.3' },
    word: 'kubernetes',
  },
  ...['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'].map((name) => ({
    ...{ names: [name], source: { ...KUBERNETES, program: `cmd/${name}` }, word: 'kubernetes' },
  })),
  { names: ['kwok'], source: KWOK, word: 'kubernetes' },
];

function goSource(module: string, program: string, version: string): GoSource {
  return { module, program, version };
}

/** The package with the schemas of Kubernetes' objects, as JSON, from 1.25 to 1.37. */
const SCHEMAS_PACKAGE = 'kubernetes-validate==1.37.0';
/** The time limit of pip. pip downloads a few megabytes, and a busy package index takes minutes. */
const INSTALL_MS_MAX = 10 * 60_000;

function findClient(name: string): string | undefined {
  const names = GO_CLIENTS.find((client) => client.names[0] === name)?.names ?? [];
  return names.map((file) => join(CLIENTS_FOLDER, file)).find((path) => existsSync(path));
}

/** The client of google/go-containerregistry. Undefined if it was not built. */
export const CRANE = findClient('crane');
/** Helm, for each major version. Undefined if it was not built. */
export const HELM_3 = findClient('helm');
export const HELM_4 = findClient('helm4');
/** The client of sigstore, for each major version. Undefined if it was not built. */
export const COSIGN_3 = findClient('cosign');
export const COSIGN_2 = findClient('cosign2');
/** The client of oras.land. Undefined if it was not built. */
export const ORAS = findClient('oras');
const KWOK_STAGES = join(CLIENTS_FOLDER, 'kwok-stages.yaml');
/** The programs of a Kubernetes API with simulated nodes. Undefined if one of them was not built. */
export const KUBERNETES_PROGRAMS = findKubernetesPrograms();
/** The program that checks objects against the schemas in the folder. Undefined if it was not built. */
export const KUBECONFORM = findClient('kubeconform');
const SCHEMAS_FOLDER = join(CLIENTS_FOLDER, 'schemas');
export const SCHEMAS = KUBERNETES_VERSIONS.every((version) => existsSync(schemasOf(version)))
  ? SCHEMAS_FOLDER
  : undefined;

function findKubernetesPrograms() {
  const [etcd, apiServer, controllerManager, scheduler, kwok] = [
    ...['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kwok'],
  ].map(findClient);
  const programs = { etcd, apiServer, controllerManager, scheduler, kwok };
  const isComplete = Object.values(programs).every((path) => path !== undefined) && existsSync(KWOK_STAGES);
  return isComplete ? { ...(programs as Record<keyof typeof programs, string>), kwokStages: KWOK_STAGES } : undefined;
}

function schemasOf(version: string): string {
  return join(SCHEMAS_FOLDER, `v${version}-standalone-strict`);
}

async function buildClient({ names, source }: GoClient): Promise<void> {
  const [name = ''] = names;
  await buildGoProgram(source, join(CLIENTS_FOLDER, `${name}.new`));
  await rename(join(CLIENTS_FOLDER, `${name}.new`), join(CLIENTS_FOLDER, name));
  console.error(`${name} is in ${CLIENTS_FOLDER}`);
}

/** What kwok simulates. Nodes are ready, pods run and end, and claims get a volume. */
const SIMULATED = [
  'node/fast/node-initialize.yaml',
  'node/heartbeat-with-lease/node-heartbeat-with-lease.yaml',
  'pod/fast/pod-complete.yaml',
  'pod/fast/pod-delete.yaml',
  'pod/fast/pod-ready.yaml',
  'volume/fast/pv-bind.yaml',
  'volume/fast/pv-delete.yaml',
  'volume/fast/pvc-delete.yaml',
  'volume/fast/pvc-provision.yaml',
];

async function writeKwokStages(): Promise<void> {
  const folder = await fetchGoSource(KWOK, 'kustomize/stage');
  const stages = await Promise.all(SIMULATED.map((file) => readFile(join(folder, file), 'utf8')));
  await writeFile(`${KWOK_STAGES}.new`, stages.join('\n---\n'));
  await rename(`${KWOK_STAGES}.new`, KWOK_STAGES);
}

async function fetchSchemas(): Promise<void> {
  if (SCHEMAS !== undefined) return;
  const python = await mkdtemp(join(tmpdir(), 'larder-schemas-'));
  try {
    const target = ['install', '--quiet', '--no-input', '--no-deps', '--target', python, SCHEMAS_PACKAGE];
    await run('python3', ['-m', 'venv', join(python, 'venv')], { timeout: INSTALL_MS_MAX });
    await run(join(python, 'venv/bin/pip'), target, { timeout: INSTALL_MS_MAX });
    for (const version of KUBERNETES_VERSIONS) {
      const source = join(python, 'kubernetes_validate/kubernetes-json-schema', `v${version}-local-strict`);
      await writeSchemas(source, schemasOf(version));
    }
  } finally {
    await rm(python, { recursive: true, force: true });
  }
  console.error(`schemas of Kubernetes are in ${SCHEMAS_FOLDER}`);
}

/**
 * Writes the schemas with relative references. The references in the package are absolute addresses, which a checker would
 * request over the network.
 */
async function writeSchemas(source: string, folder: string): Promise<void> {
  if (existsSync(folder)) return;
  const unfinished = `${folder}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  const names = (await readdir(source)).filter((name) => name.endsWith('.json') && name !== 'all.json');
  for (const name of names) {
    const { $id: _, ...schema } = JSON.parse(await readFile(join(source, name), 'utf8'));
    const text = JSON.stringify(schema).replaceAll('"/api/_definitions.json#', '"_definitions.json#');
    await writeFile(join(unfinished, name), text);
  }
  await rename(unfinished, folder);
}

async function installClients(): Promise<void> {
  const missing = GO_CLIENTS.filter(
    ({ names: [name = ''], word }) =>
      findClient(name) === undefined && (word === undefined || process.argv.includes(word)),
  );
  const lacksStages = process.argv.includes('kubernetes') && !existsSync(KWOK_STAGES);
  if (SCHEMAS !== undefined && missing.length === 0 && !lacksStages) return;
  await prepareHost({
    requirements: CLIENT_REQUIREMENTS,
    path: process.env['PATH'] ?? '',
    consent: process.env['CI'] === 'true' || process.argv.includes('--yes'),
    command: 'npm run clients',
    say: (line) => console.error(line),
  });
  await mkdir(CLIENTS_FOLDER, { recursive: true });
  await fetchSchemas();
  // Builds one client at a time, because each build uses every processor.
  for (const client of missing) await buildClient(client);
  if (lacksStages) await writeKwokStages();
}

/** Prints which clients are installed. Tests that need a missing client are skipped. */
function listClients(): void {
  for (const { names } of GO_CLIENTS) {
    const path = findClient(names[0] ?? '');
    console.log(`${names[0]}: ${path ?? 'not built, its tests are skipped'}`);
  }
}

if (import.meta.main) {
  try {
    if (process.argv.includes('--list')) listClients();
    else await installClients();
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
