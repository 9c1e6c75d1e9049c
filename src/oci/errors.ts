// The error of all transfers between a registry and Larder.

/** Which end of a copy failed. */
export type RegistrySide = 'source' | 'target';

type Details = {
  /** The operation, such as `push manifest` or `mount blob`. */
  op: string;
  side: RegistrySide;
  /** The status of the registry's answer; absent when there was no answer. */
  status?: number;
  /** The registry's error code (distribution-spec, "Error Codes"), Node's code for a broken connection, or a code of Larder. */
  code: string;
  /** True when a retry may succeed. */
  temporary: boolean;
  /** A sentence for people; it contains no query and no credentials. */
  message: string;
  retryAfterMs?: number;
  cause?: unknown;
};

/** The error of a registry, or of the content that was sent to it. The message names host and path, but no query and no credential. */
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

/** Returns the error with the side of the copy on which it occurred. */
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

/** Returns the error with another message, for a person who knows only the address of the registry. */
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

/** Returns the error as a temporary one. */
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

/** True for the codes of connections that broke or could not be opened: a retry may succeed. */
export function isConnectionCode(code: string): boolean {
  return CONNECTION_CODES.has(code);
}
