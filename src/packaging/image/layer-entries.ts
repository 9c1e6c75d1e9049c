// Converts a layer's entries for a lower folder of overlayfs. Whiteouts become devices 0:0, opaque folders get an attribute,
// and missing parent folders are added.
import { IMAGE_LIMITS } from '../../oci/layer-limits.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import { ArchiveMeter } from '../../tar/archive-meter.ts';
import type { TarEntry, TarHeader, TarInput } from '../../tar/entry.ts';
import { printable } from '../../tar/header.ts';
import type { ListingEntry, MergedListing } from '../../tar/listing-entry.ts';
import { baseName, parentOf } from '../../tar/path.ts';
import { PathSet } from '../../tar/path-index.ts';
import { parseWhiteout } from '../../tar/whiteout.ts';
import { imageFault } from '../image-fault.ts';
import { LayerLinks } from './layer-links.ts';

/** The name of the opaque attribute if overlayfs is mounted with `userxattr` (Documentation/filesystems/overlayfs.rst). */
export const OPAQUE_ATTRIBUTE = 'user.overlay.opaque';
export const CAPABILITY_ATTRIBUTE = 'security.capability';
/** The highest id in a sandbox, because a sandbox maps the ids 0 to 65,535. */
const ID_MAX = 65_535;
/**
 * The largest security.capability attribute, in bytes. Its longest format has 24 bytes (capabilities(7), "File capability
 * extended attribute versioning").
 */
const CAPABILITY_BYTES_MAX = 64;
/**
 * The latest time that is extracted. It is in the year 2242 and is the latest time of a plain tar header. A layer may contain
 * later times, which file systems do not support.
 */
const TIME_MAX = 0o77777777777;

export type LayerEntriesOptions = {
  /** Returns the listing of all lower layers. Called only if the layer has an entry without its parent folders. */
  below: () => Promise<MergedListing>;
  /** Returns the bytes of a file in the lower layers. */
  fileBelow: (path: string) => AsyncIterable<Uint8Array>;
};

/**
 * Yields the converted entries. Omits devices, because a sandbox has its own /dev. Throws BuildError for a layer that cannot
 * be extracted, because its archive is broken or exceeds a limit, or because of an id above ID_MAX or a loop of links.
 */
export async function* overlayEntries(
  entries: AsyncIterable<TarEntry>,
  options: LayerEntriesOptions,
): AsyncGenerator<TarInput, void> {
  try {
    yield* laidOut(entries, options);
  } catch (error) {
    const reason = imageFault(error);
    throw reason === undefined ? error : failure(`The image cannot be extracted: ${reason}.`, error);
  }
}

async function* laidOut(
  entries: AsyncIterable<TarEntry>,
  { below, fileBelow }: LayerEntriesOptions,
): AsyncGenerator<TarInput, void> {
  const folders = new LayerFolders(below);
  const raised = new RaisedFiles({ below, fileBelow, folders });
  const meter = new ArchiveMeter(IMAGE_LIMITS);
  for await (const { header: written, body } of entries) {
    meter.add(written);
    if (written.path === '' || written.type === 'character' || written.type === 'block') continue;
    if (parseWhiteout(written.path)?.kind === 'record') continue;
    const header = await folders.placed(checked(written));
    for (const folder of await folders.missingAbove(header.path)) yield { header: folder };
    const whiteout = parseWhiteout(header.path);
    if (whiteout?.kind === 'opaque') {
      const folder = folders.get(whiteout.path);
      // An opaque marker of the root is ignored. No builder writes it, and it would hide all lower layers.
      if (folder !== undefined)
        yield { header: { ...folder, xattrs: { ...folder.xattrs, [OPAQUE_ATTRIBUTE]: Buffer.from('y') } } };
    } else if (whiteout?.kind === 'removed') {
      yield { header: removed(whiteout.path) };
    } else {
      const linked = await raised.ready(header);
      if (linked.above !== undefined) {
        for (const folder of await folders.missingAbove(linked.above.header.path)) yield { header: folder };
        yield linked.above;
      }
      folders.add(linked.header);
      raised.add(linked.header);
      yield { header: linked.header, body };
    }
  }
}

function failure(message: string, cause?: unknown): BuildError {
  return new BuildError(message, { step: 'root file system', cause_kind: 'BUILD_ERROR', cause });
}

/** The folders of a layer that were read so far, each with all folders above it. */
class LayerFolders {
  readonly #below: () => Promise<MergedListing>;
  readonly #folders = new Map<string, { header: TarHeader; isEmpty: boolean }>();
  readonly #links = new LayerLinks((path) => this.#folders.has(path));

  constructor(below: () => Promise<MergedListing>) {
    this.#below = below;
  }

  get(path: string): TarHeader | undefined {
    return this.#folders.get(path)?.header;
  }

