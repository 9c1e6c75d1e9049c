// Reads exact numbers of bytes from a stream with chunks of any size. Keeps only one chunk in memory.
import { TarError } from './errors.ts';

export class ByteSource {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #chunk: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#iterator = bytes[Symbol.asyncIterator]();
  }

  /**
   * Returns 1 to `most` bytes, or undefined at the end. The bytes are a view into the stream's chunk. They are valid until
   * the owner of the stream reuses the chunk.
   */
  async some(most: number): Promise<Buffer | undefined> {
    while (this.#chunk.length === 0) {
      if (this.#ended || !(await this.#pull())) return undefined;
    }
    const taken = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(taken.length);
    return taken;
  }

  /**
   * Returns exactly `length` bytes, or undefined if the stream has no more bytes. Throws TRUNCATED if the stream has fewer
   * bytes.
   */
  async exactly(length: number): Promise<Buffer | undefined> {
    const first = await this.some(length);
    if (first === undefined || first.length === length) return first;
    const parts = [first];
    for (let missing = length - first.length; missing > 0; ) {
      const part = await this.some(missing);
      if (part === undefined) throw new TarError('TRUNCATED', 'the archive ends in the middle of an entry');
      parts.push(part);
      missing -= part.length;
    }
    return Buffer.concat(parts, length);
  }

  /** Skips `length` bytes. Throws TRUNCATED if the stream has fewer. */
  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      const part = await this.some(left);
      if (part === undefined) throw new TarError('TRUNCATED', 'the archive ends in the middle of an entry');
      left -= part.length;
    }
  }

  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#iterator.return?.();
  }

  async #pull(): Promise<boolean> {
    const next = await this.#iterator.next();
    if (next.done === true) {
      this.#ended = true;
      return false;
    }
    this.#chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    return true;
  }
}
