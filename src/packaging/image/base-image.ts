// Builds a base image, which is a minimal Debian from the package archive. mmdebstrap makes it.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../contract/vocabulary.ts';
import type { Descriptor, Platform } from '../../oci/descriptor.ts';
import type { BuiltLayer } from '../../oci/layer.ts';
import type { BasePin } from '../../plan/pin.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import { type LogSink, lastLines, openBuildLog } from '../../sandbox/build-log.ts';
import { asOwner, endOf, endWithGroup, findTool, inNewNamespace, STANDARD_PATH } from '../../sandbox/host-commands.ts';
import type { SandboxHost } from '../../sandbox/sandbox-host.ts';
import { ensureFolder, sandboxHost, type Workspace } from '../../sandbox/workspace.ts';
import { readTar } from '../../tar/read.ts';
import { archiveDate } from './archive-date.ts';
import { layerFromTree } from './capture.ts';
import { bytesOf, IMAGE_PATH, timeOf, writeImage } from './image.ts';
import { DPKG_STATUS, KEPT_FILES } from './image-files.ts';
import { machineAptOptions, machineCredentials, withProxies } from './machine-apt.ts';
import { removeFolder } from './rootfs.ts';

/**
 * Files that the machine's apt leaves in the image. They contain the address, credentials, settings and indexes of the
 * archive.
 */
const MACHINE_TRACES = [
  'etc/apt/sources.list',
  'etc/apt/sources.list.d/*',
  'etc/apt/auth.conf',
  'etc/apt/auth.conf.d/*',
  'etc/apt/apt.conf',
  'etc/apt/apt.conf.d/99mmdebstrap',
  'etc/dpkg/dpkg.cfg.d/99mmdebstrap',
  'etc/hosts',
];

/**
 * Packages that are installed in addition to Debian's essential packages. ca-certificates is needed because images check
 * certificates, and because customizations that add a certificate use its tools.
 */
const PACKAGES = ['ca-certificates', 'netbase', 'tzdata'];

export type BaseImageOptions = {
  workspace: Workspace;
  /**
   * The archive's sources as deb822 text (sources.list(5)), with the addresses and keys of this machine. The image does not
   * contain this text.
   */
  sources: string;
  /** The codename of the suite, such as `bookworm`. */
  suite: string;
  /** The operating system, such as `debian-12`. */
  operating_system: string;
  log: LogSink;
  signal?: AbortSignal | undefined;
  /** The time of all files in seconds since 1970. If absent, the newest date in the archive's indexes. */
  epoch?: number;
};

export type BaseImage = { pin: BasePin; index: Descriptor };

/**
 * Builds a minimal Debian image. Stores its documents, layer, listing and package database as content. The same archive gives
 * the same diffID on any machine and for any user. Throws BuildError with the last lines of apt, and CommandFailed if the
 * archive cannot be reached.
 */
export async function buildBaseImage(options: BaseImageOptions): Promise<BaseImage> {
  const { content } = options.workspace;
  const epoch = options.epoch ?? (await archiveDate(options));
  let packages: Digest | undefined;
  const layer = await debianLayer(options, epoch, async (path, bytes) => {
    const { digest } = await content.put(bytesOf(bytes));
    if (path === DPKG_STATUS) packages = digest;
  });
  if (packages === undefined) throw failure('The finished system has no package database.');
  const platform = hostPlatform();
  const name = options.operating_system.replace('-', ':');
  const image = await writeImage(content, {
    platform,
    epoch,
    layers: [
      {
        diff_id: layer.diff_id,
        descriptor: layer.descriptor,
        created_by: `larder: ${options.operating_system} from its package archive`,
      },
    ],
    config: {
      Env: [`PATH=${IMAGE_PATH}`],
      Cmd: ['bash'],
      Labels: { 'org.opencontainers.image.ref.name': name, 'org.opencontainers.image.created': timeOf(epoch) },
    },
  });
  const pin: BasePin = {
    name: `base/${name}`,
    digest: image.index.digest,
    manifest: { ...image.manifest, platform },
    config: image.config,
    layers: [{ diff_id: layer.diff_id, descriptor: layer.descriptor }],
    listing: layer.listing,
    packages,
    created_at: timeOf(epoch),
  };
  return { pin, index: image.index };
}

function failure(message: string, cause?: unknown): BuildError {
  return new BuildError(message, { step: 'base image', cause_kind: 'BUILD_ERROR', cause });
}

/** Returns the platform of this machine. A machine builds images for its own architecture. */
export function hostPlatform(): Platform {
  return { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch };
}

