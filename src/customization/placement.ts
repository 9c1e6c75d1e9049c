// Computes where each file of a customization is placed in an image: follows the links of the image, and returns the entries in the order
// of the layer.
import { createHash } from 'node:crypto';
import type { Digest } from '../contract/vocabulary.ts';
import type { ListingEntry, MergedListing } from '../tar/listing-entry.ts';
import { ancestorsOf, baseName, parentOf } from '../tar/path.ts';
import { BUNDLE } from './contents.ts';
import type { DeclaredFile } from './declared-files.ts';
import type { OwnerName } from './declared-owners.ts';
import { CustomizationError } from './errors.ts';
import { walkPath } from './image-paths.ts';
import { type Inspection, ROOTFS } from './inspection.ts';

/** The files that Larder composes from the image's own version and the customization's additions. */
export const COMPOSED = { bundle: BUNDLE, passwd: 'etc/passwd', group: 'etc/group' } as const;
export type Composed = keyof typeof COMPOSED;

type Origin =
  /** A file of the archive with its bytes, or a link or folder of the archive. */
  | { from: 'archive'; path: string }
  | { from: 'text'; text: string }
  | { from: 'composed'; what: Composed }
  /** A folder above another entry, which the image has or which is new. */
  | { from: 'way' };

export type Placed = {
  /** The path in the image, without a leading `/`. No component of it is a link. */
  path: string;
  type: 'file' | 'folder' | 'symlink' | 'hardlink';
  mode: number;
  user: OwnerName;
  group: OwnerName;
  /** The file's size in bytes; only for files of the archive. */
  size: number;
  digest?: Digest;
  target?: string;
  origin: Origin;
};

const FOLDER_MODE = 0o755;
const FILE_MODE = 0o644;
const LINK_MODE = 0o777;
/** The bits of an archive's mode that are kept. setuid, setgid and sticky are kept only if they are declared. */
const PLAIN_BITS = 0o777;

/**
 * Returns the entries of the customization's files layer on this image, parents first. Throws CustomizationError if they conflict
 * with the image.
 */
export function placeCustomization(inspection: Inspection, below: MergedListing): Placed[] {
  const placement = new Placement(inspection, below);
  for (const entry of inspection.listing) if (entry.path.startsWith(ROOTFS)) placement.placeEntry(entry);
  for (const file of inspection.declaration.files)
    if (file.content !== undefined) placement.placeText(file.path, file.content);
  placement.placeCertificates();
  if (inspection.declaration.users.length > 0) {
    placement.placeComposed('passwd');
    placement.placeComposed('group');
  }
  return placement.placed;
}

class Placement {
  readonly placed: Placed[] = [];
  readonly #byPath = new Map<string, Placed>();
  /** The path in the image of each file, by its path in the archive: hard links of the archive name their file by the latter. */
  readonly #byName = new Map<string, string>();
  readonly #declared: Map<string, DeclaredFile>;
  /** Certificates that are written in normal form instead of the file's bytes, by the path of the file. */
  readonly #rewritten: Map<string, string>;
  readonly #inspection: Inspection;
  readonly #below: MergedListing;

  constructor(inspection: Inspection, below: MergedListing) {
    this.#inspection = inspection;
    this.#below = below;
    this.#rewritten = new Map(inspection.certificates.flatMap((one) => (one.rewritten ? [[one.file, one.pem]] : [])));
    this.#declared = new Map(inspection.declaration.files.map((file) => [file.path, file]));
  }

