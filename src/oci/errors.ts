// The one error of everything that moves content between a registry and us.

/** Which end of a copy failed. */
export type RegistrySide = 'source' | 'target';

type Details = {
  /** What was tried: `push manifest`, `mount blob`. */
  op: string;
  side: RegistrySide;
  /** The registry's answer, absent when there was none. */
  status?: number;
  /** The registry's own code (distribution-spec, "Error Codes"), node's of a broken connection, or one of ours. */
  code: string;
  /** True when the same may work later. */
  temporary: boolean;
  /** For a person: no query, no credentials. */
  message: string;
  retryAfterMs?: number;
  cause?: unknown;
};

/** A registry, or the content that was to go there, failed. The message names host and path, never a query or a credential. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly op: string;
  readonly side: RegistrySide;
  readonly status: number | undefined;
  readonly code: string;
  readonly temporary: boolean;
  /** How long the registry asks to wait, in milliseconds. */
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

/** The same error as seen from the copy that it ended: what fails on a side is that side's. */
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

/** The same error in words for a person who knows the registry by its address only. */
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

/** The same error as one that another try may not meet. */
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

/** The `code` of an error of node's or ours. */
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

/** True for the codes of connections that broke or could not be made: another try may get through. */
export function isConnectionCode(code: string): boolean {
  return CONNECTION_CODES.has(code);
}
