// Clients that no Debian package contains. `npm run clients` builds them once and keeps them outside the checkout.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HostError, prepareHost } from '../src/host/prepare.ts';
import { CLIENT_REQUIREMENTS } from '../src/host/requirements.ts';
import { KUBERNETES_VERSIONS } from '../src/packaging/chart/kubernetes-kinds.ts';

const run = promisify(execFile);

export const CLIENTS_FOLDER =
  process.env['CLIENTS_BIN'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'larder-clients');

/**
 * `module` is the source of a client. `names` are its possible file names, and a new build gets the first. `isSlow`: the
 * client is built only if it is named, because its build takes five to nine minutes on two processors.
 */
const GO_CLIENTS: readonly { names: string[]; module: string; isSlow?: true }[] = [
  { names: ['crane'], module: 'github.com/google/go-containerregistry/cmd/crane@v0.22.1' },
  { names: ['kubeconform'], module: 'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0' },
  { names: ['helm'], module: 'helm.sh/helm/v3/cmd/helm@v3.22.0' },
  // `helm34` is a helm 4 that another package has installed together with kubectl.
  { names: ['helm4', 'helm34'], module: 'helm.sh/helm/v4/cmd/helm@v4.3.1' },
  { names: ['cosign'], module: 'github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3', isSlow: true },
  { names: ['cosign2'], module: 'github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5', isSlow: true },
];
/** The time limit of a build. Helm takes ten minutes on two processors that have other work. */
const BUILD_MS_MAX = 30 * 60_000;

/** The package with the schemas of Kubernetes' objects, as JSON, from 1.25 to 1.37. */
const SCHEMAS_PACKAGE = 'kubernetes-validate==1.37.0';

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
/** The program that checks objects against the schemas in the folder. Undefined if it was not built. */
export const KUBECONFORM = findClient('kubeconform');
const SCHEMAS_FOLDER = join(CLIENTS_FOLDER, 'schemas');
export const SCHEMAS = KUBERNETES_VERSIONS.every((version) => existsSync(schemasOf(version)))
  ? SCHEMAS_FOLDER
  : undefined;

function schemasOf(version: string): string {
  return join(SCHEMAS_FOLDER, `v${version}-standalone-strict`);
}

async function buildClient({ names, module }: (typeof GO_CLIENTS)[number]): Promise<void> {
  const [name = ''] = names;
  // Each client is built in its own folder, because two major versions of a program have the same file name.
  const built = await mkdtemp(join(tmpdir(), 'larder-client-'));
  try {
    const env = { ...process.env, GOBIN: built, CGO_ENABLED: '0' };
    await run('go', ['install', '-trimpath', module], { env, timeout: BUILD_MS_MAX });
    const [file = name] = await readdir(built);
    await cp(join(built, file), join(CLIENTS_FOLDER, `${name}.new`));
    await rename(join(CLIENTS_FOLDER, `${name}.new`), join(CLIENTS_FOLDER, name));
  } finally {
    await rm(built, { recursive: true, force: true });
  }
  console.error(`${name} is in ${CLIENTS_FOLDER}`);
}

async function fetchSchemas(): Promise<void> {
  if (SCHEMAS !== undefined) return;
  const python = await mkdtemp(join(tmpdir(), 'larder-schemas-'));
  try {
    const target = ['install', '--quiet', '--no-input', '--no-deps', '--target', python, SCHEMAS_PACKAGE];
    await run('python3', ['-m', 'venv', join(python, 'venv')], { timeout: BUILD_MS_MAX });
    await run(join(python, 'venv/bin/pip'), target, { timeout: BUILD_MS_MAX });
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
    ({ names: [name = ''], isSlow }) => findClient(name) === undefined && (!isSlow || process.argv.includes(name)),
  );
  if (SCHEMAS !== undefined && missing.length === 0) return;
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
