// The requirements of Larder on the machine, in addition to Node: programs of Debian packages, each with the reason.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

export type Requirement = {
  /** The Debian package of the program or file. */
  package: string;
  /** The requirement is met if this file can be read, a program with this name is found, or this command succeeds. */
  probe: { program: string } | { file: string } | { succeeds: readonly string[] };
  reason: string;
};

/** The requirements for building, verifying and serving images. */
export const RUN_REQUIREMENTS: readonly Requirement[] = [
  { package: 'mmdebstrap', probe: { program: 'mmdebstrap' }, reason: 'builds base images from the package archive' },
  { package: 'bubblewrap', probe: { program: 'bwrap' }, reason: 'isolates the programs of an image while it is built' },
  { package: 'uidmap', probe: { program: 'newuidmap' }, reason: 'gives a sandbox its own users without root' },
  {
    package: 'debian-archive-keyring',
    probe: { file: '/usr/share/keyrings/debian-archive-keyring.gpg' },
    reason: 'proves that packages come from Debian',
  },
];

/** Software of other projects with which the tests compare Larder. */
export const TEST_REQUIREMENTS: readonly Requirement[] = [
  ...RUN_REQUIREMENTS,
  {
    package: 'docker-registry',
    probe: { program: 'docker-registry' },
    reason: 'another registry, to push to',
  },
  { package: 'skopeo', probe: { program: 'skopeo' }, reason: 'another client, to pull with' },
  { package: 'umoci', probe: { program: 'umoci' }, reason: 'unpacks images' },
  { package: 'buildah', probe: { program: 'buildah' }, reason: 'builds on images of Larder' },
  { package: 'runc', probe: { program: 'runc' }, reason: 'runs images as container engines do' },
  { package: 'apache2-utils', probe: { program: 'htpasswd' }, reason: 'makes passwords for docker-registry' },
  { package: 'curl', probe: { program: 'curl' }, reason: 'runs the examples of the documentation' },
  { package: 'libarchive-tools', probe: { program: 'bsdtar' }, reason: 'makes archives with holes' },
  { package: 'git', probe: { program: 'git' }, reason: 'makes archives (git archive)' },
  { package: 'openssl', probe: { program: 'openssl' }, reason: 'makes certificates to serve with' },
  { package: 'procps', probe: { program: 'ps' }, reason: 'finds the processes to kill' },
];

/** The requirements for building clients that no Debian package contains. */
export const CLIENT_REQUIREMENTS: readonly Requirement[] = [
  { package: 'golang-go', probe: { program: 'go' }, reason: 'builds the clients of the tests' },
  {
    package: 'python3-venv',
    probe: { succeeds: ['python3', '-c', 'import venv, ensurepip'] },
    reason: 'installs the schemas of Kubernetes',
  },
];

/** The requirements for running schemathesis, which pip installs into a virtual environment. */
export const API_SUITE_REQUIREMENTS: readonly Requirement[] = [
  ...RUN_REQUIREMENTS,
  {
    package: 'python3-venv',
    // Debian's Python does not contain the module that installs pip into a virtual environment. This module has its own
    // package.
    probe: { succeeds: ['python3', '-c', 'import venv, ensurepip'] },
    reason: 'runs schemathesis over the API',
  },
];

/** The requirements for building the conformance suite of the OCI distribution specification. */
export const REGISTRY_SUITE_REQUIREMENTS: readonly Requirement[] = [
  ...RUN_REQUIREMENTS,
  {
    package: 'golang-go',
    probe: { program: 'go' },
    reason: 'builds the conformance suite of the hosted registry',
  },
  {
    package: 'ca-certificates',
    probe: { file: '/etc/ssl/certs/ca-certificates.crt' },
    reason: 'verifies the servers of its Go modules',
  },
];

// Some of these folders are not in the search path of a normal user on Debian.
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/** The time limit of a probe. An interpreter starts within a tenth of a second, or within a few seconds on a busy machine. */
const PROBE_MS_MAX = 30_000;

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function succeeds([program = '', ...args]: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore', timeout: PROBE_MS_MAX }).status === 0;
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Returns the path of a program. Searches `path` and then the system's folders, unless the program is an absolute path.
 * Returns undefined if there is none.
 */
export function findProgram(program: string, path: string): string | undefined {
  if (isAbsolute(program)) return isExecutable(program) ? program : undefined;
  return [...path.split(delimiter).filter(Boolean), ...SYSTEM_FOLDERS]
    .map((folder) => join(folder, program))
    .find(isExecutable);
}

/** Returns the requirements that this machine does not meet, in the given order. */
export function missingRequirements(requirements: readonly Requirement[], path: string): Requirement[] {
  return requirements.filter(({ probe }) => {
    if ('file' in probe) return !isReadable(probe.file);
    return 'program' in probe ? findProgram(probe.program, path) === undefined : !succeeds(probe.succeeds);
  });
}
