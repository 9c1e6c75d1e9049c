// Reads an archive as a stream, entry by entry, with constant memory. Supports v7, ustar, GNU long names, PAX headers, and
// optionally sparse files.
import { ByteSource } from './byte-source.ts';
import type { TarEntry, TarHeader } from './entry.ts';
import { TarError } from './errors.ts';
import { BLOCK, isZero, parseHeader, printable, type RawHeader, sizeFault, ZEROS } from './header.ts';
import type { EntryType } from './listing-entry.ts';
import { cleanPath, climbs } from './path.ts';
import { type PaxRecords, parsePax, paxInteger, paxSeconds } from './pax.ts';
import { isSparse, readSparse, type SparseFile } from './sparse.ts';
import { decodeName } from './text.ts';

export type ReadOptions = {
  /**
   * Called with the error of an entry, for example an invalid name or type, if the rest of the archive can still be read. The
   * entry is then omitted. Without this function, such an error ends the reading. The error of a broken archive always ends
   * the reading.
   */
  onBadEntry?: (error: TarError) => void;
  /**
   * Accepts four faults that container engines accept in layers: a missing end marker, bytes after the end marker, a name
   * with bytes after its NUL, and a global header, which is ignored. Uploads are read without this option.
   */
  lenient?: boolean;
  /**
   * Accepts sparse files, and reads their holes as zeros. Without this option, sparse files are rejected. The number is the
   * most bytes of all holes in the archive. It is needed because holes take almost no space in the archive. The `size` of a
   * file includes its holes.
   */
  holeBytesMax?: number;
};

// The most bytes of an extension header. It is enough for the longest path, the longest link and a few attributes of 64 KiB
// (the kernel's limit for one). A larger header would use up the memory of the reader.
const EXTENSION_BYTES_MAX = 1024 * 1024;

const TYPES: Record<string, EntryType> = {
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'folder',
  '6': 'fifo',
  '7': 'file',
  S: 'file',
};

/** Yields the entries in the order of the archive. Throws TarError. Closes the stream if the caller stops early. */
export async function* readTar(
  bytes: AsyncIterable<Uint8Array>,
  options: ReadOptions = {},
): AsyncGenerator<TarEntry, void> {
  const source = new ByteSource(bytes);
  const { lenient = false, holeBytesMax } = options;
  let holeBytesLeft = holeBytesMax;
  try {
    for (let count = 0; ; count++) {
      const read = await readHeader(source, { first: count === 0, lenient, sparse: holeBytesMax !== undefined });
      if (read === undefined) return;
      const holeBytes = holeBytesOf(read);
      if (holeBytesLeft !== undefined) holeBytesLeft -= holeBytes;
      if (holeBytes > 0 && (holeBytesLeft ?? 0) < 0) throw tooManyHoles(read, holeBytesMax);
      const body = new EntryBody(source, read);
      const entry = validEntry(read, options.onBadEntry);
      if (entry !== undefined) yield { ...entry, body };
      await body.finish();
    }
  } finally {
    await source.close();
  }
}

function holeBytesOf({ size, sparse }: ReadHeader): number {
  return sparse === undefined ? 0 : sparse.size - (size - sparse.mapBytes);
}

function tooManyHoles({ raw }: ReadHeader, holeBytesMax = 0): TarError {
  const message = `with it, the holes of sparse files have more than ${holeBytesMax} bytes`;
  return new TarError('LIMIT', message, printable(raw.name));
}

/** The bytes of one entry. Bytes that the caller has not read are skipped before the next entry. */
class EntryBody implements AsyncIterable<Uint8Array> {
  readonly #source: ByteSource;
  readonly #padding: number;
  /** The parts that were not read yet, in order. */
  readonly #pieces: Iterator<Piece>;
  #piece: Piece | undefined;
  /** The number of stored bytes that were not read yet. */
  #left: number;
  #finished = false;

