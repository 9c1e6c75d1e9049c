// Reads and writes the 512-byte header block (POSIX.1-2017, pax, "ustar Interchange Format"). Also supports the older
// dialects v7 and GNU.
import { TarError } from './errors.ts';
import { decodeName } from './text.ts';

export const BLOCK = 512;

/** The position of each field in the block: [offset, length]. */
const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkname: [157, 100],
  magic: [257, 8],
  major: [329, 8],
  minor: [337, 8],
  prefix: [345, 155],
} as const satisfies Record<string, readonly [number, number]>;
type Field = keyof typeof FIELDS;

export type RawHeader = {
  /**
   * The name as written. It includes a NUL and the bytes after it. Other readers drop these bytes, so the check of names must
   * see them.
   */
  name: string;
  /** The type, which is one character. Old archives have a NUL, which is converted to '0'. */
  type: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: number;
  /** The link target as written. Like `name`, it includes a NUL and the bytes after it. */
  linkname: string;
  major: number;
  minor: number;
};

/** Whether a block contains only zeros. Two such blocks mark the end of an archive. */
export function isZero(block: Buffer): boolean {
  return block.equals(ZEROS.subarray(0, block.length));
}
export const ZEROS: Buffer = Buffer.alloc(64 * 1024);

/** Reads a header block. Throws CHECKSUM, HEADER_FIELD or SIZE. */
export function parseHeader(block: Buffer): RawHeader {
  const name = fieldText(block, 'name');
  if (numberField(block, 'checksum', name) !== checksumOf(block)) {
    throw new TarError('CHECKSUM', 'a header has a wrong checksum', printable(name));
  }
  const magic = field(block, 'magic').toString('latin1');
  const posix = magic.startsWith('ustar\0');
  // In v7, the magic is empty. Any other value means an unknown dialect, whose fields may have other meanings.
  if (!posix && magic !== 'ustar  \0' && /[^\0]/.test(magic)) {
    throw new TarError('HEADER_FIELD', 'the header is of an unknown dialect', printable(name));
  }
  // Reads only up to the first NUL, because some writers (star) store times in the rest of the prefix field.
  const prefix = posix ? (fieldText(block, 'prefix').split('\0', 1)[0] ?? '') : '';
  const type = field(block, 'type').toString('latin1');
  const device = type === '3' || type === '4';
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    type: type === '\0' ? '0' : type,
    mode: numberField(block, 'mode', name) & 0o7777,
    uid: numberField(block, 'uid', name),
    gid: numberField(block, 'gid', name),
    size: numberField(block, 'size', name),
    mtime: numberField(block, 'mtime', name),
    linkname: fieldText(block, 'linkname'),
    major: device ? numberField(block, 'major', name) : 0,
    minor: device ? numberField(block, 'minor', name) : 0,
  };
}

/** Returns the sum of the block's bytes. In it, the bytes of the checksum field count as spaces. */
export function checksumOf(block: Buffer): number {
  let sum = 0;
  for (let at = 0; at < BLOCK; at++) sum += at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
  return sum;
}

function field(block: Buffer, name: Field): Buffer {
  const [offset, length] = FIELDS[name];
  return block.subarray(offset, offset + length);
}

function fieldText(block: Buffer, name: 'name' | 'linkname' | 'prefix'): string {
  const bytes = field(block, name);
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return decodeName(bytes.subarray(0, end));
}

/** Reads a number. Only times may be negative. */
function numberField(block: Buffer, name: Field, path: string): number {
  const bytes = field(block, name);
  const value = parseNumber(bytes);
  if (value === undefined || (value < 0 && name !== 'mtime')) {
    const code = name === 'size' ? 'SIZE' : name === 'checksum' ? 'CHECKSUM' : 'HEADER_FIELD';
    throw new TarError(code, `the header's ${name} is not a valid number${ownerRemedy(name)}`, printable(path));
  }
  return value;
}

/** Returns what to do about an invalid field of the owner. Many archives do not need such fields. */
export function ownerRemedy(field: string): string {
  return field === 'uid' || field === 'gid' ? '; pack with --owner=0 --group=0' : '';
}

/**
 * Parses a number, which is octal text or, if the first bit is set, in base 256 (GNU and star). Returns undefined for other
 * bytes.
 */
export function parseNumber(bytes: Buffer): number | undefined {
  return ((bytes[0] ?? 0) & 0x80) === 0 ? octal(bytes) : base256(bytes);
}

function octal(bytes: Buffer): number | undefined {
  const digits = /^[ \0]*([0-7]*)[ \0]*$/.exec(bytes.toString('latin1'))?.[1];
  if (digits === undefined) return undefined;
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

function base256(bytes: Buffer): number | undefined {
  const negative = (bytes[0] ?? 0) === 0xff;
  if (!negative && bytes[0] !== 0x80) return undefined;
  let value = negative ? -1n : 0n;
  for (const byte of bytes.subarray(1)) value = value * 256n + BigInt(byte);
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : undefined;
}

/** Makes a name safe to print in a message: replaces control characters, and shortens long names. */
export function printable(name: string): string {
  const head = name.length > 256 ? `${name.slice(0, 255)}…` : name;
  return head.toWellFormed().replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
}

/** Returns the error text for an entry that has a size although it is not a file. */
export function sizeFault({ type, size }: { type: string; size: number }): string {
  return `the header gives this ${type} a size of ${size} bytes; only a file may have bytes`;
}
