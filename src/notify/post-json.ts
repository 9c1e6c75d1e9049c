// One POST of JSON over the way out, in bounded time, with a bounded answer, and errors that never tell the address: it holds secrets.
import type { IncomingMessage } from 'node:http';
import type { Egress } from '../egress/egress.ts';
import { describeFault, faultOfError } from '../egress/network-faults.ts';
import { DeliveryError } from './delivery-error.ts';

/** Chats answer within a second; a delivery is claimed for longer than this. */
const ANSWER_MS_MAX = 20_000;
/** Answers repeat the message, and say little more. */
const ANSWER_BYTES_MAX = 64 * 1024;
/** What asks for a longer rest is asked again after this all the same. */
const RETRY_AFTER_SECONDS_MAX = 3_600;

export type Posted = { status: number /** Absent when it is no JSON. */; body?: unknown; retryAfterSeconds?: number };

type PostOptions = {
  egress: Egress;
  /** For messages to people. */
  whom: string;
  headers: Record<string, string>;
  body: unknown;
  signal?: AbortSignal;
};

/** Throws DeliveryError when there is no answer. Redirects are answers. */
export async function postJson(url: URL, options: PostOptions): Promise<Posted> {
  const { egress, whom, signal } = options;
  const time = AbortSignal.timeout(ANSWER_MS_MAX);
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const bytes = Buffer.from(JSON.stringify(options.body));
      const request = egress.request(url, {
        method: 'POST',
        headers: {
          ...options.headers,
          'Content-Type': 'application/json; charset=utf-8',
          'Content-Length': String(bytes.length),
        },
        signal: signal === undefined ? time : AbortSignal.any([time, signal]),
      });
      request.once('response', resolve);
      request.on('error', reject);
      request.end(bytes);
    });
    const body = parse(await read(response));
    const retryAfterSeconds = secondsOf(response.headers['retry-after']);
    return {
      status: response.statusCode ?? 0,
      ...(body !== undefined && { body }),
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    };
  } catch (error) {
    throw unreachable(error, whom);
  }
}

async function read(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > ANSWER_BYTES_MAX) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** RFC 9110, section 10.2.3; the form with a date is not used by chats. */
function secondsOf(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,9}$/.test(header)
    ? Math.min(Number(header), RETRY_AFTER_SECONDS_MAX)
    : undefined;
}

/** The cause is not kept: it may name the whole address. */
function unreachable(error: unknown, whom: string): DeliveryError {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'no answer';
  // Only the time limit aborts, or a worker that stops.
  const fault = code === 'ABORT_ERR' ? 'TIMEOUT' : faultOfError(error);
  if (fault === undefined) return new DeliveryError(`${whom} cannot be reached: ${code}`, { temporary: true });
  const temporary = fault !== 'ADDRESS_NOT_ALLOWED';
  return new DeliveryError(`${describeFault(fault, whom)}${temporary ? ` (${code})` : ''}`, { temporary });
}
