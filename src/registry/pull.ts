// Answers pulls: blobs and ranges of them, manifests by tag and digest, and HEAD for both (distribution-spec 1.1, "Pull").
import type { Readable } from 'node:stream';
import { parseRange } from '../content/byte-range.ts';
import type { ByteRange } from '../content/content.ts';
import { ContentMissing } from '../content/content-errors.ts';
import type { Digest } from '../oci/descriptor.ts';
import { MANIFEST_BYTES_MAX, readAtMost } from '../oci/manifest.ts';
import { isTag } from '../oci/reference.ts';
import { acceptsType } from './accept.ts';
import { getBlobSize } from './blobs.ts';
import { countPassed } from './garbage-collection.ts';
import { type FoundManifest, getManifest } from './manifests.ts';
import type { RegistryContext } from './registry-context.ts';
import { type RegistryExchange, readDigest, repositoryOf } from './registry-exchange.ts';
import { Rejection } from './rejection.ts';
import { holdPullShare } from './transfer-shares.ts';

/** Answers GET and HEAD of a blob. */
export async function pullBlob(exchange: RegistryExchange<'blob'>): Promise<unknown> {
  const { context, request, reply } = exchange;
  const digest = readDigest(exchange.asked.digest);
  const size = await getBlobSize(context.ask, repositoryOf(exchange), digest);
  if (request.method === 'GET') {
    holdPullShare(exchange);
  }
  reply.headers({ 'docker-content-digest': digest, etag: `"${digest}"`, 'accept-ranges': 'bytes' });
  reply.type('application/octet-stream');
  if (isKnown(request.headers['if-none-match'], digest)) {
    return await reply.code(304).send();
  }
  const range = isFresh(request.headers['if-range']?.toString(), digest)
    ? parseRange(request.headers.range, size)
    : undefined;
  if (range === 'unsatisfiable') {
    throw new Rejection('SIZE_INVALID', `the range is outside the blob, which has ${size} bytes`, {
      status: 416,
      headers: { 'content-range': `bytes */${size}` },
    });
  }
  if (range !== undefined) {
    reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${size}`);
  }
  reply.header('content-length', range === undefined ? size : range.end - range.start + 1);
  if (request.method === 'HEAD') {
    await requireHeld(context, 'blob', digest);
    return await reply.send();
  }
  return await reply.send(counted(await openContent(context, 'blob', { digest, ...(range && { range }) })));
}

/**
 * Counts the bytes that are read from a stream. The listener would start the stream, so the stream is paused until the answer
 * reads it.
 */
function counted(stream: Readable): Readable {
  return stream.on('data', (chunk: Buffer) => countPassed(chunk.length)).pause();
}

type ContentKind = 'blob' | 'manifest';

async function openContent(
  context: RegistryContext,
  kind: ContentKind,
  { digest, range }: { digest: Digest; range?: ByteRange },
) {
  return await context.content.open(digest, range).catch((error: unknown) => {
    throw error instanceof ContentMissing ? notHeld(kind, digest, error) : error;
  });
}

/**
 * Throws if the store lacks the content, also for HEAD. A client that has the content then pushes it, which repairs the
 * store.
 */
async function requireHeld(context: RegistryContext, kind: ContentKind, digest: Digest): Promise<void> {
  if ((await context.content.stat(digest)) === undefined) throw notHeld(kind, digest);
}

/**
 * Returns the error for content that has rows but is missing in the store. Its status is 404, because clients show messages
 * only for 4xx.
 */
function notHeld(kind: ContentKind, digest: Digest, cause?: ContentMissing): Rejection {
  const code = kind === 'blob' ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN';
  const message = `the registry lists this ${kind}, but its content store does not have it: the operator can list missing content with «larder content check»`;
  return new Rejection(code, message, { detail: { digest }, ...(cause && { cause }) });
}

/** Answers GET and HEAD of a manifest. */
export async function pullManifest(exchange: RegistryExchange<'manifest'>): Promise<unknown> {
  const { context, request, reply } = exchange;
  const { reference } = exchange.asked;
  if (!isTag(reference) && !reference.includes(':')) {
    // The reference is neither a tag nor a digest, so no such manifest can exist. The conformance suite expects 404.
    throw new Rejection('MANIFEST_UNKNOWN', 'manifest unknown to registry');
  }
  const manifest = await getManifest(
    context.ask,
    repositoryOf(exchange),
    isTag(reference) ? reference : readDigest(reference),
  );
  if (!acceptsType(request.headers.accept, manifest.media_type)) {
    throw new Rejection(
      'MANIFEST_UNKNOWN',
      `the manifest is of type ${manifest.media_type}, which the header Accept does not allow`,
    );
  }
  const { digest, media_type, size_bytes } = manifest;
  reply.headers({ 'docker-content-digest': digest, etag: `"${digest}"`, 'content-type': media_type });
  if (isKnown(request.headers['if-none-match'], digest)) {
    return await reply.code(304).send();
  }
  reply.header('content-length', size_bytes);
  if (request.method === 'HEAD') {
    if (context.manifests.get(digest) === undefined) await requireHeld(context, 'manifest', digest);
    return await reply.send();
  }
  return await reply.send(await readManifest(context, manifest));
}

async function readManifest(context: RegistryContext, { digest }: FoundManifest): Promise<Buffer> {
  const known = context.manifests.get(digest);
  if (known !== undefined) {
    return known;
  }
  const bytes = await readAtMost(await openContent(context, 'manifest', { digest }), MANIFEST_BYTES_MAX);
  context.manifests.set(digest, bytes);
  return bytes;
}

/** Whether the If-None-Match header contains this digest, so that the client already has it (RFC 9110, section 13.1.2). */
function isKnown(header: string | undefined, digest: Digest): boolean {
  return header?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === `"${digest}"`) ?? false;
}

/** Whether a range may be sent, because If-Range contains this digest or is absent (RFC 9110, section 13.1.5). */
function isFresh(header: string | undefined, digest: Digest): boolean {
  return header === undefined || header.trim() === `"${digest}"`;
}
