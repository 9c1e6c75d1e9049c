// What every answer has in common: the request's id, problems as problem+json, a line in the log, and a stop that is announced.
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
    // Told to stop, the connection is not offered for more.
    if (readiness.draining) reply.header('connection', 'close');
  });
  app.addHook('onSend', async (_request, reply, payload) => {
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'private, no-cache');
    return payload;
  });
  app.addHook('onResponse', async (request, reply) => logAnswer(request, reply));
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply));
}

/** The line of a request: its route and not its address, which may hold tokens. */
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

/** Of an endpoint alone: at other addresses there are no things. */
function missingOf({ code, noun }: Rejection, { routeOptions, params }: FastifyRequest): string | undefined {
  if (code !== 'not-found' || !('operation' in routeOptions.config)) return undefined;
  return missingThing(params as Record<string, string>, noun);
}

/** Answers an address that the router could not read: like every address under which nothing is, 404. */
export function answerFrameworkError(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  reply.header(REQUEST_ID_HEADER, request.id);
  answerError(new Rejection('not-found', { cause: error }), request, reply);
}

/**
 * A rejected body is read on and dropped while the answer goes out: closing the connection on a sender that still sends
 * would reset it before the answer is read. Beyond the limit it is closed.
 */
async function readToEnd(request: FastifyRequest): Promise<void> {
  if (!hasBody(request.raw)) return;
  const { upload } = request.routeOptions.config as { upload?: boolean };
  const bytesMax = upload ? ARCHIVE_BYTES_MAX : DROPPED_JSON_BYTES_MAX;
  const ended = await dropBody(request.raw, { bytesMax, timeoutMs: upload ? UPLOAD_TIMEOUT_MS : BODY_TIMEOUT_MS });
  if (!ended) request.raw.destroy();
}

/** Answers what could not even be read as a request (Node's `clientError`). */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  writeLastAnswer(socket, clientRejection(error), { id: requestIdOf({ headers: {} }), url: '/' });
}

/** Answers a request that is still arriving and closes its connection as soon as the answer is sent. */
export function endConnection(socket: Socket, rejection: Rejection, request: Pick<FastifyRequest, 'id' | 'url'>): void {
  writeLastAnswer(socket, rejection, request);
  socket.once('finish', () => socket.destroy());
}

/** Writes an answer past Node's own and ends the sending side of the connection; the client has a moment to read it and to close. */
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
  // A client that goes on sending would keep the connection for ever.
  const late = setTimeout(() => socket.destroy(), LAST_ANSWER_MS).unref();
  socket.once('close', () => clearTimeout(late));
}

function clientRejection(error: NodeJS.ErrnoException): Rejection {
  if (error.code === 'HPE_HEADER_OVERFLOW') return new Rejection('headers-too-large');
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') return new Rejection('timeout');
  return new Rejection('malformed-request');
}
