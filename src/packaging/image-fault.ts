// Error texts for faults of an image from outside, which fail its build for good; a build with another error can be retried.

/**
 * Returns the fault of the image; undefined for an error with another cause (the store fails, a content is missing). Errors are
 * recognized by their names, which they keep when another process sends them.
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
      return `a layer does not match its config: ${message}`;
    default:
      // zlib's codes are `Z_DATA_ERROR` and the like, zstd's `ZSTD_error_prefix_unknown` and the like.
      return /^(?:Z|ZSTD)_/.test(code) ? 'a layer is not valid gzip or zstd' : undefined;
  }
}
