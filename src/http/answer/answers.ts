// The parts that all answers share: the request id, problem+json, one log line, and `Connection: close` while the server stops.
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ARCHIVE_BYTES_MAX } from '../../customization/limits.ts';
import type { Readiness } from '../health.ts';
import {
  BODY_TIMEOUT_MS,
  DROPPED_JSON_BYTES_MAX,
  LAST_ANSWER_MS,
  UPLOAD_TIMEOUT_MS,
  URL_LENGTH_MAX,
} from '../limits.ts';
import { dropBody, hasBody } from '../request/body-bytes.ts';
import { REQUEST_ID_HEADER, requestIdOf } from '../request/request-id.ts';
import { missingThing } from './missing-thing.ts';
import { PROBLEM_CONTENT_TYPE, PROBLEMS, problemBody, Rejection } from './problems.ts';
import { rejectionOf } from './rejections.ts';

/** Adds the hooks and the error handler that all routes share. */
export function addAnswers(app: FastifyInstance, readiness: Readiness): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header(REQUEST_ID_HEADER, request.id);
    if (request.url.length > URL_LENGTH_MAX) throw new Rejection('address-too-long');
    // While the server stops, clients must not reuse the connection.
    if (readiness.draining) reply.header('connection', 'close');
  });
  app.addHook('onSend', async (_request, reply, payload) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'private, no-cache');
    return payload;
  });
  app.addHook('onResponse', async (request, reply) => logAnswer(request, reply));
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply));
}

/** The log line names the route of a request and not its URL, because URLs may contain tokens. */
function logAnswer(request: FastifyRequest, reply: FastifyReply): void {
  const { method, routeOptions } = request;
  const line = {
    method,
    route: routeOptions.url,
    status: reply.statusCode,
    ms: Math.round(reply.elapsedTime),
    address: request.ip,
  };
  request.log.info(line, 'answered');
}

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const rejection = rejectionOf(error);
  const { status } = PROBLEMS[rejection.code];
  if (status >= 500) request.log.error({ err: rejection.cause ?? rejection }, 'failed');
  else request.log.debug({ code: rejection.code, err: rejection.cause }, 'rejected');
  void readToEnd(request);
  const path = request.url.split('?', 1)[0] ?? '';
  return reply
    .code(status)
    .headers(rejection.headers)
    .header('content-type', PROBLEM_CONTENT_TYPE)
    .removeHeader('content-length')
    .serializer((body) => JSON.stringify(body))
    .send(problemBody(rejection, path, missingOf(rejection, request)));
}

/**
 * Returns the detail of a 404 at an endpoint. Returns undefined for other errors, and for paths of no endpoint, because they
 * name no resource.
 */
function missingOf({ code, noun }: Rejection, { routeOptions, params }: FastifyRequest): string | undefined {
  if (code !== 'not-found' || !('operation' in routeOptions.config)) return undefined;
  return missingThing(params as Record<string, string>, noun);
}

/** Answers 404 for a URL that the router could not parse, like for any unknown path. */
export function answerFrameworkError(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  reply.header(REQUEST_ID_HEADER, request.id);
  answerError(new Rejection('not-found', { cause: error }), request, reply);
}

/**
 * Reads and drops the rest of the body after a rejection, while the answer is sent. If the connection were closed while the
 * client still sends, it would be reset before the client reads the answer. If the rest is longer than a limit, closes the
 * connection.
 */
async function readToEnd(request: FastifyRequest): Promise<void> {
  if (!hasBody(request.raw)) return;
  const { upload } = request.routeOptions.config as { upload?: boolean };
  const bytesMax = upload ? ARCHIVE_BYTES_MAX : DROPPED_JSON_BYTES_MAX;
  const ended = await dropBody(request.raw, { bytesMax, timeoutMs: upload ? UPLOAD_TIMEOUT_MS : BODY_TIMEOUT_MS });
  if (!ended) request.raw.destroy();
}

/** Answers requests that could not be parsed (Node's `clientError`). */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  writeLastAnswer(socket, clientRejection(error), { id: requestIdOf({ headers: {} }), url: '/' });
}

/** Answers a request whose bytes are still arriving, and closes its connection after the answer. */
export function endConnection(socket: Socket, rejection: Rejection, request: Pick<FastifyRequest, 'id' | 'url'>): void {
  writeLastAnswer(socket, rejection, request);
  socket.once('finish', () => socket.destroy());
}

/**
 * Writes an answer directly to the socket and ends the socket's sending side. The client has LAST_ANSWER_MS to read the
 * answer and to close the connection.
 */
function writeLastAnswer(socket: Socket, rejection: Rejection, { id, url }: Pick<FastifyRequest, 'id' | 'url'>): void {
  const { status } = PROBLEMS[rejection.code];
  const body = JSON.stringify(problemBody(rejection, url.split('?', 1)[0] ?? ''));
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `content-type: ${PROBLEM_CONTENT_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `${REQUEST_ID_HEADER}: ${id}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  // Without this timer, a client that keeps sending would keep the connection open forever.
  const late = setTimeout(() => socket.destroy(), LAST_ANSWER_MS).unref();
  socket.once('close', () => clearTimeout(late));
}

function clientRejection(error: NodeJS.ErrnoException): Rejection {
  if (error.code === 'HPE_HEADER_OVERFLOW') return new Rejection('headers-too-large');
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return new Rejection('timeout');
  return new Rejection('malformed-request');
}
