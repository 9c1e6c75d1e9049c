// Writes an archive that depends only on its entries. It is ustar, with a PAX header only for values that ustar cannot store.
import type { TarHeader, TarInput } from './entry.ts';
import { TarError } from './errors.ts';
import { BLOCK, checksumOf, printable, sizeFault, ZEROS } from './header.ts';
import type { EntryType } from './listing-entry.ts';
import { baseName } from './path.ts';
import { formatPax, type PaxRecords } from './pax.ts';
import { encodeName } from './text.ts';

const TYPE_FLAGS: Record<EntryType, string> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  folder: '5',
  fifo: '6',
};

const NAME_BYTES_MAX = 100;
// The largest numbers in fields of ustar: seven octal digits for owners, and eleven for sizes and times.
const OWNER_MAX = 0o7777777;
const SIZE_MAX = 0o77777777777;

// Headers and small bodies are joined into chunks of this size. Otherwise a compressor would be called for every 512 bytes.
const PIECE_BYTES = 64 * 1024;

/** Yields the archive of these entries, in order. Throws BODY_SIZE if a body does not have the length in its header. */
export async function* writeTar(entries: AsyncIterable<TarInput> | Iterable<TarInput>): AsyncGenerator<Buffer, void> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (const piece of pieces(entries)) {
    held.push(piece);
    heldBytes += piece.length;
    if (heldBytes < PIECE_BYTES) continue;
    yield held.length === 1 ? piece : Buffer.concat(held, heldBytes);
    held = [];
    heldBytes = 0;
  }
  yield Buffer.concat(held, heldBytes);
}

async function* pieces(entries: AsyncIterable<TarInput> | Iterable<TarInput>): AsyncGenerator<Buffer, void> {
  for await (const { header, body } of entries) {
    yield formatHeader(header);
    let written = 0;
    for await (const part of body ?? []) {
      written += part.length;
      if (written > header.size) break;
      // Copies small chunks, because they are buffered while the source continues and the source may reuse their memory.
      yield part.length < PIECE_BYTES ? Buffer.from(part) : Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    }
    if (written !== header.size)
      throw new TarError('BODY_SIZE', 'the body is not as long as its header says', printable(header.path));
    yield padding(header.size);
  }
  yield ZEROS.subarray(0, 2 * BLOCK);
}

function padding(size: number): Buffer {
  return ZEROS.subarray(0, (BLOCK - (size % BLOCK)) % BLOCK);
}

/** Returns the header block of an entry. If the entry needs a PAX header, the PAX header comes first. */
export function formatHeader(header: TarHeader): Buffer {
  if (header.size > 0 && header.type !== 'file')
    throw new TarError('BODY_SIZE', sizeFault(header), printable(header.path));
  const name = encodeName(nameOf(header));
  const link = encodeName(header.target ?? '');
  const records = recordsFor(header, { name, link });
  const block = formatBlock({
    name,
    link,
    type: TYPE_FLAGS[header.type],
    mode: header.mode & 0o7777,
    uid: fitting(header.uid, OWNER_MAX),
    gid: fitting(header.gid, OWNER_MAX),
    size: fitting(header.size, SIZE_MAX),
    mtime: fitting(header.mtime, SIZE_MAX),
    major: header.major ?? 0,
    minor: header.minor ?? 0,
  });
  return records.size === 0 ? block : Buffer.concat([formatExtension(header.path, records), block]);
}

function nameOf({ path, type }: TarHeader): string {
  if (path === '') return './';
  return type === 'folder' ? `${path}/` : path;
}

/**
 * Returns PAX records for values that ustar fields cannot store: long names, names beyond ASCII (for which ustar defines no
 * charset), large numbers, and attributes.
 */
function recordsFor(header: TarHeader, { name, link }: { name: Buffer; link: Buffer }): PaxRecords {
  const records: PaxRecords = new Map();
  if (!fitsField(name)) records.set('path', name);
  if (!fitsField(link)) records.set('linkpath', link);
  if (header.size > SIZE_MAX) records.set('size', Buffer.from(String(header.size)));
  if (header.uid > OWNER_MAX) records.set('uid', Buffer.from(String(header.uid)));
  if (header.gid > OWNER_MAX) records.set('gid', Buffer.from(String(header.gid)));
  if (header.mtime < 0 || header.mtime > SIZE_MAX) records.set('mtime', Buffer.from(String(header.mtime)));
  for (const [key, value] of Object.entries(header.xattrs ?? {})) records.set(`SCHILY.xattr.${key}`, value);
  return records;
}

function fitsField(bytes: Buffer): boolean {
  return bytes.length <= NAME_BYTES_MAX && bytes.every((byte) => byte < 0x80);
}

function fitting(value: number, most: number): number {
  return value >= 0 && value <= most ? Math.floor(value) : 0;
}

function formatExtension(path: string, records: PaxRecords): Buffer {
  const body = formatPax(records);
  // The name of the PAX header itself. Readers that do not know PAX show it as a file, so it must be harmless.
  const ascii = baseName(path).replace(/[^\x21-\x7e]/g, '_');
  const block = formatBlock({
    name: Buffer.from(`PaxHeaders.0/${ascii}`.slice(0, NAME_BYTES_MAX)),
    link: Buffer.alloc(0),
    type: 'x',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: body.length,
    mtime: 0,
    major: 0,
    minor: 0,
  });
  return Buffer.concat([block, body, padding(body.length)]);
}

type BlockFields = Record<'name' | 'link', Buffer> & { type: string } & Record<
    'mode' | 'uid' | 'gid' | 'size' | 'mtime' | 'major' | 'minor',
    number
  >;

function formatBlock(fields: BlockFields): Buffer {
  const block = Buffer.alloc(BLOCK);
  fields.name.copy(block, 0, 0, NAME_BYTES_MAX);
  fields.link.copy(block, 157, 0, NAME_BYTES_MAX);
  const octal = (value: number, offset: number, digits: number) =>
    block.write(`${value.toString(8).padStart(digits, '0')}\0`, offset, 'latin1');
  octal(fields.mode, 100, 7);
  octal(fields.uid, 108, 7);
  octal(fields.gid, 116, 7);
  octal(fields.size, 124, 11);
  octal(fields.mtime, 136, 11);
  block.write(fields.type, 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  octal(fields.major, 329, 7);
  octal(fields.minor, 337, 7);
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
