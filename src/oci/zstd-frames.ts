// Splits a zstd stream at the ends of its frames (RFC 8878, section 3.1). This is needed because Node's decompressor stops at
// the end of the first frame and drops the rest of the chunk.
import { LayerBroken } from './layer-limits.ts';

const FRAME_MAGIC = 0xfd2fb528;
/**
 * The first of sixteen consecutive numbers with which skippable frames begin. zstd:chunked stores its table of contents in
 * such a frame.
 */
const SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MASK = 0xfffffff0;
const BLOCK_TYPE_RLE = 1;

type Part = 'magic' | 'skipped-size' | 'skipped' | 'descriptor' | 'header' | 'block-header' | 'block' | 'checksum';

/**
 * The next bytes belong to `part`, which still lacks `left` bytes. `value` is the number in the bytes of the part that were
 * read so far (little-endian).
 */
type State = { part: Part; left: number; read: number; value: number; hasChecksum: boolean; isLast: boolean };

/**
 * Yields the stream without its skippable frames. Each yielded piece belongs to one frame. Throws LayerBroken if the bytes
 * are not a sequence of frames.
 */
export async function* zstdFrames(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  const state: State = { part: 'magic', left: 4, read: 0, value: 0, hasChecksum: false, isLast: false };
  let magic: Buffer | undefined;
  for await (const chunk of bytes) {
    let start = 0;
    for (let at = 0; at < chunk.length; ) {
      const { part } = state;
      at += take(state, chunk, at);
      if (state.left > 0) break;
      advance(state);
      if (part === 'magic' || part === 'skipped' || part === 'skipped-size') start = at;
      if (part === 'magic' && state.part === 'descriptor') magic = FRAME_START;
      if (state.part !== 'magic' || at === start) continue;
      yield joined(magic, chunk.subarray(start, at));
      magic = undefined;
      start = at;
    }
    if (!isPassed(state.part) || start === chunk.length) continue;
    yield joined(magic, chunk.subarray(start));
    magic = undefined;
  }
  if (state.part !== 'magic' || state.read > 0) throw new LayerBroken('the zstd stream of a layer ends too early');
}

const FRAME_START = Buffer.from('28b52ffd', 'hex');

function isPassed(part: Part): boolean {
  return part !== 'magic' && part !== 'skipped' && part !== 'skipped-size';
}

function joined(magic: Buffer | undefined, piece: Buffer): Buffer {
  return magic === undefined ? piece : Buffer.concat([magic, piece]);
}

/** Consumes the bytes of the chunk that belong to the current part. Returns their number. */
function take(state: State, chunk: Buffer, at: number): number {
  const count = Math.min(state.left, chunk.length - at);
  if (state.part !== 'skipped' && state.part !== 'block') {
    for (let index = 0; index < Math.min(count, 4); index++) {
      if (state.read + index < 4) state.value += (chunk[at + index] ?? 0) * 256 ** (state.read + index);
    }
  }
  state.read += count;
  state.left -= count;
  return count;
}

/** If the current part is complete, moves to the next part that is not empty. */
function advance(state: State): void {
  do {
    const { part, left } = next(state);
    Object.assign(state, { part, left, read: 0, value: 0 });
  } while (state.left === 0);
}

function next(state: State): Pick<State, 'part' | 'left'> {
  const { part, value } = state;
  switch (part) {
    case 'magic':
      if (value === FRAME_MAGIC) return { part: 'descriptor', left: 1 };
      if ((value & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC) return { part: 'skipped-size', left: 4 };
      throw new LayerBroken('a layer has bytes after its zstd stream');
    case 'skipped-size':
      return { part: 'skipped', left: value };
    case 'descriptor':
      state.hasChecksum = (value & 0b100) !== 0;
      return { part: 'header', left: headerLength(value) };
    case 'header':
      return { part: 'block-header', left: 3 };
    case 'block-header':
      state.isLast = (value & 1) === 1;
      return { part: 'block', left: ((value >> 1) & 0b11) === BLOCK_TYPE_RLE ? 1 : value >> 3 };
    case 'block':
      if (!state.isLast) return { part: 'block-header', left: 3 };
      return state.hasChecksum ? { part: 'checksum', left: 4 } : { part: 'magic', left: 4 };
    default:
      return { part: 'magic', left: 4 };
  }
}

/**
 * Returns the length of the header's fields for the window, the dictionary and the content size. The descriptor contains it
 * (section 3.1.1.1.1).
 */
function headerLength(descriptor: number): number {
  const isSingleSegment = (descriptor & 0b10_0000) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 0b11] ?? 0;
  const size = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  return (isSingleSegment ? 0 : 1) + dictionary + size;
}
