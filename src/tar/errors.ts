// The error of this folder. It describes a fault of an archive with a code and with a message for the person who made the
// archive.

/** The reasons why an archive is rejected. */
export type TarErrorCode =
  | 'NOT_TAR'
  | 'CHECKSUM'
  | 'HEADER_FIELD'
  | 'SIZE'
  | 'NAME'
  | 'PATH_CLIMBS'
  | 'TYPE_UNKNOWN'
  | 'SPARSE'
  | 'MULTIVOLUME'
  | 'EXTENSION'
  | 'GLOBAL_HEADER'
  | 'TRUNCATED'
  | 'TRAILING_DATA'
  | 'BODY_SIZE'
  | 'BODY_GONE'
  | 'LIMIT';

/**
 * The error for an archive that cannot be read, or an entry that cannot be written. `path` is the path of the entry as
 * written in the archive.
 */
export class TarError extends Error {
  override readonly name = 'TarError';
  readonly code: TarErrorCode;
  readonly path?: string;
  /** The message without the path. */
  readonly reason: string;

  constructor(code: TarErrorCode, message: string, path?: string) {
    super(path === undefined ? message : `${path}: ${message}`);
    this.code = code;
    this.reason = message;
    if (path !== undefined) this.path = path;
  }
}
