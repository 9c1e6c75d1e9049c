// Converts the changes of a sandbox to a layer (OCI image-spec, layer.md). Marks of overlayfs become OCI whiteouts, times
// after the epoch become the epoch, and leftovers of package installation are omitted.
import type { ContentStore } from '../../content/content.ts';
import { type BuiltLayer, writeLayer } from '../../oci/layer.ts';
import { IMAGE_LIMITS } from '../../oci/layer-limits.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { DEFAULT_LIMITS } from '../../sandbox/sandbox-command.ts';
import { type ArchiveLimits, ArchiveMeter } from '../../tar/archive-meter.ts';
import type { TarEntry, TarHeader, TarInput } from '../../tar/entry.ts';
import { TABLE_ENTRY_COUNT_MAX, TABLE_NAMES_BYTES_MAX } from '../../tar/entry-table.ts';
import { TarError } from '../../tar/errors.ts';
import { printable } from '../../tar/header.ts';
import type { MergedListing } from '../../tar/listing-entry.ts';
import { baseName, parentOf } from '../../tar/path.ts';
import { PathSet } from '../../tar/path-index.ts';
import { readTar } from '../../tar/read.ts';
import { OPAQUE, WHITEOUT } from '../../tar/whiteout.ts';
import { checkImageFile } from './image-file-limits.ts';
import { CAPABILITY_ATTRIBUTE, OPAQUE_ATTRIBUTE } from './layer-entries.ts';
import { type LeftoverRules, withoutLeftovers } from './leftovers.ts';
import { pathMatcher } from './path-pattern.ts';

/**
 * The limits of one captured layer. A file counts with the size in its header, because a sparse file takes little space on
 * the sandbox's disk.
 */
const CAPTURE_LIMITS: ArchiveLimits = {
  entryCountMax: TABLE_ENTRY_COUNT_MAX,
  folderCountMax: IMAGE_LIMITS.folderCountMax,
  namesBytesMax: TABLE_NAMES_BYTES_MAX,
  contentBytesMax: DEFAULT_LIMITS.changeBytes,
};

export type CaptureOptions = LeftoverRules & {
  /** The latest time of an entry, in seconds since 1970. A later time becomes this time. */
  epoch: number;
  /** The step that an error names if the changes cannot be stored as a layer. */
  step: string;
  /**
   * The files of the lower layers. overlayfs marks every new folder as opaque. With this listing, the mark is kept only if it
   * hides a folder.
   */
  below?: MergedListing;
  /**
   * `onFile` gets the bytes of the files at these paths while they are read. Each file has a size limit
   * (image-file-limits.ts).
   */
  watch?: { paths: readonly string[]; onFile: (path: string, bytes: Buffer) => Promise<void> | void };
};

/**
 * Stores the changes of a sandbox as a layer. The same changes give the same diffID. Returns undefined if nothing changed.
 * Throws BuildError for a file name that would mean a whiteout in a layer, for a hard link to an omitted file, and if the
 * layer exceeds a limit.
 */
export async function captureLayer(
  content: ContentStore,
  sandbox: Pick<Sandbox, 'capture'>,
  options: CaptureOptions,
): Promise<BuiltLayer | undefined> {
  return await layerFromTree(content, readTar(sandbox.capture()), options);
}

/** Like `captureLayer`, but for a tar of a whole file system. */
export async function layerFromTree(
  content: ContentStore,
  tree: AsyncIterable<TarEntry>,
  options: CaptureOptions,
): Promise<BuiltLayer | undefined> {
  let changes = 0;
  const entries = watched(
    whole(withoutLeftovers(layerEntries(measured(tree, options), options), options), options),
    options,
  );
  const counted = async function* (): AsyncGenerator<TarInput, void> {
    for await (const entry of entries) {
      if (!isSameFolder(entry.header, options.below)) changes++;
      yield entry;
    }
  };
  const layer = await writeLayer(content, counted());
  return changes === 0 ? undefined : layer;
}

/** Whether a folder is the same in the lower layers. overlayfs also copies the unchanged folders above a changed file. */
function isSameFolder({ path, type, mode, uid, gid }: TarHeader, below: MergedListing | undefined): boolean {
  if (type !== 'folder') return false;
  const before = below?.get(path);
  return before?.type === type && before.mode === mode && before.uid === uid && before.gid === gid;
}

