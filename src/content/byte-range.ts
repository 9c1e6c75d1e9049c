// Parses the headers Range (downloads; RFC 9110, section 14) and Content-Range (chunks of uploads; distribution-spec).
import type { ByteRange } from './content.ts';

/**
 * Returns the range in a Range header. Returns undefined if the header has no usable range or several ranges. Then the whole
 * content is sent (RFC 9110, section 14.2). Returns 'unsatisfiable' if the answer must be 416.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): Required<ByteRange> | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.replaceAll(' ', '') ?? '') ?? [];
  if (first === '' && last === '') {
    return undefined;
  }
  if (first === '') {
    return suffix(Number(last), size);
  }
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < start) {
    return undefined;
  }
  return start >= size ? 'unsatisfiable' : { start, end };
}

function suffix(length: number, size: number): Required<ByteRange> | 'unsatisfiable' {
  return length === 0 || size === 0 ? 'unsatisfiable' : { start: Math.max(0, size - length), end: size - 1 };
}

/**
 * Returns the range of a chunk from its Content-Range header. The range includes both ends (`0-1023`). Returns undefined if
 * the header is malformed (distribution-spec, "Pushing a blob in chunks").
 */
export function parseContentRange(header: string): Required<ByteRange> | undefined {
  const [, first, last] = /^(\d{1,15})-(\d{1,15})$/.exec(header) ?? [];
  const [start, end] = [Number(first), Number(last)];
  return first !== undefined && end >= start ? { start, end } : undefined;
}
