// Which errors are the fault of an image that came from outside, in words: its build fails for good, and no other.

/**
 * What is wrong with the image; undefined for an error that says nothing about it (a store that fails, a content that is gone). Errors are
 * told apart by their names, which they keep on their way from another process.
 */
export function imageFault(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { name, message } = error;
  const code = 'code' in error ? String(error.code) : '';
  switch (name) {
    case 'ImageConfigError':
    case 'LayerTooLarge':
    case 'LayerBroken':
      return message;
    case 'ManifestError':
      return `its manifest is not valid: ${message}`;
    case 'TarError':
      return code === 'LIMIT' ? message : `a layer is not a valid archive: ${message}`;
    case 'PackageDatabaseError':
      return `its package database is not valid: ${message}`;
    case 'ContentMismatch':
      return `a layer is not the one that its config names: ${message}`;
    default:
      // zlib's codes are `Z_DATA_ERROR` and the like, zstd's `ZSTD_error_prefix_unknown` and the like.
      return /^(?:Z|ZSTD)_/.test(code) ? 'a layer is not valid gzip or zstd' : undefined;
  }
}