  constructor(source: ByteSource, { size, sparse }: Pick<ReadHeader, 'size' | 'sparse'>) {
    this.#source = source;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
    this.#left = size - (sparse?.mapBytes ?? 0);
    this.#pieces = piecesOf(sparse ?? { size, parts: [{ offset: 0, length: size }] });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    for (let piece = this.#next(); piece !== undefined; piece = this.#next()) {
      if (this.#finished) throw new TarError('BODY_GONE', 'the body must be read before the next entry');
      const part = piece.hole ? ZEROS.subarray(0, piece.length) : await this.#source.some(piece.length);
      if (part === undefined) throw new TarError('TRUNCATED', 'the archive ends in the middle of a file');
      piece.length -= part.length;
      if (!piece.hole) this.#left -= part.length;
      yield part;
    }
  }

  #next(): Piece | undefined {
    while (this.#piece === undefined || this.#piece.length === 0) {
      const next = this.#pieces.next();
      if (next.done === true) return undefined;
      this.#piece = next.value;
    }
    return this.#piece;
  }

  async finish(): Promise<void> {
    this.#finished = true;
    await this.#source.skip(this.#left + this.#padding);
  }
}

type Piece = { hole: boolean; length: number };

function* piecesOf({ size, parts }: Pick<SparseFile, 'size' | 'parts'>): Generator<Piece, void> {
  let at = 0;
  for (const { offset, length } of parts) {
    yield { hole: true, length: offset - at };
    yield { hole: false, length };
    at = offset + length;
  }
  yield { hole: true, length: size - at };
}

type Extensions = { local?: PaxRecords; longName?: string; longLink?: string };
/** The header of an entry, with its extension headers. `size` is the number of stored bytes. */
type ReadHeader = { raw: RawHeader; extensions: Extensions; size: number; sparse?: SparseFile };

/** Reads the next header and the extension headers before it. Returns undefined at the end marker. */
async function readHeader(
  source: ByteSource,
  { first, lenient, sparse }: { first: boolean; lenient: boolean; sparse: boolean },
): Promise<ReadHeader | undefined> {
  const extensions: Extensions = {};
  for (let atStart = first; ; atStart = false) {
    const block = await source.exactly(BLOCK).catch((error: unknown) => {
      throw atStart && error instanceof TarError ? new TarError('NOT_TAR', 'this is not a tar archive') : error;
    });
    const extended = Object.keys(extensions).length > 0;
    if (block === undefined || isZero(block)) {
      if (extended) throw new TarError('EXTENSION', 'no entry follows an extension header');
      if (!lenient) await expectEnd(source, { block, first: atStart });
      return undefined;
    }
    const raw = parseFirst(block, atStart);
    if (!'xgLK'.includes(raw.type)) {
      return await withMap(source, block, {
        read: { raw: lenient ? cutNames(raw) : raw, extensions, size: sizeOf(raw, extensions) },
        sparse,
      });
    }
    await readExtension(source, raw, { extensions, lenient });
  }
}

/** Adds the map of a sparse file to its header. The map may be in the blocks after the header. */
async function withMap(
  source: ByteSource,
  block: Buffer,
  { read, sparse }: { read: ReadHeader; sparse: boolean },
): Promise<ReadHeader> {
  const { raw, extensions, size: storedSize } = read;
  const { local } = extensions;
  const { type } = raw;
  if (!isSparse({ type, local })) return read;
  const name = printable(raw.name);
  if (!sparse) throw new TarError('SPARSE', 'sparse files are not accepted; pack without --sparse', name);
  return { ...read, sparse: await readSparse({ source, block, type, local, storedSize, name }) };
}

/** Cuts names at their first NUL, like other readers. */
function cutNames(raw: RawHeader): RawHeader {
  const cut = (name: string) => name.split('\0', 1)[0] ?? '';
  return { ...raw, name: cut(raw.name), linkname: cut(raw.linkname) };
}

function parseFirst(block: Buffer, first: boolean): RawHeader {
  try {
    return parseHeader(block);
  } catch (error) {
    if (first && error instanceof TarError && error.code === 'CHECKSUM') {
      throw new TarError('NOT_TAR', 'this is not a tar archive, or its first header has a wrong checksum');
    }
    throw error;
  }
}

/**
 * Reads the end of the archive after the first zero block. It must be a second zero block and then only zeros, which fill the
 * last record.
 */
