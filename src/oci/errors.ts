// The error of all transfers between a registry and Larder.

/** The side of a copy that failed. */
export type RegistrySide = 'source' | 'target';

type Details = {
  /** The operation, such as `push manifest` or `mount blob`. */
  op: string;
  side: RegistrySide;
  /** The status of the registry's answer. Absent if there was no answer. */
  status?: number;
  /**
   * The registry's error code (distribution-spec, "Error Codes"), a code of Node for a broken connection, or a code of
   * Larder.
   */
  code: string;
  /** Whether a retry may succeed. */
  temporary: boolean;
  /** A sentence for people. It contains no query and no credentials. */
  message: string;
  retryAfterMs?: number;
  cause?: unknown;
};

/**
 * The error of a registry, or of content that is sent to a registry. The message contains host and path, but no query and no
 * credentials.
 */
export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly op: string;
  readonly side: RegistrySide;
  readonly status: number | undefined;
  readonly code: string;
  readonly temporary: boolean;
  /** The time after which the registry allows a retry, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(details: Details) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.op = details.op;
    this.side = details.side;
    this.status = details.status;
    this.code = details.code;
    this.temporary = details.temporary;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Returns the error with the given side of the copy. */
export function onSide(error: unknown, side: RegistrySide, op: string): RegistryError {
  if (error instanceof RegistryError) {
    return error.side === side ? error : withSide(error, side);
  }
  const code = codeOf(error) ?? 'FAILED';
  const message = error instanceof Error ? error.message : String(error);
  return new RegistryError({ op, side, code, temporary: isConnectionCode(code), message, cause: error });
}

function withSide(error: RegistryError, side: RegistrySide): RegistryError {
  return changed(error, { side });
}

/** Returns the error with another message. The reader of the message knows only the address of the registry. */
export function reworded(error: RegistryError, message: string): RegistryError {
  return changed(error, { message });
}

function changed(error: RegistryError, changes: { side?: RegistrySide; message?: string }): RegistryError {
  const { op, side, status, code, temporary, message, retryAfterMs } = error;
  return new RegistryError({
    ...{ op, side, code, temporary, message, cause: error, ...changes },
    ...(status !== undefined && { status }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** Returns the error, marked as temporary. */
export function asTemporary(error: RegistryError): RegistryError {
  const { op, side, status, code, message } = error;
  return new RegistryError({
    op,
    side,
    code,
    temporary: true,
    message,
    cause: error,
    ...(status !== undefined && { status }),
  });
}

/** Returns the `code` of an error of Node or Larder. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

const CONNECTION_CODES = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
  'HPE_INVALID_EOF_STATE',
  'PROXY',
  'TIMEOUT',
]);

/** Whether the code means that a connection broke or could not be opened. A retry may then succeed. */
export function isConnectionCode(code: string): boolean {
  return CONNECTION_CODES.has(code);
}
