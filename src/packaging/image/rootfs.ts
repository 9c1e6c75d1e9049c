// Extracts layers to folders for overlayfs, inside a namespace. Caches the folders by chain id. A folder is complete or does
// not exist. If the folders become too large, the least recently used are removed.
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, lstatSync } from 'node:fs';
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FREE_SHARE_MIN } from '../../content/content.ts';
import { LAYER_READING } from '../../oci/layer-limits.ts';
import { uncompressed } from '../../oci/layer-listing.ts';
import type { LayerPin } from '../../plan/pin.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import { asOwner, CommandFailed, inNewNamespace, runCommand } from '../../sandbox/host-commands.ts';
import { endOrphans } from '../../sandbox/orphans.ts';
import { hostToolCommand } from '../../sandbox/sandbox-command.ts';
import type { SandboxHost } from '../../sandbox/sandbox-host.ts';
import { ensureFolder, sandboxHost, type Workspace } from '../../sandbox/workspace.ts';
import type { TarInput } from '../../tar/entry.ts';
import { readTar } from '../../tar/read.ts';
import { writeTar } from '../../tar/write.ts';
import { ChainListing } from './chain-listing.ts';
import { imageFileBytes } from './image-file.ts';
import { overlayEntries } from './layer-entries.ts';

/**
 * The most bytes of all extracted layers. This is enough for about forty base images and their products. Extracting a removed
 * folder again takes one or two seconds.
 */
const ROOTS_BYTES_MAX = 20 * 1024 ** 3;
/**
 * A folder that was used within this time is not removed, because a sandbox may have mounted it. No sandbox runs this long
 * (DEFAULT_LIMITS.wallClockMs allows a quarter of an hour per command).
 */
const IN_USE_MS = 6 * 60 * 60_000;

/** Bytes of disk space that each entry needs in addition to its content, because millions of empty files also fill a disk. */
const ENTRY_BYTES = 4096;
/** Free space is checked again after this many bytes, because a layer of a few MB may expand to very many GB. */
const SPACE_CHECK_EVERY_BYTES = 256 * 1024 ** 2;

export type RootOptions = {
  step: string;
  signal?: AbortSignal | undefined;
  /**
   * The listing of the image's lower layers. Given if the caller will extract more layers of this image. If absent, a new
   * listing is made.
   */
  chain?: ChainListing | undefined;
};

/**
 * Extracts these layers and returns their folders for `openSandbox`, the lowest first. Throws BuildError for a layer that
 * cannot be extracted, and ContentMissing.
 */
export async function prepareRoots(workspace: Workspace, layers: LayerPin[], options: RootOptions): Promise<string[]> {
  const host = sandboxHost(workspace, options.step);
  const roots = ensureFolder(workspace, rootsName(host));
  const listing = options.chain ?? new ChainListing(workspace.content);
  const folders: string[] = [];
  for (const [index, chain] of chainIds(layers).entries()) {
    const folder = join(roots, chain);
    if (!existsSync(folder)) {
      await workspace.exclusive(
        `root ${folder}`,
        async () => {
          if (!existsSync(folder)) await extractLayer({ workspace, host, folder, layers, index, listing, options });
        },
        options.signal,
      );
    }
    await utimes(folder, new Date(), new Date());
    folders.push(join(folder, 'root'));
  }
  return folders;
}

/**
 * Returns the name of the folder for extracted layers. It depends on the account. The files have the owners of the account's
 * namespace, so a service under another account must not use them.
 */
function rootsName({ namespace, user }: SandboxHost): string {
  return namespace ? `roots-${user?.uid ?? process.getuid?.() ?? 0}` : 'roots-root';
}

/**
 * Returns OCI chain ids (config.md, "Layer ChainID") as folder names. A chain id depends on the lower layers too. This is
 * necessary, because a layer's folder gets missing parent folders from the lower layers.
 */
function chainIds(layers: LayerPin[]): string[] {
  let chain = '';
  return layers.map(({ diff_id }) => {
    chain = chain === '' ? diff_id : `sha256:${createHash('sha256').update(`${chain} ${diff_id}`).digest('hex')}`;
    return chain.slice('sha256:'.length);
  });
}

type Extraction = {
  workspace: Workspace;
  host: SandboxHost;
  folder: string;
  layers: LayerPin[];
  index: number;
  listing: ChainListing;
  options: RootOptions;
};

/**
 * Extracts a layer to a temporary folder, and renames the folder when it is complete. If another process has extracted the
 * same layer, removes the temporary folder.
 */
async function extractLayer(work: Extraction): Promise<void> {
  const { workspace, host, folder, layers, index, options } = work;
  const layer = layers[index];
  if (layer === undefined) throw new RangeError(`There is no layer ${index}`);
  const roots = ensureFolder(workspace, rootsName(host));
  await freeSpace(workspace, options);
  const part = ensureFolder(workspace, rootsName(host), `.part-${randomUUID()}`);
  try {
    const target = ensureFolder(workspace, rootsName(host), part.slice(roots.length + 1), 'root');
    const size = await unpack(work, { layer, target });
    await writeFile(join(part, 'size'), String(size));
    await rename(part, folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof CommandFailed)) throw error;
    throw new BuildError(`The layer ${layer.diff_id} cannot be extracted: ${error.output}`, {
      step: options.step,
      cause_kind: 'BUILD_ERROR',
      cause: error,
    });
  } finally {
    if (existsSync(part)) await removeFolder(host, part);
  }
  await workspace.exclusive(`trim ${workspace.directory}`, () => trimRoots(workspace), options.signal);
}

