// A layer's entries as overlayfs wants them in a lower folder: whiteouts as devices 0:0, opaque folders as an attribute, parents complete.
import type { TarEntry, TarHeader, TarInput } from '../tar/entry.ts';
import type { ListingEntry, MergedListing } from '../tar/listing.ts';
import { ancestorsOf, baseName, parentOf } from '../tar/path.ts';
import { BuildError } from './build-error.ts';

export const WHITEOUT = '.wh.';
export const OPAQUE = '.wh..wh..opq';
/** The attribute of overlayfs mounted with `userxattr` (Documentation/filesystems/overlayfs.rst). */
export const OPAQUE_ATTRIBUTE = 'user.overlay.opaque';
export const CAPABILITY_ATTRIBUTE = 'security.capability';
/** A sandbox maps 0 to 65,535; what is beyond has no owner inside. */
const ID_MAX = 65_535;
/** As many links as Linux follows in one path (path_resolution(7)). */
const LINKS_MAX = 40;

export type LayerEntriesOptions = {
  /** Everything under this layer, asked for only when an entry's parents are not in the layer themselves. */
  below: () => Promise<MergedListing>;
};

/** Throws BuildError for owners that no sandbox has. Devices are left out: a sandbox has its own /dev. */
export async function* overlayEntries(
  entries: AsyncIterable<TarEntry>,
  { below }: LayerEntriesOptions,
): AsyncGenerator<TarInput, void> {
  const folders = new Map<string, TarHeader>();
  for await (const { header: written, body } of entries) {
    if (written.path === '' || written.type === 'character' || written.type === 'block') continue;
    const header = await placed(checked(written), { folders, below });
    for (const path of ancestorsOf(header.path)) {
      if (folders.has(path)) continue;
      const folder = folderHeader(path, (await below()).get(path));
      folders.set(path, folder);
      yield { header: folder };
    }
    const name = baseName(header.path);
    if (name === OPAQUE) {
      const path = parentOf(header.path);
      const folder = folders.get(path);
      // An opaque root would hide everything beneath; the marker is of no use there and no builder writes it.
      if (folder !== undefined)
        yield { header: { ...folder, xattrs: { ...folder.xattrs, [OPAQUE_ATTRIBUTE]: Buffer.from('y') } } };
    } else if (name.startsWith(WHITEOUT)) {
      if (!name.startsWith(`${WHITEOUT}${WHITEOUT}`)) yield { header: whiteout(header, name.slice(WHITEOUT.length)) };
    } else {
      if (header.type === 'folder') folders.set(header.path, header);
      else folders.delete(header.path);
      yield { header, body };
    }
  }
}

function checked(header: TarHeader): TarHeader {
  if (header.uid > ID_MAX || header.gid > ID_MAX) {
    throw new BuildError(
      `${header.path} belongs to user ${header.uid}, group ${header.gid}; ids above ${ID_MAX} cannot be had in a sandbox.`,
      { step: 'root file system', cause_kind: 'BUILD_ERROR' },
    );
  }
  const { xattrs: written, ...rest } = header;
  const capability = written?.[CAPABILITY_ATTRIBUTE];
  // Attributes of overlayfs itself in a foreign layer would steer our mount.
  return capability === undefined ? rest : { ...rest, xattrs: { [CAPABILITY_ATTRIBUTE]: capability } };
}

/** A name under a link of a lower layer means the folder behind the link, as other engines lay layers down. */
async function placed(
  header: TarHeader,
  { folders, below }: { folders: Map<string, TarHeader>; below: () => Promise<MergedListing> },
): Promise<TarHeader> {
  if (ancestorsOf(header.path).every((path) => folders.has(path))) return header;
  const parent = followLinks(parentOf(header.path), { folders, listing: await below() });
  return { ...header, path: parent === '' ? baseName(header.path) : `${parent}/${baseName(header.path)}` };
}

function followLinks(
  path: string,
  { folders, listing }: { folders: Map<string, TarHeader>; listing: MergedListing },
): string {
  let links = 0;
  let done: string[] = [];
  const left = path.split('/').filter(Boolean);
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    if (part === '.') continue;
    if (part === '..') {
      done.pop();
      continue;
    }
    const here = [...done, part].join('/');
    const found = folders.has(here) ? undefined : listing.get(here);
    if (found?.type !== 'symlink' || found.target === undefined || ++links > LINKS_MAX) {
      done.push(part);
      continue;
    }
    if (found.target.startsWith('/')) done = [];
    left.unshift(...found.target.split('/').filter(Boolean));
  }
  return done.join('/');
}

function folderHeader(path: string, known: ListingEntry | undefined): TarHeader {
  const { mode, uid, gid } = known?.type === 'folder' ? known : { mode: 0o755, uid: 0, gid: 0 };
  return { path, type: 'folder', mode, uid, gid, size: 0, mtime: 0 };
}

function whiteout({ path }: TarHeader, name: string): TarHeader {
  const parent = parentOf(path);
  return {
    path: parent === '' ? name : `${parent}/${name}`,
    type: 'character',
    mode: 0,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: 0,
    major: 0,
    minor: 0,
  };
}