  /**
   * Returns the header with another path. If lower layers have links in the folder part of the path, they are resolved, as in
   * other engines that extract layers.
   */
  async placed(header: TarHeader): Promise<TarHeader> {
    const written = parentOf(header.path);
    if (written === '' || this.#folders.has(written)) return header;
    const parent = this.#links.follow(written, await this.#below());
    return { ...header, path: parent === '' ? baseName(header.path) : `${parent}/${baseName(header.path)}` };
  }

  /**
   * Returns the folders above a path that the layer has not contained so far, the outermost first. They have the modes and
   * owners of the same folders in the lower layers. Adds them to the folders of the layer.
   */
  async missingAbove(path: string): Promise<TarHeader[]> {
    const missing: string[] = [];
    for (let at = parentOf(path); at !== '' && !this.#folders.has(at); at = parentOf(at)) missing.push(at);
    if (missing.length === 0) return [];
    const listing = await this.#below();
    return missing.toReversed().map((folder) => {
      const header = folderHeader(folder, listing.get(folder));
      this.add(header);
      return header;
    });
  }

  add(header: TarHeader): void {
    const { path, type } = header;
    const known = this.#folders.get(path);
    const parent = this.#folders.get(parentOf(path));
    if (parent !== undefined) parent.isEmpty = false;
    if (type === 'folder') {
      this.#folders.set(path, { header, isEmpty: known?.isEmpty ?? true });
    } else if (known !== undefined) {
      if (!known.isEmpty) throw failure(`/${printable(path)} is both a folder and another type in one layer.`);
      this.#folders.delete(path);
    }
    if (this.#folders.size > IMAGE_LIMITS.folderCountMax) {
      throw failure(`A layer has more than ${IMAGE_LIMITS.folderCountMax} folders.`);
    }
  }
}

/**
 * The most hard links to files of lower layers, because Larder reads the lower layers again for each. Build tools make such
 * links only for a few files.
 */
const RAISED_COUNT_MAX = 500;
const RAISED_BYTES_MAX = 4 * 1024 ** 3;
/** How many hard links in other layers are followed to find one file. */
const LINK_CHAIN_MAX = 40;

type Below = LayerEntriesOptions & { folders: LayerFolders };

/**
 * Copies files of lower layers to which a layer has hard links. overlayfs mounts each layer as a folder, and a hard link
 * cannot lead to another folder. So the file is copied into the layer's folder. overlayfs does the same when a program
 * creates a link.
 */
class RaisedFiles {
  readonly #below: Below;
  readonly #files = new PathSet();
  #count = 0;
  #bytes = 0;

  constructor(below: Below) {
    this.#below = below;
  }

  add({ path, type }: TarHeader): void {
    if (type !== 'folder') this.#files.add(path);
  }

  /**
   * Returns the header with the resolved target. If the target is in a lower layer, also returns the copy to create before
   * the link. Throws BuildError for a link to a missing file.
   */
  async ready(header: TarHeader): Promise<{ header: TarHeader; above?: TarInput }> {
    if (header.type !== 'hardlink' || header.target === undefined) return { header };
    const { folders } = this.#below;
    const { path: target } = await folders.placed({ ...header, path: header.target });
    const linked = { ...header, target };
    if (this.#files.has(target)) return { header: linked };
    const above = await this.#raise(linked, target);
    this.#files.add(target);
    return { header: linked, above };
  }

  async #raise(link: TarHeader, target: string): Promise<TarInput> {
    const { below, fileBelow } = this.#below;
    const found = linkedFile(await below(), target);
    if (found === undefined || found.type === 'folder')
      throw failure(`/${printable(link.path)} is a hard link to /${printable(target)}, which is not a file.`);
    this.#count += 1;
    this.#bytes += found.size;
    if (this.#count > RAISED_COUNT_MAX)
      throw failure(`A layer has hard links to more than ${RAISED_COUNT_MAX} files of the layers below.`);
    if (this.#bytes > RAISED_BYTES_MAX)
      throw failure(`A layer has hard links to more than ${RAISED_BYTES_MAX} bytes of the layers below.`);
    const { type, mode, uid, gid, size } = found;
    const header = { ...link, path: target, type, mode, uid, gid, size };
    delete header.target;
    if (found.type === 'symlink' && found.target !== undefined) header.target = found.target;
    return type === 'file' ? { header, body: fileBelow(found.path) } : { header };
  }
}

/** Returns the file at a path. If it is a hard link to another hard link, follows both to the file. */
function linkedFile(listing: MergedListing, path: string): ListingEntry | undefined {
  let found = listing.get(path);
  for (let count = 0; found?.type === 'hardlink' && count < LINK_CHAIN_MAX; count++) {
    found = listing.get(found.target ?? '');
  }
  return found?.type === 'hardlink' ? undefined : found;
}

function checked(header: TarHeader): TarHeader {
  const wrong = ownerFault(header);
  if (wrong !== undefined) throw failure(`${wrong}.`);
  const { xattrs: written, ...rest } = header;
  const known = { ...rest, mtime: Math.min(header.mtime, TIME_MAX) };
  const capability = written?.[CAPABILITY_ATTRIBUTE];
  // Keeps only file capabilities. Other attributes in an untrusted layer, such as the attributes of overlayfs, could affect
  // the mount.
  return capability === undefined || capability.length > CAPABILITY_BYTES_MAX
    ? known
    : { ...known, xattrs: { [CAPABILITY_ATTRIBUTE]: Buffer.from(capability) } };
}

/** Returns the fault of an entry with an id above ID_MAX, without a full stop. Returns undefined for other entries. */
export function ownerFault({ path, uid, gid }: TarHeader): string | undefined {
  if (uid <= ID_MAX && gid <= ID_MAX) return undefined;
  return `/${printable(path)} belongs to user ${uid}, group ${gid}, and ids above ${ID_MAX} do not exist in a sandbox`;
}

function folderHeader(path: string, known: ListingEntry | undefined): TarHeader {
  const { mode, uid, gid } = known?.type === 'folder' ? known : { mode: 0o755, uid: 0, gid: 0 };
  return { path, type: 'folder', mode, uid, gid, size: 0, mtime: 0 };
}

function removed(path: string): TarHeader {
  return { path, type: 'character', mode: 0, uid: 0, gid: 0, size: 0, mtime: 0, major: 0, minor: 0 };
}
