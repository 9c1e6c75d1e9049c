// Signed URLs: sends a file of the content store, or a range of it, to any client with a valid signature.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { parseRange } from '../../content/byte-range.ts';
import type { ContentStore } from '../../content/content.ts';
import { findReport } from '../../contract/report-kinds.ts';
import { isHeld } from './entity-tags.ts';
import { Rejection } from './problems.ts';
import { type SignedFile, verifySignedFile } from './signed-url.ts';

export type FileDownloadParts = { content: ContentStore; fileKey: Buffer };

/** Adds `GET /files/{digest}` with its signed parameters. */
export function addFileDownloads(app: FastifyInstance, parts: FileDownloadParts): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/files/:digest',
    exposeHeadRoute: false,
    handler: (request, reply) => answer(request, reply, parts),
  });
}

async function answer(request: FastifyRequest, reply: FastifyReply, parts: FileDownloadParts): Promise<FastifyReply> {
  const file = signedFileOf(request, parts.fileKey);
  const held = await parts.content.stat(file.digest);
  if (held === undefined) throw new Rejection('not-found');
  const tag = `"${file.digest}"`;
  describe(reply, file, tag);
  if (isHeld(request.headers['if-none-match'], tag)) return reply.code(304).send();
  const span = parseRange(rangeHeader(request, tag), held.size);
  if (span === 'unsatisfiable') {
    throw new Rejection('range-not-satisfiable', { headers: { 'content-range': `bytes */${held.size}` } });
  }
  const length = span === undefined ? held.size : span.end - span.start + 1;
  reply.code(span === undefined ? 200 : 206).header('content-length', length);
  if (span !== undefined) reply.header('content-range', `bytes ${span.start}-${span.end}/${held.size}`);
  if (request.method === 'HEAD') return reply.send();
  return reply.send(await parts.content.open(file.digest, span));
}

function signedFileOf(request: FastifyRequest, key: Buffer): SignedFile {
  const { digest } = request.params as { digest: string };
  const query = request.query as Record<string, unknown>;
  const [filename, type, expires, signature] = ['filename', 'type', 'expires', 'signature'].map((name) => query[name]);
  const given = { digest, filename, type, expires, signature };
  if (!Object.values(given).every((value) => typeof value === 'string')) throw new Rejection('link-invalid');
  const file = verifySignedFile(key, given as Parameters<typeof verifySignedFile>[1], Date.now() / 1000);
  if (file === undefined) throw new Rejection('link-invalid');
  return file;
}

function describe(reply: FastifyReply, file: SignedFile, tag: string): void {
  reply.headers({
    etag: tag,
    'accept-ranges': 'bytes',
    'content-type': mediaTypeOf(file),
    'content-disposition': disposition(file.filename),
    // The content of a digest never changes, so it may be cached, but only by the client that has the URL.
    'cache-control': 'private, max-age=600, immutable',
    // An uploaded file must never run as a page, because the browser may have a session here.
    'content-security-policy': "default-src 'none'; sandbox",
  });
}

/**
 * Returns the range to send. With If-Range, the range applies only if its tag is still current (RFC 9110, section 13.1.5).
 */
function rangeHeader(request: FastifyRequest, tag: string): string | undefined {
  const condition = request.headers['if-range'];
  return condition === undefined || condition === tag ? request.headers.range : undefined;
}

const BY_EXTENSION: Record<string, string> = {
  json: 'application/json',
  log: 'text/plain; charset=utf-8',
  txt: 'text/plain; charset=utf-8',
  xml: 'application/xml',
  gz: 'application/gzip',
  tgz: 'application/gzip',
};

/** Returns the media type of a file. The `mime_type` of a metadata file is a word of the API, such as `trigger_info`. */
function mediaTypeOf(file: SignedFile): string {
  if (/^[a-z]+\/[a-z0-9.+-]+$/.test(file.mime_type)) return file.mime_type;
  const report = findReport(file.mime_type);
  if (report !== undefined) return report.media_type;
  return BY_EXTENSION[file.filename.split('.').at(-1) ?? ''] ?? 'application/octet-stream';
}

/** Returns the header with an ASCII file name for old clients and with the real file name (RFC 6266). */
function disposition(filename: string): string {
  const plain = filename.replace(/[^A-Za-z0-9._ -]/g, '_');
  const real = encodeURIComponent(filename.toWellFormed()).replace(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16)}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${real}`;
}