  placeEntry(entry: ListingEntry): void {
    const lexical = entry.path.slice(ROOTFS.length);
    const origin: Origin = { from: 'archive', path: entry.path };
    if (entry.type === 'folder') this.#placeFolder(lexical, { mode: entry.mode & PLAIN_BITS, origin });
    else if (entry.type === 'symlink')
      this.#place(lexical, { type: 'symlink', mode: LINK_MODE, target: entry.target ?? '', origin });
    else if (entry.type === 'hardlink') this.#placeHardLink(lexical, { name: entry.target ?? '', origin });
    else if (this.#rewritten.has(lexical)) {
      const mode = entry.mode & PLAIN_BITS;
      this.#byName.set(entry.path, this.placeText(lexical, this.#rewritten.get(lexical) ?? '', mode));
    } else {
      const size = { size: entry.size, ...(entry.digest === undefined ? {} : { digest: entry.digest }) };
      this.#byName.set(
        entry.path,
        this.#place(lexical, { type: 'file', mode: entry.mode & PLAIN_BITS, ...size, origin }),
      );
    }
  }

  placeText(path: string, text: string, mode = FILE_MODE): string {
    const digest: Digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
    return this.#place(path, {
      type: 'file',
      mode,
      size: Buffer.byteLength(text),
      digest,
      origin: { from: 'text', text },
    });
  }

  /** Adds the results of update-ca-certificates: the files, one link each by name and by subject, and the bundle. */
  placeCertificates(): void {
    const { certificates } = this.#inspection;
    for (const { file, in_rootfs: inRootfs, pem } of certificates) if (!inRootfs) this.placeText(file, pem);
    for (const { name, file, subject_hash: hash } of certificates) {
      this.#placeLink(`etc/ssl/certs/${name}.pem`, `/${file}`);
      this.#placeLink(this.#freeHashName(hash, `${name}.pem`), `${name}.pem`);
    }
    if (certificates.length > 0) this.placeComposed('bundle');
  }

  placeComposed(what: Composed): void {
    const path = walkPath(COMPOSED[what], { lookup: (at) => this.#lookup(at), last: 'follow' });
    const existing = this.#below.get(path);
    const { mode, uid, gid } = existing ?? { mode: FILE_MODE, uid: 0, gid: 0 };
    this.#placeWay(parentOf(path));
    this.#add({ path, type: 'file', mode, user: uid, group: gid, size: 0, origin: { from: 'composed', what } });
  }

  #placeLink(path: string, target: string): void {
    this.#place(path, { type: 'symlink', mode: LINK_MODE, target, origin: { from: 'way' } });
  }

  /**
   * Returns the path HASH.NUMBER for a link by subject hash: the first number for which the image has no such link, or has one with this
   * target.
   */
  #freeHashName(hash: string, target: string): string {
    const folder = walkPath('etc/ssl/certs', { lookup: (at) => this.#lookup(at), last: 'follow' });
    for (let number = 0; ; number++) {
      const path = `${folder}/${hash}.${number}`;
      const existing = this.#byPath.get(path) ?? this.#below.get(path);
      if (existing === undefined || (!this.#byPath.has(path) && baseName(existing.target ?? '') === target))
        return path;
    }
  }

  #placeHardLink(lexical: string, { name, origin }: { name: string; origin: Origin }): void {
    const target = this.#byName.get(name);
    if (target === undefined)
      throw new CustomizationError(
        'ARCHIVE_CHANGED',
        `/${lexical} links to ${name}, which is not a file of the archive`,
        lexical,
      );
    const file = this.#byPath.get(target);
    // A hard link has the mode and owner of its file.
    const shared = { mode: file?.mode ?? FILE_MODE, user: file?.user ?? 0, group: file?.group ?? 0 };
    this.#place(lexical, { type: 'hardlink', target, ...shared, origin });
  }

  #placeFolder(lexical: string, { mode, origin }: { mode: number; origin: Origin }): void {
    const path = walkPath(lexical, { lookup: (at) => this.#lookup(at), last: 'follow' });
    const existing = this.#lookup(path);
    if (existing !== undefined && existing.type !== 'folder') {
      throw new CustomizationError(
        'NOT_A_FOLDER',
        `/${lexical} is a folder in the archive but not in this image`,
        lexical,
      );
    }
    this.#placeWay(parentOf(path));
    const declared = this.#declared.get(lexical);
    const placed = this.#byPath.get(path) ?? this.#wayTo(path, mode, origin);
    // Two folders of the archive may be one in the image (`lib` and `usr/lib`): the declarations of both apply.
    if (declared !== undefined) Object.assign(placed, overrides(declared));
    if (!this.#byPath.has(path)) this.#add(placed);
  }

  /**
   * Adds the folders above an entry. A folder that the image has keeps its mode and owner; the layer repeats its entry, because some
   * engines would otherwise create it with another mode.
   */
  #wayTo(path: string, mode: number, origin: Origin): Placed {
    const existing = this.#below.get(path);
    if (existing === undefined) return { path, type: 'folder', mode, user: 0, group: 0, size: 0, origin };
    return {
      path,
      type: 'folder',
      mode: existing.mode,
      user: existing.uid,
      group: existing.gid,
      size: 0,
      origin: { from: 'way' },
    };
  }

  #placeWay(folder: string): void {
    for (const path of folder === '' ? [] : [...ancestorsOf(folder), folder]) {
      if (!this.#byPath.has(path)) this.#add(this.#wayTo(path, FOLDER_MODE, { from: 'way' }));
    }
  }

  /** Places an entry that is not a folder: follows the links on the way, and returns the path at which the entry is placed. */
  #place(lexical: string, thing: Partial<Placed> & Pick<Placed, 'type' | 'mode' | 'origin'>): string {
    const path = walkPath(lexical, { lookup: (at) => this.#lookup(at), last: 'keep' });
    if (this.#lookup(path)?.type === 'folder') {
      throw new CustomizationError(
        'IN_THE_WAY',
        `/${lexical} is a folder in this image, and would be replaced together with its contents`,
        lexical,
      );
    }
    const behind = thing.type === 'symlink' ? undefined : this.#folderBehind(path);
    if (behind !== undefined) {
      throw new CustomizationError(
        'IN_THE_WAY',
        `/${lexical} leads to the folder /${behind} in this image, and the contents of that folder would disappear from it`,
        lexical,
      );
    }
    if (this.#byPath.has(path)) {
      throw new CustomizationError(
        'TWICE',
        `/${lexical} is in the customization twice, because links of this image point both to /${path}`,
        lexical,
      );
    }
    this.#placeWay(parentOf(path));
    const declared = this.#declared.get(lexical);
    this.#add({ user: 0, group: 0, size: 0, ...thing, ...(declared === undefined ? {} : overrides(declared)), path });
    return path;
  }

  /**
   * Returns the folder to which the image's link at this path points, if any. A file in place of the link would hide that
   * folder from programs that use the link, such as /lib for usr/lib.
   */
  #folderBehind(path: string): string | undefined {
    if (this.#lookup(path)?.type !== 'symlink' || this.#byPath.has(path)) return undefined;
    try {
      const behind = walkPath(path, { lookup: (at) => this.#lookup(at), last: 'follow' });
      return this.#lookup(behind)?.type === 'folder' ? behind : undefined;
    } catch (error) {
      // No error: a customization is allowed to replace a link that loops, or that leads to a folder that the runtime mounts (/proc).
      if (error instanceof CustomizationError) return undefined;
      throw error;
    }
  }

  #add(placed: Placed): void {
    this.placed.push(placed);
    this.#byPath.set(placed.path, placed);
  }

  #lookup(path: string): Pick<ListingEntry, 'type' | 'target'> | undefined {
    return this.#byPath.get(path) ?? this.#below.get(path);
  }
}

function overrides({ user, group, mode }: DeclaredFile): Partial<Placed> {
  return {
    ...(user === undefined ? {} : { user }),
    ...(group === undefined ? {} : { group }),
    ...(mode === undefined ? {} : { mode }),
  };
}
