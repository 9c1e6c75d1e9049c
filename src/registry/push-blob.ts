// Answers pushes of blobs: whole, in chunks, resumed, or mounted (distribution-spec 1.1, "Pushing blobs").
import type { FastifyReply, FastifyRequest } from 'fastify';
import { parseContentRange } from '../content/byte-range.ts';
import type { ContentInfo } from '../content/content.ts';
import { ContentMismatch, OffsetMismatch } from '../content/content-errors.ts';
import type { Digest } from '../oci/descriptor.ts';
import { isRepository } from '../oci/reference.ts';
import { addBlob, mountBlob, REFERRER_BLOB_BYTES_MAX, removeBlob } from './blobs.ts';
import { bodyOf, declaredLength, hasBody } from './body.ts';
import { isGranted } from './caller.ts';
import { isUploadId } from './names.ts';
import { type RegistryExchange, readDigest, repositoryOf } from './registry-exchange.ts';
import { ownedByLarder, Rejection } from './rejection.ts';
import { isClosed } from './repositories.ts';
import { endUpload, getUpload, startUpload, type UploadRow } from './uploads.ts';

/**
 * A last PUT with at most this many bytes is written directly to content. A larger PUT is appended to the upload, so that the
 * client can resume it.
 */
const DIRECT_BYTES_MAX = 1024 * 1024;

/** The repository of an upload, and the reply to the request. */
type Place = { asked: { name: string }; reply: FastifyReply };

/** Answers POST. Opens a session, stores a whole blob (`digest=`), or mounts a blob (`mount=&from=`). */
export async function beginUpload(exchange: RegistryExchange<'uploads'>): Promise<unknown> {
  const { context, query, request } = exchange;
  await context.checkFreeSpace();
  if (query.has('mount')) {
    return await answerMount(exchange, readDigest(query.get('mount')));
  }
  if (query.has('digest')) {
    const digest = readDigest(query.get('digest'));
    await checkWholeBlob(exchange);
    const blob = await orDigestInvalid(context.content.put(bodyOf(request), { digest }));
    await addBlob(context.ask, repositoryOf(exchange), blob);
    return await created(exchange, digest);
  }
  return await accepted(exchange, await startUpload(context.ask, repositoryOf(exchange)), 0);
}

/** Rejects a layer for a repository of Larder before the client sends it. Throws DENIED. */
async function checkWholeBlob(exchange: RegistryExchange<'uploads'>): Promise<void> {
  const length = declaredLength(exchange.request) ?? Number.POSITIVE_INFINITY;
  if (length > REFERRER_BLOB_BYTES_MAX && (await isClosed(exchange.context.ask, repositoryOf(exchange)))) {
    throw ownedByLarder(exchange.asked.name);
  }
}

/**
 * Answers a mount. The answer is 201 only if the caller can read the repository of the blob. Otherwise a session is opened,
 * and the answer gives no reason.
 */
async function answerMount(exchange: RegistryExchange<'uploads'>, digest: Digest): Promise<unknown> {
  const { context, query, caller } = exchange;
  const from = query.get('from') ?? '';
  const readable = isRepository(from) && isGranted(caller, { type: 'repository', name: from, action: 'pull' });
  if (!readable) {
    return await accepted(exchange, await startUpload(context.ask, repositoryOf(exchange)), 0);
  }
  const mount = await mountBlob(context.ask, repositoryOf(exchange), { digest, from });
  return await (mount.mounted ? created(exchange, digest) : accepted(exchange, mount.upload_id, 0));
}

/** Answers PATCH. Stores the next chunk, or a stream of unknown length. */
export async function continueUpload(exchange: RegistryExchange<'upload'>): Promise<unknown> {
  await exchange.context.checkFreeSpace();
  return await exclusively(
    exchange,
    async (upload) => await accepted(exchange, upload.id, await appendBody(exchange, upload)),
  );
}

/** Answers GET of an upload with the number of received bytes. */
export async function showUpload(exchange: RegistryExchange<'upload'>): Promise<unknown> {
  const { id } = await findSession(exchange, false);
  return await accepted(exchange, id, await exchange.context.content.uploads.length(id), 204);
}

/** Answers DELETE of an upload by cancelling the upload. */
export async function cancelUpload(exchange: RegistryExchange<'upload'>): Promise<unknown> {
  const { context } = exchange;
  await exclusively(exchange, async ({ id }) => {
    await context.content.uploads.drop(id);
    await endUpload(context.ask, id);
  });
  return await exchange.reply.code(204).send();
}

/** Answers PUT of an upload. The request has the digest of the whole blob, and may have the last bytes. */
export async function finishUpload(exchange: RegistryExchange<'upload'>): Promise<unknown> {
  const { context, query } = exchange;
  const digest = readDigest(query.get('digest'));
  await context.checkFreeSpace();
  return await exclusively(exchange, async (upload) => {
    const blob = await orDigestInvalid(takeRest(exchange, upload, digest));
    await addBlob(context.ask, repositoryOf(exchange), { ...blob, upload_id: upload.id });
    return await created(exchange, digest);
  });
}

/** Answers DELETE of a blob. */
export async function deleteBlob(exchange: RegistryExchange<'blob'>): Promise<unknown> {
  await removeBlob(exchange.context.pool, repositoryOf(exchange), readDigest(exchange.asked.digest));
  return await exchange.reply.code(202).send();
}

async function takeRest(exchange: RegistryExchange<'upload'>, upload: UploadRow, digest: Digest): Promise<ContentInfo> {
  const { content } = exchange.context;
  const { id } = upload;
  const { request } = exchange;
  if (hasBody(request)) {
    const length = declaredLength(request);
    const small = length !== undefined && length <= DIRECT_BYTES_MAX && request.headers['content-range'] === undefined;
    if (small && (await content.uploads.length(id)) === 0) {
      return await content.put(bodyOf(request), { digest });
    }
    await appendBody(exchange, upload);
  }
  return await content.uploads.commit(id, digest);
}

