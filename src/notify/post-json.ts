// Sends a POST request with JSON through the egress. Errors never contain the address, because it contains secrets.
import type { Egress } from '../egress/egress.ts';
import { FetchError } from '../egress/fetch.ts';
import { CHAT_LIMITS } from '../egress/fetch-limits.ts';
import { describeFault, faultOfError } from '../egress/network-faults.ts';
import { DeliveryError } from './delivery-error.ts';

/** The longest pause before another attempt, even if the server requests a longer pause. */
const RETRY_AFTER_SECONDS_MAX = 3_600;

export type Posted = { status: number /** Absent if it is not JSON. */; body?: unknown; retryAfterSeconds?: number };

type PostOptions = {
  egress: Egress;
  /** The name of the server for error messages. */
  whom: string;
  headers: Record<string, string>;
  body: unknown;
  signal?: AbortSignal;
};

/** Sends JSON and returns the response, even if it is a redirect. Throws DeliveryError if there is no response. */
export async function postJson(url: URL, options: PostOptions): Promise<Posted> {
  const { egress, whom, signal } = options;
  try {
    const answer = await egress.fetch(url, {
      method: 'POST',
      headers: { ...options.headers, 'Content-Type': 'application/json; charset=utf-8' },
      body: Buffer.from(JSON.stringify(options.body)),
      limits: CHAT_LIMITS,
      ...(signal && { signal }),
    });
    const body = parse(answer.bytes.toString('utf8'));
    const retryAfterSeconds = secondsOf(answer.headers['retry-after']);
    return {
      status: answer.status,
      ...(body !== undefined && { body }),
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    };
  } catch (error) {
    // The chat has answered, so it may already show the message. Another attempt could show it twice.
    if (error instanceof FetchError && error.status !== undefined) return { status: error.status };
    throw unreachable(error, whom);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads the header Retry-After (RFC 9110, section 10.2.3). Ignores a date, because chats do not use this form. */
function secondsOf(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,9}$/.test(header)
    ? Math.min(Number(header), RETRY_AFTER_SECONDS_MAX)
    : undefined;
}

/** Returns the error for a failed request. The cause is dropped, because it may contain the whole address. */
function unreachable(error: unknown, whom: string): DeliveryError {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'no answer';
  // Only two things abort a request: the time limit, and the stop of the worker.
  const fault = code === 'ABORT_ERR' ? 'TIMEOUT' : faultOfError(error);
  if (fault === undefined) return new DeliveryError(`${whom} cannot be reached: ${code}`, { temporary: true });
  const temporary = fault !== 'ADDRESS_NOT_ALLOWED';
  return new DeliveryError(`${describeFault(fault, whom)}${temporary ? ` (${code})` : ''}`, { temporary });
}