/**
 * Yields the entries. Throws at a header that exceeds a limit, before the bytes of the entry are read. Also throws at a
 * header that no layer can contain, for example because its time is out of range.
 */
async function* measured(tree: AsyncIterable<TarEntry>, { step }: CaptureOptions): AsyncGenerator<TarEntry, void> {
  const meter = new ArchiveMeter(CAPTURE_LIMITS);
  try {
    for await (const entry of tree) {
      meter.add(entry.header);
      yield entry;
    }
  } catch (error) {
    // The archive ended early, because the program that writes it failed. The caller reports this failure.
    if (!(error instanceof TarError) || error.code === 'TRUNCATED' || error.code === 'NOT_TAR') throw error;
    throw rejection(`The changes cannot be stored as a layer: ${error.message}.`, step);
  }
}

function rejection(message: string, step: string): BuildError {
  return new BuildError(message, { step, cause_kind: 'BUILD_ERROR' });
}

async function* layerEntries(
  tree: AsyncIterable<TarEntry>,
  { epoch, step, below }: CaptureOptions,
): AsyncGenerator<TarInput, void> {
  for await (const { header: found, body } of tree) {
    // The root folder is omitted. Every engine creates it, and its name in the layer would have to be `./`.
    if (found.path === '') continue;
    const { xattrs, ...rest } = found;
    const header: TarHeader = { ...rest, mtime: Math.min(found.mtime, epoch) };
    if (found.path.split('/').some((name) => name.startsWith(WHITEOUT))) {
      const name = printable(found.path);
      throw rejection(
        `${name}: names that begin with ${WHITEOUT} are not allowed: they mark removed files in an image.`,
        step,
      );
    }
    if (isWhiteout(found)) {
      yield marker(header, `${WHITEOUT}${baseName(found.path)}`, parentOf(found.path));
      continue;
    }
    // Omits devices. A sandbox cannot create devices, but the tar of a base image may contain the devices of /dev, which do
    // not belong in an image.
    if (found.type === 'character' || found.type === 'block') continue;
    const capability = xattrs?.[CAPABILITY_ATTRIBUTE];
    yield {
      header: capability === undefined ? header : { ...header, xattrs: { [CAPABILITY_ATTRIBUTE]: capability } },
      body,
    };
    // overlayfs marks every new folder as opaque, but the mark is needed only if it hides a folder of a lower layer.
    const isOpaque = xattrs?.[OPAQUE_ATTRIBUTE]?.toString('latin1') === 'y';
    const hides = isOpaque && (below === undefined || below.get(found.path)?.type === 'folder');
    if (hides) yield marker(header, OPAQUE, found.path);
  }
}

function isWhiteout({ type, major, minor }: TarHeader): boolean {
  return type === 'character' && major === 0 && minor === 0;
}

function marker({ mtime }: TarHeader, name: string, folder: string): TarInput {
  const path = folder === '' ? name : `${folder}/${name}`;
  return { header: { path, type: 'file', mode: 0o644, uid: 0, gid: 0, size: 0, mtime } };
}

/** Yields the entries. Throws for a hard link to an omitted file. */
async function* whole(entries: AsyncIterable<TarInput>, { step }: CaptureOptions): AsyncGenerator<TarInput, void> {
  const files = new PathSet();
  for await (const entry of entries) {
    const { path, type, target } = entry.header;
    if (type === 'file') files.add(path);
    if (type === 'hardlink' && !files.has(target ?? '')) {
      const [name, other] = [printable(path), printable(target ?? '')];
      throw rejection(`${name} is a hard link to ${other}, which is left out of images.`, step);
    }
    yield entry;
  }
}

async function* watched(
  entries: AsyncIterable<TarInput>,
  { watch, step }: CaptureOptions,
): AsyncGenerator<TarInput, void> {
  const wanted = pathMatcher(watch?.paths ?? []);
  for await (const entry of entries) {
    if (watch === undefined || entry.header.type !== 'file' || !wanted(entry.header.path)) {
      yield entry;
      continue;
    }
    checkImageFile(entry.header, step);
    const parts: Buffer[] = [];
    for await (const part of entry.body ?? []) parts.push(Buffer.from(part));
    const bytes = Buffer.concat(parts);
    await watch.onFile(entry.header.path, bytes);
    yield { header: entry.header, body: [bytes] };
  }
}
