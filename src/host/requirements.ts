// What the machine must have besides Node: programs from Debian packages, named with the reason they are needed.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export type Requirement = {
  /** The Debian package. */
  package: string;
  /** Found when this file can be read, or a program of this name stands on the path. */
  probe: { program: string } | { file: string };
  reason: string;
};

/** To build, verify and serve. */
export const RUN_REQUIREMENTS: readonly Requirement[] = [
  { package: 'mmdebstrap', probe: { program: 'mmdebstrap' }, reason: 'builds base images from the package archive' },
  { package: 'bubblewrap', probe: { program: 'bwrap' }, reason: 'isolates what runs while an image is built' },
  { package: 'uidmap', probe: { program: 'newuidmap' }, reason: 'gives a sandbox its own users without root' },
  {
    package: 'debian-archive-keyring',
    probe: { file: '/usr/share/keyrings/debian-archive-keyring.gpg' },
    reason: 'proves that packages come from Debian',
  },
];

/** Other people's software that the tests check ours against. */
export const TEST_REQUIREMENTS: readonly Requirement[] = [
  ...RUN_REQUIREMENTS,
  {
    package: 'docker-registry',
    probe: { program: 'docker-registry' },
    reason: 'a registry that is not ours to push to',
  },
  { package: 'skopeo', probe: { program: 'skopeo' }, reason: 'a client that is not ours to pull with' },
  { package: 'umoci', probe: { program: 'umoci' }, reason: 'unpacks images that are not ours to unpack' },
  { package: 'apache2-utils', probe: { program: 'htpasswd' }, reason: 'passwords for that registry' },
  { package: 'curl', probe: { program: 'curl' }, reason: 'asks as the documentation does' },
  { package: 'git', probe: { program: 'git' }, reason: 'makes archives of its own kind' },
  { package: 'openssl', probe: { program: 'openssl' }, reason: 'makes certificates to serve with' },
  { package: 'procps', probe: { program: 'ps' }, reason: 'finds the processes to kill' },
];

/** Peers that the benchmarks run side by side with us, beside those of the tests. */
export const BENCH_REQUIREMENTS: readonly Requirement[] = [
  ...TEST_REQUIREMENTS,
  { package: 'buildah', probe: { program: 'buildah' }, reason: 'a peer that builds images' },
];

// Debian keeps some of these where a normal user's path does not look.
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Where a program stands, looking through `path` and then through the system's own folders; undefined when nowhere. */
export function findProgram(program: string, path: string): string | undefined {
  return [...path.split(delimiter).filter(Boolean), ...SYSTEM_FOLDERS]
    .map((folder) => join(folder, program))
    .find(isExecutable);
}

/** Those of the requirements that this machine does not meet, in their order. */
export function missingRequirements(requirements: readonly Requirement[], path: string): Requirement[] {
  return requirements.filter(({ probe }) =>
    'program' in probe ? findProgram(probe.program, path) === undefined : !isReadable(probe.file),
  );
}
