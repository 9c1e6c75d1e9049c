// Reads a blob and verifies it. If the connection breaks, continues with a new connection.
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { ByteRange } from '../../content/content.ts';
import type { Descriptor } from '../descriptor.ts';
import { RegistryError } from '../errors.ts';
import { brokenConnection, type Call, type Session } from './registry-session.ts';
import { startRetry } from './retry.ts';

type Question = Pick<Call, 'op' | 'side' | 'url' | 'scopes' | 'headers'>;

/**
 * The first and the last position to read. With `whole`, the first request has no Range header. Only requests after a broken
 * connection have one.
 */
type Wanted = { start: number; end: number; whole: boolean };

/**
 * Yields the bytes of a blob or manifest, or of a range of it. If all bytes are read, checks their size and digest. Throws
 * RegistryError.
 */
export async function* download(
  session: Session,
  question: Question,
  { descriptor, range }: { descriptor: Descriptor; range?: ByteRange },
): AsyncGenerator<Buffer, void> {
  const start = range?.start ?? 0;
  const end = Math.min(range?.end ?? descriptor.size - 1, descriptor.size - 1);
  const whole = start === 0 && end === descriptor.size - 1;
  const hash = createHash('sha256');
  let position = start;
  for await (const chunk of readOn(session, question, { start, end, whole })) {
    position += chunk.length;
    if (position > end + 1) {
      throw mismatch(question, 'the content has more bytes than its descriptor says');
    }
    hash.update(chunk);
    yield chunk;
  }
  if (whole && `sha256:${hash.digest('hex')}` !== descriptor.digest) {
    throw mismatch(question, 'the bytes do not match the digest');
  }
}

/** Reads the wanted bytes. If a connection breaks, continues with a new connection. */
async function* readOn(session: Session, question: Question, wanted: Wanted): AsyncGenerator<Buffer, void> {
  const retry = startRetry({ policy: session.retry, ...(session.signal && { signal: session.signal }) });
  let start = wanted.start;
  for (;;) {
    try {
      for await (const chunk of await connect(session, question, { ...wanted, start })) {
        start += chunk.length;
        yield chunk;
      }
      if (start > wanted.end) {
        return;
      }
      throw mismatch(question, 'the content has fewer bytes than its descriptor says');
    } catch (error) {
      const known = error instanceof RegistryError ? error : brokenConnection(error, question, question.url);
      await retry.pause(known, start - wanted.start);
    }
  }
}

async function connect(session: Session, question: Question, wanted: Wanted): Promise<AsyncIterable<Buffer>> {
  const { start, end, whole } = wanted;
  if (start > end && !(whole && end < 0)) {
    return none();
  }
  const ranged = !(whole && start === 0);
  const response = await session.stream({
    ...question,
    method: 'GET',
    headers: { ...question.headers, ...(ranged && { Range: `bytes=${start}-${end}` }) },
    accept: ranged ? [200, 206] : [200],
    once: true,
  });
  return ranged && response.statusCode === 200 ? within(response, start, end) : response;
}

async function* none(): AsyncGenerator<Buffer, void> {}

/** Yields only the wanted range of an answer that has all bytes. A registry that does not support ranges sends all bytes. */
async function* within(response: IncomingMessage, start: number, end: number): AsyncGenerator<Buffer, void> {
  let position = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const part = chunk.subarray(Math.max(0, start - position), Math.max(0, end + 1 - position));
    position += chunk.length;
    if (part.length > 0) {
      yield part;
    }
    if (position > end) {
      return;
    }
  }
}

function mismatch({ op, side, url }: Question, reason: string): RegistryError {
  const message = `${op} at ${url.host}${url.pathname}: ${reason}`;
  return new RegistryError({ op, side, code: 'CONTENT_MISMATCH', temporary: false, message });
}
