// What a layer and a whole image may cost, and the error for one that costs more.

/** The largest published images (CUDA, full TeX) stay under 30 GB; a bomb of zeros ends here instead of never. */
export const TAR_BYTES_MAX = 64 * 1024 ** 3;
/** A full desktop distribution has some 400,000 files; the listing is held in memory. */
export const ENTRIES_MAX = 2_000_000;

/** A layer beyond what Larder reads. */
export class LayerTooLarge extends Error {
  override readonly name = 'LayerTooLarge';
  readonly code = 'LAYER_TOO_LARGE';
}
