// The bounded HTTP client: sends one request and returns its whole response, within limits of time and size.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { exchange, type RequestSender } from './exchange.ts';
import type { FetchLimits } from './fetch-limits.ts';

export type FetchOptions = {
  method: string;
  headers?: Record<string, string>;
  body?: Buffer;
  limits: FetchLimits;
  signal?: AbortSignal;
};

export type Fetched = {
  status: number;
  headers: IncomingHttpHeaders;
  /** Each header with all its values. */
  headersDistinct: NodeJS.Dict<string[]>;
  bytes: Buffer<ArrayBuffer>;
};

type FetchErrorCode = 'TIMEOUT' | 'ANSWER_TOO_LARGE' | 'ANSWER_ENCODED';

/** The error for a response that exceeds a limit. The message omits the address, because an address may contain secrets. */
export class FetchError extends Error {
  override readonly name = 'FetchError';
  readonly code: FetchErrorCode;
  /** The status of the response, if its head was received. */
  readonly status: number | undefined;

  constructor(code: FetchErrorCode, message: string, status?: number) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/**
 * Sends a request and returns the whole response, with any status. Redirects are returned and not followed. Responses are not
 * decompressed, so a response with a content encoding is rejected. Throws FetchError, the error of the connection, and
 * AbortError if `signal` ends the request.
 */
export async function fetchWhole(egress: RequestSender, url: URL, options: FetchOptions): Promise<Fetched> {
  const { method, headers = {}, body, limits, signal } = options;
  const time = AbortSignal.timeout(limits.timeMs);
  try {
    const response = await exchange(egress, {
      method,
      url,
      headers: { 'Accept-Encoding': 'identity', ...headers },
      idleMs: limits.timeMs,
      signal: signal === undefined ? time : AbortSignal.any([signal, time]),
      ...(body !== undefined && { body: { size: body.length, open: async () => once(body) } }),
    });
    const bytes = await readWhole(response, limits.answerBytesMax);
    return { status: statusOf(response), headers: response.headers, headersDistinct: response.headersDistinct, bytes };
  } catch (error) {
    if (!time.aborted || signal?.aborted) throw error;
    throw new FetchError('TIMEOUT', `no complete answer within ${limits.timeMs / 1000} s`);
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}

async function readWhole(response: IncomingMessage, sizeBytesMax: number): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  let size = 0;
  // If the loop ends early, this destroys the response and its connection.
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > sizeBytesMax) {
      throw new FetchError('ANSWER_TOO_LARGE', `the answer has more than ${sizeBytesMax} bytes`, statusOf(response));
    }
    chunks.push(chunk);
  }
  const encoding = response.headers['content-encoding'] ?? 'identity';
  if (size > 0 && encoding.toLowerCase() !== 'identity') {
    throw new FetchError(
      'ANSWER_ENCODED',
      'the answer is compressed, although the request does not accept compression',
      statusOf(response),
    );
  }
  return Buffer.concat(chunks, size);
}

function statusOf({ statusCode }: IncomingMessage): number {
  return statusCode ?? 0;
}
