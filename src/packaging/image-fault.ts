// Error texts for faults of an image that Larder did not build. With such a fault, every build on the image fails. A build
// that failed for another reason can be retried.

/**
 * Returns the fault of the image. Returns undefined if the error has another cause, for example a failing store or missing
 * content. Recognizes errors by their names, because an error from another process has lost its class.
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
      // Error codes of zlib begin with `Z_` (`Z_DATA_ERROR`), and error codes of zstd begin with `ZSTD_`
      // (`ZSTD_error_prefix_unknown`).
      return /^(?:Z|ZSTD)_/.test(code) ? 'a layer is not valid gzip or zstd' : undefined;
  }
}
