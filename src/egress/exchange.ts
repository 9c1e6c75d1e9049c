// Sends one HTTP request and receives the head of its response. Bodies are streams. Broken and silent connections are errors.
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { RequestOptions } from 'node:https';

/** A body that can be opened again for a retry. */
export type Body = { size: number; open: () => Promise<AsyncIterable<Uint8Array>> };

export type Exchange = {
  method: string;
  url: URL;
  headers: Record<string, string>;
  body?: Body;
  /** A connection without data in either direction for this many milliseconds counts as broken. */
  idleMs: number;
  signal?: AbortSignal;
};

/** The part of an egress that starts requests. */
export type RequestSender = {
  /**
   * Starts a request like `request` of node:http, with reused connections. Does not follow redirects. The caller sends a new
   * request to the new address, so that the new address is checked too. Fails with EgressRefused if the address is not
   * allowed.
   */
  request(url: URL, options?: RequestOptions): ClientRequest;
};

/**
 * A request with a body up to this size, in bytes, is sent again after a broken connection. Such bodies are manifests and
 * configs, and sending them twice has the same effect.
 */
const REPEATED_BYTES_MAX = 64 * 1024;

/** The error for a connection that was silent for too long. */
class SilentConnection extends Error {
  readonly code = 'TIMEOUT';
}

/** The error for a request whose body could not be read. `cause` is the error of the body. */
export class BodyFailed extends Error {
  override readonly name = 'BodyFailed';
  readonly code = 'BODY_FAILED';

  constructor(cause: unknown) {
    super('the body of the request could not be read', { cause });
  }
}

/** The error for a body whose actual size differs from its declared size. */
export class BodySizeWrong extends Error {
  override readonly name = 'BodySizeWrong';
  readonly code = 'BODY_SIZE_WRONG';
  readonly sizes: { expected: number; actual: number };

  constructor(sizes: { expected: number; actual: number }) {
    super(`the body of the request has ${sizes.actual} bytes, not ${sizes.expected}`);
    this.sizes = sizes;
  }
}

/**
 * Sends a request and resolves when the head of the response has arrived. The caller reads the body. If the response arrives
 * before the whole request was sent, the rest is not sent. Redirects are returned and not followed. Throws BodyFailed and the
 * error of the connection.
 */
export async function exchange(egress: RequestSender, wanted: Exchange): Promise<IncomingMessage> {
  for (;;) {
    const request = begin(egress, wanted);
    try {
      return await talk(request, wanted);
    } catch (error) {
      request.destroy();
      if (!(request.reusedSocket && isReset(error) && isRepeatable(wanted)) || wanted.signal?.aborted) {
        throw error;
      }
    }
  }
}

/**
 * Whether a request may be sent again when a reused connection breaks. In most cases the server closed the idle connection
 * and received nothing. But it may also have received a part of the request. So parts of an upload, which must not be sent
 * twice, are not sent again here. The caller knows how much of the upload the server has.
 */
function isRepeatable({ method, body }: Exchange): boolean {
  return method !== 'PATCH' && (body?.size ?? 0) <= REPEATED_BYTES_MAX;
}

function isReset(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}

function begin(egress: RequestSender, { method, url, headers, body, idleMs, signal }: Exchange): ClientRequest {
  const length = body === undefined ? (method === 'GET' || method === 'HEAD' ? undefined : 0) : body.size;
  const request = egress.request(url, {
    method,
    headers: { ...headers, ...(length !== undefined && { 'Content-Length': String(length) }) },
    ...(signal !== undefined && { signal }),
  });
  request.setTimeout(idleMs, () => request.destroy(new SilentConnection(`no answer for ${idleMs / 1000} s`)));
  return request;
}

async function talk(request: ClientRequest, { body }: Exchange): Promise<IncomingMessage> {
  const answer = answerOf(request);
  if (body === undefined) {
    request.end();
    return await answer;
  }
  // If the sending fails, the request is ended. If the request fails, the sending is ended.
  const [sent, answered] = await Promise.allSettled([send(request, body), answer]);
  if (answered.status === 'fulfilled') {
    return answered.value;
  }
  throw sent.status === 'rejected' ? sent.reason : answered.reason;
}

function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', (response) => {
      response.once('close', () => request.writableEnded || request.destroy());
      resolve(response);
    });
    request.on('error', reject);
    request.once('close', () => reject(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })));
  });
}

async function send(request: ClientRequest, body: Body): Promise<void> {
  let answered = false;
  request.once('response', () => {
    answered = true;
  });
  try {
    let sent = 0;
    for await (const chunk of await body.open()) {
      sent += chunk.length;
      if (answered || request.destroyed) {
        return;
      }
      if (sent > body.size) {
        break;
      }
      if (!request.write(chunk)) {
        await writable(request);
      }
    }
    if (sent !== body.size) {
      throw new BodySizeWrong({ expected: body.size, actual: sent });
    }
  } catch (error) {
    request.destroy();
    throw new BodyFailed(error);
  }
  request.end();
}

/** Waits until more can be written, or until the request is closed or answered. */
function writable(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const events = ['drain', 'close', 'response'];
    const done = () => {
      for (const event of events) {
        request.off(event, done);
      }
      resolve();
    };
    for (const event of events) {
      request.on(event, done);
    }
  });
}
