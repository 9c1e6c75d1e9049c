// Converts names between the bytes of tar and strings. Bytes that are not UTF-8 are kept in both directions.

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// A byte from 0x80 to 0xff that does not belong to valid UTF-8 becomes a lone surrogate from U+DC80 to U+DCFF, as in Python's
// "surrogateescape" (PEP 383).
const ESCAPE = 0xdc00;

/** Decodes a name without loss. `hasBadBytes` of the result says whether the bytes were not UTF-8. */
export function decodeName(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return decodeEscaped(bytes);
  }
}

function decodeEscaped(bytes: Uint8Array): string {
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    if (length > 0) {
      at += length;
      continue;
    }
    parts.push(utf8.decode(bytes.subarray(start, at)), String.fromCharCode(ESCAPE + (bytes[at] ?? 0)));
    at += 1;
    start = at;
  }
  parts.push(utf8.decode(bytes.subarray(start)));
  return parts.join('');
}

/**
 * After some first bytes, the second byte has a smaller range. This excludes overlong forms, surrogates and everything above
 * U+10FFFF (RFC 3629, section 4).
 */
const SECOND_BYTES: Record<number, readonly [least: number, most: number]> = {
  224: [0xa0, 0xbf],
  237: [0x80, 0x9f],
  240: [0x90, 0xbf],
  244: [0x80, 0x8f],
};

/** Returns the length of the valid sequence at a position, or 0 if there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  for (let offset = 1; offset < length; offset++) {
    const [least, most] = (offset === 1 ? SECOND_BYTES[first] : undefined) ?? [0x80, 0xbf];
    const byte = bytes[at + offset] ?? 0;
    if (byte < least || byte > most) return 0;
  }
  return length;
}

/** Returns the bytes from which `decodeName` made this name. */
export function encodeName(name: string): Buffer {
  if (!hasBadBytes(name)) return Buffer.from(name, 'utf8');
  const parts: Buffer[] = [];
  for (const character of name) {
    const code = character.charCodeAt(0);
    const escaped = character.length === 1 && code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff;
    parts.push(escaped ? Buffer.from([code - ESCAPE]) : Buffer.from(character, 'utf8'));
  }
  return Buffer.concat(parts);
}

/** Returns the number of bytes that a name has in an archive. */
export function nameLength(name: string): number {
  return hasBadBytes(name) ? encodeName(name).length : Buffer.byteLength(name);
}

/** Whether the bytes from which a name was decoded were not UTF-8. */
export function hasBadBytes(name: string): boolean {
  return !name.isWellFormed();
}
