// Which errors are the fault of an image that came from outside, in words: its build fails for good, and no other.
import { ContentMismatch } from '../oci/content-errors.ts';
import { ImageConfigError } from '../oci/image-config.ts';
import { LayerTooLarge } from '../oci/layer-limits.ts';
import { ManifestError } from '../oci/manifest.ts';
import { TarError } from '../tar/errors.ts';

/** What is wrong with the image; undefined for an error that says nothing about it (a store that fails, a content that is gone). */
export function imageFault(error: unknown): string | undefined {
  if (error instanceof ImageConfigError || error instanceof LayerTooLarge) return error.message;
  if (error instanceof ManifestError) return `its manifest is not valid: ${error.message}`;
  if (error instanceof TarError) return `a layer is not a valid archive: ${error.message}`;
  if (error instanceof ContentMismatch) return `a layer is not the one that its config names: ${error.message}`;
  if (isDecompressionError(error)) return 'a layer is not valid gzip or zstd';
  return undefined;
}

/** zlib's codes are `Z_DATA_ERROR` and the like, zstd's `ZSTD_error_prefix_unknown` and the like. */
function isDecompressionError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(?:Z|ZSTD)_/.test(String(error.code));
}
