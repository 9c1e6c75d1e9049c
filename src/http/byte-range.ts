// The Range header (RFC 9110, section 14): one range of bytes; several at once are answered with the whole.

export type ByteSpan = { start: number /** Inclusive. */; end: number };

/** The span asked for, 'whole' when there is none or it is to be ignored, 'outside' when it holds no byte of the content. */
export function readRange(header: string | undefined, size: number): ByteSpan | 'whole' | 'outside' {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (match === null || (first === '' && last === '')) return 'whole';
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'outside' : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return 'whole';
  if (start >= size) return 'outside';
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}
