// Names are bytes in tar and strings here; bytes that are not UTF-8 survive the way there and back.

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// A byte 0x80–0xff that is no UTF-8 becomes the lone surrogate U+DC80–U+DCFF, as in Python's "surrogateescape" (PEP 383).
const ESCAPE = 0xdc00;

/** Decodes a name without loss; `hasBadBytes` tells afterwards whether it was UTF-8. */
export function decodeName(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return decodeEscaped(bytes);
  }
}

function decodeEscaped(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      text += String.fromCharCode(ESCAPE + (bytes[at] ?? 0));
      at += 1;
    } else {
      text += utf8.decode(bytes.subarray(at, at + length));
      at += length;
    }
  }
  return text;
}

function sequenceLength(bytes: Uint8Array, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    try {
      utf8.decode(bytes.subarray(at, at + length));
      return length;
    } catch {
      // A longer sequence may still be well-formed.
    }
  }
  return 0;
}

/** The bytes that `decodeName` read. */
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

/** True for a name whose bytes were not UTF-8. */
export function hasBadBytes(name: string): boolean {
  return !name.isWellFormed();
}