async function unpack(work: Extraction, { layer, target }: { layer: LayerPin; target: string }): Promise<number> {
  const { workspace, host, layers, index, listing, options } = work;
  let size = 0;
  const counted = async function* (entries: AsyncIterable<TarInput>): AsyncGenerator<TarInput, void> {
    let checkedAt = Number.NEGATIVE_INFINITY;
    for await (const entry of entries) {
      size += ENTRY_BYTES + entry.header.size;
      if (size - checkedAt >= SPACE_CHECK_EVERY_BYTES) {
        await checkSpace(workspace);
        checkedAt = size;
      }
      yield entry;
    }
  };
  const stream = await workspace.content.open(layer.descriptor.digest);
  try {
    const entries = overlayEntries(readTar(await uncompressed(stream), LAYER_READING), {
      below: () => listing.below(layers, index),
      fileBelow: (path) => imageFileBytes(workspace.content, { layers: layers.slice(0, index), path }),
    });
    const extract = hostToolCommand(host, {
      writable: target,
      command: [
        host.tools.tar,
        '--extract',
        '--directory',
        '/mnt',
        '--numeric-owner',
        '--same-owner',
        '--preserve-permissions',
        // tar writes links unchanged. They do no harm, because tar runs in a sandbox that can write only to the target
        // folder.
        '--absolute-names',
        '--xattrs',
        '--xattrs-include=user.overlay.opaque',
        '--xattrs-include=security.capability',
      ],
    });
    await runCommand(asOwner(host, inNewNamespace(host, extract)), {
      stdin: writeTar(counted(entries)),
      signal: options.signal,
    });
  } finally {
    stream.destroy();
  }
  return size;
}

/**
 * The longest time for which a build keeps a sandbox open. In this time, its packages and three scripts can all run up to
 * their limits.
 */
const LONGEST_USE_MS = 90 * 60_000;

/**
 * If the disk is nearly full, removes all folders that no sandbox can have mounted any more. This applies even if the folders
 * are within ROOTS_BYTES_MAX.
 */
async function freeSpace(workspace: Workspace, { signal }: RootOptions): Promise<void> {
  const share = await workspace.content.freeShare();
  if (share === undefined || share >= 2 * FREE_SHARE_MIN) return;
  const trim = () => trimRoots(workspace, { bytesMax: 0, inUseMs: LONGEST_USE_MS });
  await workspace.exclusive(`trim ${workspace.directory}`, trim, signal);
}

/** Throws ENOSPC if the disk is nearly full, so that the job waits. The database is on the same disk and needs space too. */
async function checkSpace({ content }: Workspace): Promise<void> {
  const share = await content.freeShare();
  if (share !== undefined && share < FREE_SHARE_MIN)
    throw Object.assign(new Error('Less than 5 % of the disk is free: no layer is extracted until more is free.'), {
      code: 'ENOSPC',
    });
}

/**
 * Removes a folder. Files with subordinate ids are removed in a namespace that has these ids. Then this process removes the
 * rest, which are files of root that the account of the sandboxes cannot remove. Links are not followed. Throws if a file
 * remains.
 */
export async function removeFolder(host: SandboxHost, folder: string): Promise<void> {
  const inNamespace = await runCommand(
    asOwner(host, inNewNamespace(host, [host.tools.rm, '-rf', '--one-file-system', folder])),
  ).catch((error: Error) => error);
  try {
    await rm(folder, { recursive: true, force: true });
  } catch (error) {
    throw inNamespace ?? error;
  }
}

/** Folders with temporary files of builds. If a worker is killed, its files stay there. */
const WORK_FOLDERS = ['sandboxes', 'bases', 'given'];

type CachedRoot = { path: string; usedAt: number; size: number };

/**
 * Removes the least recently used folders until the rest is within the limit. Also removes files of builds that were killed.
 */
export async function trimRoots(
  workspace: Workspace,
  { bytesMax = ROOTS_BYTES_MAX, inUseMs = IN_USE_MS }: { bytesMax?: number; inUseMs?: number } = {},
): Promise<void> {
  const host = sandboxHost(workspace, 'root file system');
  endOrphans(workspace.directory);
  const before = Date.now() - inUseMs;
  const roots = ensureFolder(workspace, rootsName(host));
  const cached: CachedRoot[] = [];
  for (const name of await readdir(roots)) {
    const path = join(roots, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) continue;
    if (!name.startsWith('.')) cached.push({ path, usedAt: found.mtimeMs, size: await sizeOf(path) });
    else if (found.mtimeMs < before) await removeFolder(host, path);
  }
  await dropOldest(host, cached, { bytesMax, before });
  for (const kind of WORK_FOLDERS) {
    for (const name of await readdir(ensureFolder(workspace, kind))) {
      const path = join(workspace.directory, kind, name);
      if ((lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? before) < before) await removeFolder(host, path);
    }
  }
}

async function dropOldest(
  host: SandboxHost,
  cached: CachedRoot[],
  { bytesMax, before }: { bytesMax: number; before: number },
): Promise<void> {
  let total = cached.reduce((sum, { size }) => sum + size, 0);
  for (const { path, usedAt, size } of cached.toSorted((a, b) => a.usedAt - b.usedAt)) {
    if (total <= bytesMax || usedAt >= before) return;
    // Renames the folder before it is removed. Otherwise a build could use a partly removed folder.
    const gone = join(path, '..', `.gone-${randomUUID()}`);
    await rename(path, gone);
    await removeFolder(host, gone);
    total -= size;
  }
}

async function sizeOf(path: string): Promise<number> {
  return Number(await readFile(join(path, 'size'), 'utf8').catch(() => '0'));
}