async function expectEnd(
  source: ByteSource,
  { block, first }: { block: Buffer | undefined; first: boolean },
): Promise<void> {
  if (block === undefined) {
    if (first) throw new TarError('NOT_TAR', 'this is not a tar archive: it is empty');
    throw new TarError('TRUNCATED', 'the archive ends without its end marker: it was cut off; pack it again');
  }
  const second = await source.exactly(BLOCK);
  if (second === undefined) throw new TarError('TRUNCATED', 'the archive ends in the middle of its end marker');
  for (let part: Buffer | undefined = second; part !== undefined; part = await source.some(BLOCK)) {
    if (!isZero(part))
      throw new TarError(
        'TRAILING_DATA',
        'there is data after the end of the archive; pack everything in one run of tar',
      );
  }
}

async function readExtension(
  source: ByteSource,
  raw: RawHeader,
  { extensions, lenient }: { extensions: Extensions; lenient: boolean },
): Promise<void> {
  if (raw.size > EXTENSION_BYTES_MAX)
    throw new TarError('EXTENSION', 'an extension header is too large', printable(raw.name));
  const padded = raw.size + ((BLOCK - (raw.size % BLOCK)) % BLOCK);
  const blocks = padded === 0 ? Buffer.alloc(0) : await source.exactly(padded);
  if (blocks === undefined) throw new TarError('TRUNCATED', 'the archive ends in the middle of an extension header');
  const body = blocks.subarray(0, raw.size);
  if (raw.type === 'g') {
    // In a global header, only a comment is accepted. git writes its commit there. Other records would change every later
    // entry, so they could hide a name.
    const other = [...parsePax(body).keys()].find((key) => key !== 'comment');
    if (other !== undefined && lenient) return;
    if (other === 'GNU.volume.label') throw new TarError('GLOBAL_HEADER', OPTIONS_OF_TYPES.V ?? '');
    if (other !== undefined)
      throw new TarError('GLOBAL_HEADER', `a global header sets ${printable(other)}; only a comment is accepted`);
    return;
  }
  const kind = raw.type === 'x' ? 'local' : raw.type === 'L' ? 'longName' : 'longLink';
  if (extensions[kind] !== undefined) throw new TarError('EXTENSION', 'an entry has two extension headers of one kind');
  // Copies the body, because the stream may reuse the chunk that contains it.
  if (kind === 'local') extensions.local = parsePax(Buffer.from(body));
  else extensions[kind] = decodeName(withoutTail(body));
}

/** Removes the NUL at the end of GNU tar's long names. Some writers add more than one. */
function withoutTail(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.subarray(0, end);
}

/**
 * Returns the number of bytes of an entry after its header. If fields contradict each other, the position of the next header
 * is unknown. So the reading ends.
 */
function sizeOf(raw: RawHeader, { local }: Extensions): number {
  const name = printable(raw.name);
  if (raw.type === 'M') throw new TarError('MULTIVOLUME', 'multi-volume archives are not accepted', name);
  for (const key of local?.keys() ?? []) {
    if (key.startsWith('GNU.volume.'))
      throw new TarError('MULTIVOLUME', 'multi-volume archives are not accepted', name);
  }
  const size = local === undefined ? raw.size : (paxInteger(local, 'size', name) ?? raw.size);
  const type = TYPES[raw.type];
  if (size > 0 && type !== undefined && type !== 'file') throw new TarError('SIZE', sizeFault({ type, size }), name);
  return size;
}

/** Returns the entry, or undefined if `onBadEntry` was called for it. */
function validEntry(
  read: ReadHeader,
  onBadEntry: ReadOptions['onBadEntry'],
): { header: TarHeader; name: string } | undefined {
  try {
    return interpret(read);
  } catch (error) {
    if (onBadEntry === undefined || !(error instanceof TarError)) throw error;
    onBadEntry(error);
    return undefined;
  }
}

