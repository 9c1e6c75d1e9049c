// Listings of archives and layers, with one entry for each path. Previews, diffs and overlays compare listings, so that
// archives need not be extracted.
import { EntryTable } from './entry-table.ts';
import type { ListingEntry, MergedListing } from './listing-entry.ts';
import { parentOf } from './path.ts';
import { PathSet } from './path-index.ts';
import { parseWhiteout } from './whiteout.ts';

// The number of lines in one chunk. It saves calls of a store or a hash, because a listing has some ten thousand lines.
const LINES_AT_ONCE = 500;

/** Writes JSON lines. The order of the fields is fixed, so that equal listings have equal digests. */
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

/** Reads the output of `writeListing`. */
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

/**
 * Merges the listing of a layer over the listing of the lower layers (OCI image-spec, layer.md, "Applying Changesets" and
 * "Whiteouts"). Whiteouts hide entries of lower layers, wherever they are in the layer. An entry that is not a folder
 * replaces a folder and all its content. A folder over a folder keeps the content. Throws TarError if the result exceeds the
 * limits of a table.
 */
export async function applyListing(below: MergedListing, layer: Entries): Promise<EntryTable> {
  return await layOver(EntryTable.from(below), layer);
}

type Entries = AsyncIterable<ListingEntry> | Iterable<ListingEntry>;

/** Like `applyListing`, but changes the table `below`. The caller must not use this table any more. */
export async function layOver(below: EntryTable, layer: Entries): Promise<EntryTable> {
  const added = new EntryTable();
  const gone = new PathSet();
  const emptied = new PathSet();
  let replacesFolder = false;
  for await (const entry of layer) {
    const whiteout = parseWhiteout(entry.path);
    if (whiteout?.kind === 'opaque') emptied.add(whiteout.path);
    else if (whiteout?.kind === 'removed') gone.add(whiteout.path);
    else if (whiteout === undefined) {
      added.set(entry);
      replacesFolder ||= entry.type !== 'folder' && below.get(entry.path)?.type === 'folder';
    }
  }
  if (below.size === 0) return added;
  const hides = gone.size > 0 || emptied.size > 0 || replacesFolder;
  // If the table is not complete, a folder that an entry replaces may have no entry itself.
  if (hides || !below.isComplete) dropHidden(below, { added, gone, emptied });
  for (const entry of added.values()) below.set(entry);
  return below;
}

type Layer = { added: EntryTable; gone: PathSet; emptied: PathSet };

function dropHidden(below: EntryTable, { added, gone, emptied }: Layer): void {
  const hiding = new Map([['', emptied.has('')]]);
  /**
   * Returns whether the content of a folder is hidden. The result of each folder is kept, and is derived from the result of
   * its parent folder.
   */
  const hides = (folder: string): boolean => {
    const known = hiding.get(folder);
    if (known !== undefined) return known;
    const replaced = (added.get(folder)?.type ?? 'folder') !== 'folder';
    const hidden = replaced || gone.has(folder) || emptied.has(folder) || hides(parentOf(folder));
    hiding.set(folder, hidden);
    return hidden;
  };
  below.dropWhere((path) => path !== '' && (gone.has(path) || hides(parentOf(path))));
}
