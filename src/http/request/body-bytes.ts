// Reads the body of a request up to a limit. If the request is rejected, reads and drops the body, so that the client sees
// the answer.
import type { IncomingMessage } from 'node:http';
import { Rejection } from '../answer/problems.ts';

export type BodyOptions = {
  bytesMax: number;
  /** How many bytes beyond `bytesMax` are read and dropped before the answer. */
  droppedBytesMax: number;
  timeoutMs: number;
};

/**
 * Reads a whole body. Rejects with Rejection: too-large if the body exceeds the limit, and timeout if it does not arrive in
 * time.
 */
export function readBody(stream: IncomingMessage, options: BodyOptions): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let length = 0;
  const take = (chunk: Buffer) => {
    length += chunk.length;
    if (length <= options.bytesMax) chunks.push(chunk);
    else chunks.length = 0;
    if (length > options.bytesMax + options.droppedBytesMax) reject(tooLarge(options.bytesMax));
  };
  const end = () => (length > options.bytesMax ? reject(tooLarge(options.bytesMax)) : resolve(Buffer.concat(chunks)));
  const broken = () => reject(new Rejection('malformed-request', { detail: 'The body ended early.' }));
  const late = setTimeout(() => reject(new Rejection('timeout')), options.timeoutMs);
  stream.on('data', take).on('end', end).on('error', broken).on('close', broken);
  if (stream.destroyed) broken();
  return promise.finally(() => {
    clearTimeout(late);
    stream.off('data', take).off('end', end).off('error', broken).off('close', broken);
  });
}

/** Whether a body follows the headers (RFC 9112, section 6). */
export function hasBody({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  if (headers['transfer-encoding'] !== undefined) return true;
  return headers['content-length'] !== undefined && headers['content-length'] !== '0';
}

/** Returns a 413 that states the limit. */
export function tooLarge(bytesMax: number): Rejection {
  const mebibytes = bytesMax / (1024 * 1024);
  const limit = mebibytes >= 1 ? `${mebibytes} MiB` : `${bytesMax / 1024} KiB`;
  return new Rejection('too-large', { detail: `The limit is ${limit}.` });
}

/** Reads and drops the rest of a body, up to a limit. Resolves with whether the body ended, and never rejects. */
export function dropBody(stream: IncomingMessage, options: { bytesMax: number; timeoutMs: number }): Promise<boolean> {
  if (stream.readableEnded) return Promise.resolve(true);
  if (stream.destroyed) return Promise.resolve(false);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let length = 0;
  const take = (chunk: Buffer) => {
    length += chunk.length;
    if (length > options.bytesMax) resolve(false);
  };
  const broken = () => resolve(false);
  const late = setTimeout(broken, options.timeoutMs);
  stream.unpipe();
  stream
    .on('data', take)
    .once('end', () => resolve(true))
    .once('close', broken)
    .once('error', broken);
  stream.resume();
  return promise.finally(() => {
    clearTimeout(late);
    stream.off('data', take);
  });
}