function interpret({ raw, extensions, size: storedSize, sparse }: ReadHeader): { header: TarHeader; name: string } {
  const local: PaxRecords = extensions.local ?? new Map();
  const size = sparse?.size ?? storedSize;
  const name = textOf(local, 'GNU.sparse.name') ?? textOf(local, 'path') ?? extensions.longName ?? raw.name;
  const shown = printable(name);
  const type = typeOf(raw, name);
  if (type === undefined) throw new TarError('TYPE_UNKNOWN', unknownType(raw.type), shown);
  if (type !== 'file' && size > 0) throw new TarError('SIZE', sizeFault({ type, size }), shown);
  checkName(name, shown);
  const header: TarHeader = {
    path: cleanPath(name),
    type,
    mode: raw.mode,
    uid: ownerId(paxInteger(local, 'uid', shown) ?? raw.uid, shown),
    gid: ownerId(paxInteger(local, 'gid', shown) ?? raw.gid, shown),
    size,
    mtime: paxSeconds(local, 'mtime', shown) ?? raw.mtime,
  };
  if (type === 'symlink' || type === 'hardlink') {
    const target = textOf(local, 'linkpath') ?? extensions.longLink ?? raw.linkname;
    if (target === '' || target.includes('\0')) throw new TarError('NAME', 'the link has no valid target', shown);
    if (type === 'hardlink') checkName(target, shown);
    header.target = type === 'hardlink' ? cleanPath(target) : target;
  }
  if (type === 'character' || type === 'block') Object.assign(header, { major: raw.major, minor: raw.minor });
  const xattrs = xattrsOf(local);
  if (xattrs !== undefined) header.xattrs = xattrs;
  const others = otherAttributes(local);
  if (others.length > 0) header.otherAttributes = others;
  if (ACLS.some((key) => local.has(key))) header.acl = true;
  return { header, name };
}

/** The highest id. Linux has 32-bit ids, and the last one means "unchanged" (chown(2)). */
const OWNER_ID_MAX = 0xfffffffe;

function ownerId(id: number, shown: string): number {
  if (id > OWNER_ID_MAX) {
    const which = id === OWNER_ID_MAX + 1 ? `${id} (-1)` : String(id);
    throw new TarError(
      'HEADER_FIELD',
      `no user or group has the number ${which}; pack with --owner=0 --group=0`,
      shown,
    );
  }
  return id;
}

/** Types of entries in GNU tar that are not files, each with the option of tar that writes it. */
const OPTIONS_OF_TYPES: Record<string, string> = {
  V: 'it is a volume label; pack without --label (-V)',
  D: 'it is the listing of an incremental backup; pack without --incremental (-G) and --listed-incremental (-g)',
};

function unknownType(type: string): string {
  return (
    OPTIONS_OF_TYPES[type] ?? `entries of type ${JSON.stringify(type)} are not known; pack with another tar program`
  );
}

/** Returns the type of an entry. In v7, a folder is a file whose name ends with a slash. */
function typeOf(raw: RawHeader, name: string): EntryType | undefined {
  const type = TYPES[raw.type];
  return type === 'file' && name.endsWith('/') ? 'folder' : type;
}

function checkName(name: string, shown: string): void {
  if (name === '' || name.includes('\0')) throw new TarError('NAME', 'the entry has no valid name', shown);
  if (climbs(name)) throw new TarError('PATH_CLIMBS', 'a name may not contain ..', shown);
}

function textOf(records: PaxRecords, key: string): string | undefined {
  const value = records.get(key);
  return value === undefined ? undefined : decodeName(value);
}

const XATTR = 'SCHILY.xattr.';

function xattrsOf(records: PaxRecords): Record<string, Buffer> | undefined {
  const found = [...records].filter(([key]) => key.startsWith(XATTR));
  if (found.length === 0) return undefined;
  return Object.fromEntries(found.map(([key, value]) => [key.slice(XATTR.length), value]));
}

/** Records that contain access lists: of POSIX, of NFS version 4, and of macOS. */
const ACLS = ['SCHILY.acl.access', 'SCHILY.acl.default', 'SCHILY.acl.ace'];
const LIBARCHIVE_XATTR = 'LIBARCHIVE.xattr.';

/**
 * Returns the names of attributes that other dialects store: attributes of SELinux (GNU tar), attributes of libarchive (with
 * URL-encoded names), and flags of BSD.
 */
function otherAttributes(records: PaxRecords): string[] {
  return [...records.keys()].flatMap((key) => {
    if (key === 'RHT.security.selinux') return records.has(`${XATTR}security.selinux`) ? [] : ['security.selinux'];
    if (key === 'SCHILY.fflags') return ['file flags'];
    if (!key.startsWith(LIBARCHIVE_XATTR)) return [];
    const name = fromUrl(key.slice(LIBARCHIVE_XATTR.length));
    return records.has(XATTR + name) ? [] : [name];
  });
}

function fromUrl(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