async function appendBody(exchange: RegistryExchange<'upload'>, { id, is_closed }: UploadRow): Promise<number> {
  const { request, context } = exchange;
  const held = await context.content.uploads.length(id);
  const length = checkChunk(request, exchange, held);
  const body = bodyOf(request, length);
  const taken = is_closed ? withinReferrer(exchange, body, held) : body;
  try {
    return await context.content.uploads.append(id, held, taken);
  } catch (error) {
    throw error instanceof OffsetMismatch ? outOfOrder(exchange, error.held) : error;
  }
}

/** Yields the body of an upload. In a repository of Larder, throws DENIED if the upload exceeds REFERRER_BLOB_BYTES_MAX. */
async function* withinReferrer(exchange: RegistryExchange<'upload'>, body: AsyncIterable<Uint8Array>, held: number) {
  const check = (size: number) => {
    if (size > REFERRER_BLOB_BYTES_MAX) throw ownedByLarder(exchange.asked.name);
  };
  check(held + (declaredLength(exchange.request) ?? 0));
  let size = held;
  for await (const chunk of body) {
    size += chunk.length;
    check(size);
    yield chunk;
  }
}

/**
 * Returns the length of the chunk from its Content-Range. Throws 416 if the chunk does not begin at the end of the upload.
 */
function checkChunk(request: FastifyRequest, exchange: RegistryExchange<'upload'>, held: number): number | undefined {
  const header = request.headers['content-range'];
  if (header === undefined) {
    return undefined;
  }
  const range = parseContentRange(header);
  if (range === undefined) {
    throw new Rejection('BLOB_UPLOAD_INVALID', 'Content-Range must have the form first-last, both inclusive');
  }
  const length = range.end - range.start + 1;
  if (length !== (declaredLength(request) ?? length)) {
    throw new Rejection('SIZE_INVALID', 'Content-Range and Content-Length disagree');
  }
  if (range.start !== held) {
    throw outOfOrder(exchange, held);
  }
  return length;
}

function outOfOrder(exchange: RegistryExchange<'upload'>, held: number): Rejection {
  const headers = { location: locationOf(exchange, exchange.asked.id), range: rangeOf(held) };
  return new Rejection('BLOB_UPLOAD_INVALID', `the next chunk of this upload must begin at byte ${held}`, {
    status: 416,
    headers,
  });
}

async function findSession(exchange: RegistryExchange<'upload'>, touch: boolean): Promise<UploadRow> {
  const { id } = exchange.asked;
  if (!isUploadId(id)) {
    throw new Rejection('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
  }
  return await getUpload(exchange.context.ask, repositoryOf(exchange), { id, touch });
}

/**
 * Runs the requests of one upload one at a time, because concurrent requests would mix their bytes. A newer request takes
 * over the upload, because a client retries when its connection breaks, but the server may notice this only minutes later.
 * The older request is then interrupted, and its received bytes are kept. The newer request begins when the older request has
 * ended. An older request whose whole body has arrived still succeeds.
 */
async function exclusively<T>(
  exchange: RegistryExchange<'upload'>,
  act: (upload: UploadRow) => Promise<T>,
): Promise<T> {
  const { busyUploads } = exchange.context;
  // The key includes the repository, to which the caller may write. So no caller can interrupt requests to uploads of another
  // organization.
  const key = `${exchange.caller.organization_id} ${exchange.asked.name} ${exchange.asked.id}`;
  const older = busyUploads.get(key);
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const cut = new AbortController();
  const own = {
    ended,
    cut() {
      cut.abort(new Rejection('BLOB_UPLOAD_INVALID', 'a newer request continues this upload', { status: 409 }));
      // A request whose whole body has arrived is not interrupted. It ends soon, and its client reads the answer.
      if (!exchange.request.raw.complete) exchange.request.raw.destroy(cut.signal.reason);
    },
  };
  busyUploads.set(key, own);
  try {
    older?.cut();
    await older?.ended;
    cut.signal.throwIfAborted();
    // Finds the session again, because the older request may have closed it.
    return await act(await findSession(exchange, exchange.request.method === 'PATCH'));
  } finally {
    if (busyUploads.get(key) === own) busyUploads.delete(key);
    end();
  }
}

async function orDigestInvalid(storing: Promise<ContentInfo>): Promise<ContentInfo> {
  try {
    return await storing;
  } catch (error) {
    if (error instanceof ContentMismatch) {
      throw new Rejection('DIGEST_INVALID', 'provided digest did not match uploaded content', { cause: error });
    }
    throw error;
  }
}

async function created(exchange: Place, digest: Digest): Promise<unknown> {
  const location = `/v2/${exchange.asked.name}/blobs/${digest}`;
  return await exchange.reply.code(201).headers({ location, 'docker-content-digest': digest }).send();
}

async function accepted(exchange: Place, id: string, held: number, status = 202): Promise<unknown> {
  const headers = { location: locationOf(exchange, id), range: rangeOf(held), 'docker-upload-uuid': id };
  return await exchange.reply.code(status).headers(headers).send();
}

function locationOf(exchange: Place, id: string): string {
  return `/v2/${exchange.asked.name}/blobs/uploads/${id}`;
}

/**
 * Returns the range of the received bytes. The range includes both ends. So an empty upload has no range, but clients expect
 * `0-0` for it.
 */
function rangeOf(held: number): string {
  return `0-${Math.max(0, held - 1)}`;
}
