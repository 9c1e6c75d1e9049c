// Ends requests whose body arrives too slowly, so that a slow sender cannot hold a slot, a file or a connection.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { endConnection } from '../answer/answers.ts';
import { Rejection } from '../answer/problems.ts';
import { BODY_RATE_BYTES_MIN, BODY_RATE_WINDOW_MS } from '../limits.ts';
import { hasBody } from './body-bytes.ts';

export type MinimumRate = { bytesPerSecond: number; windowMs: number };

const MINIMUM_RATE: MinimumRate = { bytesPerSecond: BODY_RATE_BYTES_MIN, windowMs: BODY_RATE_WINDOW_MS };

/** Watches the body of every request. This includes a body whose rest is dropped after the answer. */
export function addMinimumRate(app: FastifyInstance, rate: MinimumRate = MINIMUM_RATE): void {
  app.addHook('onRequest', async (request, reply) => {
    if (hasBody(request.raw)) watchBody(request, reply, rate);
  });
}

function watchBody(request: FastifyRequest, reply: FastifyReply, rate: MinimumRate): void {
  const { raw } = request;
  const { socket } = raw;
  let before = socket.bytesRead;
  const timer = setInterval(() => {
    const moved = socket.bytesRead - before;
    before = socket.bytesRead;
    if (raw.complete || raw.destroyed) return clearInterval(timer);
    // The buffer has unread bytes, so the server is slow and not the client.
    if (raw.readableLength > 0) return;
    if (moved < (rate.bytesPerSecond * rate.windowMs) / 1000) endSlow(request, reply, rate);
  }, rate.windowMs).unref();
  raw.once('close', () => clearInterval(timer));
}

function endSlow(request: FastifyRequest, reply: FastifyReply, { bytesPerSecond, windowMs }: MinimumRate): void {
  const { socket } = request.raw;
  request.log.info({ route: request.routeOptions.url, address: request.ip }, 'ended: the body arrives too slowly');
  // No answer is possible, because the request was already answered, or because the answer of an earlier pipelined request is
  // being sent.
  if (reply.raw.headersSent || reply.raw.socket === null) {
    socket.destroy();
    return;
  }
  const detail = `The body arrived at less than ${bytesPerSecond} bytes a second, on average over ${windowMs / 1000} s.`;
  endConnection(socket, new Rejection('timeout', { detail }), request);
}