/** Runs mmdebstrap and writes its tar as a layer. */
async function debianLayer(
  options: BaseImageOptions,
  epoch: number,
  onFile: (path: string, bytes: Buffer) => Promise<void>,
): Promise<BuiltLayer> {
  const host = sandboxHost(options.workspace, 'base image');
  const tool = findTool('mmdebstrap');
  if (tool === undefined) throw failure('mmdebstrap is missing: install the Debian package mmdebstrap.');
  const folder = ensureFolder(options.workspace, 'bases', randomUUID());
  const sources = join(folder, 'archive.sources');
  try {
    await writeFor(host, sources, options.sources);
    const settings = [...(await machineAptOptions()), ...(await credentialOptions(host, join(folder, 'auth.conf')))];
    const command = [
      tool,
      // In mode root, mmdebstrap creates no namespaces, because Larder creates them. They end with this process, and all
      // processes of the new system end with them.
      '--mode=root',
      '--variant=minbase',
      '--format=tar',
      '--verbose',
      `--include=${PACKAGES.join(',')}`,
      // dpkg need not sync files to the disk, because the whole new system is discarded after a crash.
      '--dpkgopt=force-unsafe-io',
      ...settings.map((option) => `--aptopt=${option}`),
      options.suite,
      '-',
      sources,
    ];
    return await run(host, command, { ...options, folder, epoch, onFile });
  } finally {
    await removeFolder(host, folder);
  }
}

/** Writes a file that only the account of the sandboxes can read. Addresses in it may contain passwords. */
async function writeFor({ user }: SandboxHost, path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  if (user !== undefined) await chown(path, user.uid, user.gid);
}

async function credentialOptions(host: SandboxHost, path: string): Promise<string[]> {
  const credentials = await machineCredentials();
  if (credentials === undefined) return [];
  await writeFor(host, path, credentials);
  return [`Dir::Etc::netrc "${path}";`];
}

/**
 * Shell code that builds the new system in memory if a tmpfs can be mounted. A build on a disk takes 50 % longer, and the
 * files are read only once and then discarded.
 */
const IN_MEMORY = 'mkdir "$1/work" && mount -t tmpfs -o size=4g,mode=0755 larder "$1/work" && shift && exec "$@"';

type MmdebstrapRun = BaseImageOptions & {
  folder: string;
  epoch: number;
  onFile: (path: string, bytes: Buffer) => Promise<void>;
};

async function run(host: SandboxHost, command: string[], options: MmdebstrapRun): Promise<BuiltLayer> {
  options.signal?.throwIfAborted();
  const { folder, epoch } = options;
  const variables = {
    PATH: STANDARD_PATH,
    TMPDIR: join(folder, 'work'),
    HOME: join(folder, 'work'),
    LC_ALL: 'C.UTF-8',
    SOURCE_DATE_EPOCH: String(epoch),
  };
  const inside = [host.tools.sh, '-c', IN_MEMORY, 'in-memory', folder, ...command];
  const [program = '', ...args] = withProxies(variables, asOwner(host, inNewNamespace(host, inside)));
  const child = spawn(program, args, {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.signal === undefined ? {} : { signal: options.signal, killSignal: 'SIGKILL' as const }),
  });
  endWithGroup(child);
  const ended = endOf(child);
  ended.catch(() => undefined);
  const log = openBuildLog(options.log);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-16_384);
    log.write(chunk);
  });
  try {
    const layer = await layerFromTree(options.workspace.content, readTar(child.stdout), {
      epoch: options.epoch,
      step: 'base image',
      privateKeys: true,
      remove: MACHINE_TRACES,
      // Keeps folders such as /run/lock and /tmp, because they are part of Debian.
      keep: ({ type, path }) => type === 'folder' && !path.startsWith('dev/') && !path.startsWith('tmp/'),
      watch: { paths: KEPT_FILES, onFile: options.onFile },
    });
    const code = await ended;
    if (code === 0 && layer !== undefined) return layer;
    throw failure(
      `mmdebstrap ${code === undefined ? 'was ended by a signal' : `ended with code ${code}`}.\n${redacted(lastLines(said))}`,
    );
  } catch (error) {
    child.kill('SIGKILL');
    const code = await ended.catch(() => undefined);
    options.signal?.throwIfAborted();
    if (error instanceof BuildError || code === 0) throw error;
    throw failure(
      `mmdebstrap ${code === undefined ? 'was ended by a signal' : `ended with code ${code}`}.\n${redacted(lastLines(said))}`,
      error,
    );
  }
}

/** Removes credentials from addresses, because users of all organizations may read the message. */
function redacted(text: string): string {
  return text.replace(/\/\/[^/@\s]+@/g, '//');
}
