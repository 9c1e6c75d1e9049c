// Limits for reading the layers of one image, and the errors for layers above them.
import type { ArchiveLimits } from '../tar/archive-meter.ts';
import { TABLE_ENTRY_COUNT_MAX, TABLE_NAMES_BYTES_MAX } from '../tar/entry-table.ts';
import type { ReadOptions } from '../tar/read.ts';

/** The largest published images (CUDA, full TeX) stay under 30 GB; each is expanded on the disk of the workers that build on it. */
const CONTENT_BYTES_MAX = 32 * 1024 ** 3;

/** Limits of all layers of an image together: files that a layer replaces or removes count too. */
export const IMAGE_LIMITS: ArchiveLimits = {
  entryCountMax: 2 * TABLE_ENTRY_COUNT_MAX,
  /** A desktop distribution has some 50,000 folders; in `node_modules`, a third of the entries are folders. */
  folderCountMax: 200_000,
  namesBytesMax: 2 * TABLE_NAMES_BYTES_MAX,
  contentBytesMax: CONTENT_BYTES_MAX,
};

export type ExpansionLimits = {
  /** Bytes of the tar. */
  bytesMax: number;
  /** Expanded bytes for one compressed byte; checked above `ratioFreeBytes` expanded bytes. */
  ratioMax: number;
  ratioFreeBytes: number;
};

/** Zeros reach a ratio of 1,000 with gzip and 30,000 with zstd, text 20, an image's files 3; 1 GiB is expanded in a few seconds. */
export const EXPANSION_LIMITS: ExpansionLimits = {
  bytesMax: CONTENT_BYTES_MAX,
  ratioMax: 200,
  ratioFreeBytes: 1024 ** 3,
};

/**
 * Reads the archive in a layer as container engines do, including sparse files. Holes cost nothing to send, so they are limited like
 * compressed zeros: in one layer, and by `IMAGE_LIMITS` in all layers.
 */
export const LAYER_READING: ReadOptions = { lenient: true, holeBytesMax: EXPANSION_LIMITS.ratioFreeBytes };

/** A layer that has more bytes than Larder reads. */
export class LayerTooLarge extends Error {
  override readonly name = 'LayerTooLarge';
  readonly code = 'LAYER_TOO_LARGE';
}

/** A layer whose compressed bytes are invalid. The message has the fault. */
export class LayerBroken extends Error {
  override readonly name = 'LayerBroken';
  readonly code = 'LAYER_BROKEN';
}
