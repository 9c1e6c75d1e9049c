// Limits for reading the layers of one image, and the errors for layers that exceed them.
import type { ArchiveLimits } from '../tar/archive-meter.ts';
import { TABLE_ENTRY_COUNT_MAX, TABLE_NAMES_BYTES_MAX } from '../tar/entry-table.ts';
import type { ReadOptions } from '../tar/read.ts';

/**
 * The most expanded bytes of one image, because each worker that builds on the image stores them on its disk. The largest
 * published images (CUDA, full TeX) have less than 30 GB.
 */
const CONTENT_BYTES_MAX = 32 * 1024 ** 3;

/** Limits of all layers of an image together. Files that a higher layer replaces or removes count too. */
export const IMAGE_LIMITS: ArchiveLimits = {
  entryCountMax: 2 * TABLE_ENTRY_COUNT_MAX,
  /**
   * The most folders. A desktop distribution has some 50,000 folders, and in `node_modules` a third of the entries are
   * folders.
   */
  folderCountMax: 200_000,
  namesBytesMax: 2 * TABLE_NAMES_BYTES_MAX,
  contentBytesMax: CONTENT_BYTES_MAX,
};

export type ExpansionLimits = {
  /** The most bytes of the tar. */
  bytesMax: number;
  /**
   * The most expanded bytes for one compressed byte. Applies only to layers with more than `ratioFreeBytes` expanded bytes.
   */
  ratioMax: number;
  ratioFreeBytes: number;
};

/**
 * The limits for expanding a layer. The files of an image reach a ratio of 3, and text reaches 20. Zeros reach 1,000 with
 * gzip and 30,000 with zstd. Expanding 1 GiB takes a few seconds.
 */
export const EXPANSION_LIMITS: ExpansionLimits = {
  bytesMax: CONTENT_BYTES_MAX,
  ratioMax: 200,
  ratioFreeBytes: 1024 ** 3,
};

/**
 * Options for reading the archive in a layer. Container engines read the archive in the same way, and also read sparse files. A
 * hole of a sparse file takes almost no bytes in the archive, so holes have limits. `holeBytesMax` limits the holes in one layer,
 * and `IMAGE_LIMITS` limits the holes in all layers.
 */
export const LAYER_READING: ReadOptions = { lenient: true, holeBytesMax: EXPANSION_LIMITS.ratioFreeBytes };

/** The error for a layer with more bytes than Larder reads. */
export class LayerTooLarge extends Error {
  override readonly name = 'LayerTooLarge';
  readonly code = 'LAYER_TOO_LARGE';
}

/** The error for a layer whose compressed bytes are invalid. The message says why. */
export class LayerBroken extends Error {
  override readonly name = 'LayerBroken';
  readonly code = 'LAYER_BROKEN';
}
