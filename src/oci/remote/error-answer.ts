// Converts the rejection of a registry to an error with a message for people (distribution-spec, "Error Codes").
import type { IncomingMessage } from 'node:http';
import { RegistryError, type RegistrySide } from '../errors.ts';
import { readAtMost } from '../manifest.ts';

const ERROR_BYTES_MAX = 64 * 1024;
const MESSAGE_LENGTH_MAX = 300;
const TEMPORARY = new Set([408, 425, 429, 500, 502, 503, 504]);
const CODES: Record<number, string> = { 401: 'UNAUTHORIZED', 403: 'DENIED', 404: 'NOT_FOUND', 429: 'TOOMANYREQUESTS' };

/** Reads a rejection. Returns an error with the registry's message, from which `redact` has removed secrets. */
export async function rejectionOf(
  response: IncomingMessage,
  { call, url, redact }: { call: { op: string; side: RegistrySide }; url: URL; redact: (text: string) => string },
): Promise<RegistryError> {
  const status = response.statusCode ?? 0;
  const answer = await readAtMost(response, ERROR_BYTES_MAX).then(errorOf, () => undefined);
  const code = answer?.code ?? CODES[status] ?? `HTTP_${status}`;
  const reason = redact(answer?.message ?? '').slice(0, MESSAGE_LENGTH_MAX);
  const retryAfterMs = retryAfter(response.headers['retry-after']);
  return new RegistryError({
    op: call.op,
    side: call.side,
    status,
    code,
    temporary: TEMPORARY.has(status),
    message: `${call.op} at ${url.host}${url.pathname}: ${status} ${code}${reason === '' ? '' : `: ${reason}`}`,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** Returns the first error in a registry's answer, without control characters (distribution-spec, "Error Codes"). */
function errorOf(bytes: Buffer): { code?: string; message?: string } | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
  const { errors } = (answer ?? {}) as { errors?: unknown };
  const first = (Array.isArray(errors) ? errors[0] : undefined) as { code?: unknown; message?: unknown } | undefined;
  return {
    ...(typeof first?.code === 'string' && /^[A-Z_]{1,64}$/.test(first.code) && { code: first.code }),
    ...(typeof first?.message === 'string' && { message: first.message.replace(/[\p{Cc}\p{Cf}]/gu, ' ') }),
  };
}

function retryAfter(header: string | undefined): number | undefined {
  if (header === undefined) {
    return undefined;
  }
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
