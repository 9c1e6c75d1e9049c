// What is in an archive or a layer, one entry a path: previews, diffs and overlays compare these and unpack nothing.
import type { Digest } from '../contract/vocabulary.ts';
import { ancestorsOf, baseName, parentOf } from './path.ts';

export type EntryType = 'file' | 'folder' | 'symlink' | 'hardlink' | 'character' | 'block' | 'fifo';

/** Paths have no leading `/` or `./` and no trailing `/`; the root itself is ''. */
export type ListingEntry = {
  path: string;
  type: EntryType;
  /** Permission bits with setuid, setgid and sticky: 0o0000 to 0o7777. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of a file, 0 otherwise. */
  size: number;
  /** Of a file's bytes. */
  digest?: Digest;
  /** Of a symbolic link as written; of a hard link the path it shares. */
  target?: string;
};

/** In the order of the archive. Stored as JSON lines, one entry a line. */
export type Listing = ListingEntry[];

/** Everything an image holds, by path: its layers' listings laid over one another. */
export type MergedListing = ReadonlyMap<string, ListingEntry>;

// Lines are gathered so that a store or a hash is not called for each of some ten thousand.
const LINES_AT_ONCE = 500;

/** JSON lines with the fields in one order, so that equal listings have equal digests. */
export async function* writeListing(
  entries: AsyncIterable<ListingEntry> | Iterable<ListingEntry>,
): AsyncGenerator<Buffer, void> {
  let lines: string[] = [];
  for await (const { path, type, mode, uid, gid, size, digest, target } of entries) {
    lines.push(`${JSON.stringify({ path, type, mode, uid, gid, size, digest, target })}\n`);
    if (lines.length < LINES_AT_ONCE) continue;
    yield Buffer.from(lines.join(''));
    lines = [];
  }
  if (lines.length > 0) yield Buffer.from(lines.join(''));
}

/** Reads what `writeListing` wrote. */
export async function* readListing(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ListingEntry, void> {
  let rest = Buffer.alloc(0);
  for await (const chunk of bytes) {
    const text = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    const end = text.lastIndexOf(0x0a) + 1;
    for (const line of text.toString('utf8', 0, end).split('\n')) {
      if (line !== '') yield JSON.parse(line) as ListingEntry;
    }
    rest = text.subarray(end);
  }
  if (rest.length > 0) throw new Error('the listing ends in the middle of a line');
}

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/**
 * Lays a layer's listing over what is below it (OCI image-spec, layer.md, "Applying Changesets" and "Whiteouts"): whiteouts hide what
 * lower layers hold, wherever in the layer they stand; what is no folder replaces a whole folder; a folder over a folder keeps its content.
 */
export async function applyListing(
  below: MergedListing,
  layer: AsyncIterable<ListingEntry> | Iterable<ListingEntry>,
): Promise<Map<string, ListingEntry>> {
  const added: ListingEntry[] = [];
  const gone = new Set<string>();
  const emptied = new Set<string>();
  for await (const entry of layer) {
    const name = baseName(entry.path);
    const folder = parentOf(entry.path);
    if (name === OPAQUE) emptied.add(folder);
    // Other names that begin so are aufs' own records and are no files of the image.
    else if (name.startsWith(`${WHITEOUT}${WHITEOUT}`)) continue;
    else if (name.startsWith(WHITEOUT)) gone.add(`${folder === '' ? '' : `${folder}/`}${name.slice(WHITEOUT.length)}`);
    else {
      added.push(entry);
      if (entry.type !== 'folder') emptied.add(entry.path);
    }
  }
  const merged = withoutHidden(below, { gone, emptied });
  for (const entry of added) merged.set(entry.path, entry);
  return merged;
}

function withoutHidden(
  below: MergedListing,
  { gone, emptied }: { gone: Set<string>; emptied: Set<string> },
): Map<string, ListingEntry> {
  if (gone.size === 0 && emptied.size === 0) return new Map(below);
  const kept = new Map<string, ListingEntry>();
  for (const [path, entry] of below) {
    const hidden =
      gone.has(path) ||
      (emptied.has('') && path !== '') ||
      ancestorsOf(path).some((folder) => gone.has(folder) || emptied.has(folder));
    if (!hidden) kept.set(path, entry);
  }
  return kept;
}
