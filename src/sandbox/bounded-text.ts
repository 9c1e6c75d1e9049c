// Collects text from chunks up to a limit. Text above the limit is dropped.

export class BoundedText {
  readonly #decoder = new TextDecoder();
  readonly #bytesMax: number;
  #bytes = 0;
  #text = '';

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Appends a chunk. Returns false if any text was dropped, now or earlier. */
  add(chunk: Uint8Array): boolean {
    const space = this.#bytesMax - this.#bytes;
    this.#bytes += chunk.length;
    if (space > 0) this.#text += this.#decoder.decode(chunk.subarray(0, space), { stream: true });
    return chunk.length <= space;
  }

  get text(): string {
    return this.#text;
  }
}
