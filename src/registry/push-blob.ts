// Pushing blobs: whole, in chunks, resumed, or mounted (distribution-spec 1.1, "Pushing blobs").
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
import { larders, Refusal } from './refusal.ts';
import { isClosed } from './repositories.ts';
import { endUpload, getUpload, startUpload, type UploadRow } from './uploads.ts';
import { readDigest, repositoryOf, type Visit } from './visit.ts';

/** A closing PUT with at most this much goes straight into content; a larger one is kept in parts, so that it can be resumed. */
const DIRECT_BYTES_MAX = 1024 * 1024;

/** Where an upload lives, and where its answer goes. */
type Place = { asked: { name: string }; reply: FastifyReply };

/** POST: a session, a whole blob (`digest=`), or a mount (`mount=&from=`). */
export async function beginUpload(visit: Visit<'uploads'>): Promise<unknown> {
  const { context, query, request } = visit;
  await context.checkFreeSpace();
  if (query.has('mount')) {
    return await answerMount(visit, readDigest(query.get('mount')));
  }
  if (query.has('digest')) {
    const digest = readDigest(query.get('digest'));
    await checkWholeBlob(visit);
    const blob = await judged(context.content.put(bodyOf(request), { digest }));
    await addBlob(context.ask, repositoryOf(visit), blob);
    return await created(visit, digest);
  }
  return await accepted(visit, await startUpload(context.ask, repositoryOf(visit)), 0);
}

/** Spares a client that pushes a layer into a repository of Larder's the sending. Throws DENIED. */
async function checkWholeBlob(visit: Visit<'uploads'>): Promise<void> {
  const length = declaredLength(visit.request) ?? Number.POSITIVE_INFINITY;
  if (length > REFERRER_BLOB_BYTES_MAX && (await isClosed(visit.context.ask, repositoryOf(visit)))) {
    throw larders(visit.asked.name);
  }
}

/** 201 only for a blob of a repository that the caller may read; everything else begins a session and tells nothing. */
async function answerMount(visit: Visit<'uploads'>, digest: Digest): Promise<unknown> {
  const { context, query, caller } = visit;
  const from = query.get('from') ?? '';
  const readable = isRepository(from) && isGranted(caller, { type: 'repository', name: from, action: 'pull' });
  if (!readable) {
    return await accepted(visit, await startUpload(context.ask, repositoryOf(visit)), 0);
  }
  const mount = await mountBlob(context.ask, repositoryOf(visit), { digest, from });
  return await (mount.mounted ? created(visit, digest) : accepted(visit, mount.upload_id, 0));
}

/** PATCH: the next chunk, or a stream of unknown length. */
export async function continueUpload(visit: Visit<'upload'>): Promise<unknown> {
  await visit.context.checkFreeSpace();
  return await alone(visit, async (upload) => await accepted(visit, upload.id, await appendBody(visit, upload)));
}

/** GET: how far the upload is. */
export async function showUpload(visit: Visit<'upload'>): Promise<unknown> {
  const { id } = await findSession(visit, false);
  return await accepted(visit, id, await visit.context.content.uploads.length(id), 204);
}

/** DELETE: the client gives up. */
export async function cancelUpload(visit: Visit<'upload'>): Promise<unknown> {
  const { context } = visit;
  await alone(visit, async ({ id }) => {
    await context.content.uploads.drop(id);
    await endUpload(context.ask, id);
  });
  return await visit.reply.code(204).send();
}

/** PUT: the last bytes, if any, and the digest of all of them. */
export async function finishUpload(visit: Visit<'upload'>): Promise<unknown> {
  const { context, query } = visit;
  const digest = readDigest(query.get('digest'));
  await context.checkFreeSpace();
  return await alone(visit, async (upload) => {
    const blob = await judged(takeRest(visit, upload, digest));
    await addBlob(context.ask, repositoryOf(visit), { ...blob, upload_id: upload.id });
    return await created(visit, digest);
  });
}

/** DELETE of a blob. */
export async function deleteBlob(visit: Visit<'blob'>): Promise<unknown> {
  await removeBlob(visit.context.pool, repositoryOf(visit), readDigest(visit.asked.digest));
  return await visit.reply.code(202).send();
}

async function takeRest(visit: Visit<'upload'>, upload: UploadRow, digest: Digest): Promise<ContentInfo> {
  const { content } = visit.context;
  const { id } = upload;
  const { request } = visit;
  if (hasBody(request)) {
    const length = declaredLength(request);
    const small = length !== undefined && length <= DIRECT_BYTES_MAX && request.headers['content-range'] === undefined;
    if (small && (await content.uploads.length(id)) === 0) {
      return await content.put(bodyOf(request), { digest });
    }
    await appendBody(visit, upload);
  }
  return await content.uploads.commit(id, digest);
}

async function appendBody(visit: Visit<'upload'>, { id, is_closed }: UploadRow): Promise<number> {
  const { request, context } = visit;
  const held = await context.content.uploads.length(id);
  const length = checkChunk(request, visit, held);
  const body = bodyOf(request, length);
  const taken = is_closed ? withinReferrer(visit, body, held) : body;
  try {
    return await context.content.uploads.append(id, held, taken);
  } catch (error) {
    throw error instanceof OffsetMismatch ? outOfOrder(visit, error.held) : error;
  }
}

/** The body of an upload to a repository of Larder's. Throws DENIED where it is larger than what may be kept there. */
async function* withinReferrer(visit: Visit<'upload'>, body: AsyncIterable<Uint8Array>, held: number) {
  const check = (size: number) => {
    if (size > REFERRER_BLOB_BYTES_MAX) throw larders(visit.asked.name);
  };
  check(held + (declaredLength(visit.request) ?? 0));
  let size = held;
  for await (const chunk of body) {
    size += chunk.length;
    check(size);
    yield chunk;
  }
}

/** The length that a Content-Range promises. Throws 416 for a chunk that does not begin where the upload ends. */
function checkChunk(request: FastifyRequest, visit: Visit<'upload'>, held: number): number | undefined {
  const header = request.headers['content-range'];
  if (header === undefined) {
    return undefined;
  }
  const range = parseContentRange(header);
  if (range === undefined) {
    throw new Refusal('BLOB_UPLOAD_INVALID', 'Content-Range must be first-last, both inclusive');
  }
  const length = range.end - range.start + 1;
  if (length !== (declaredLength(request) ?? length)) {
    throw new Refusal('SIZE_INVALID', 'Content-Range and Content-Length disagree');
  }
  if (range.start !== held) {
    throw outOfOrder(visit, held);
  }
  return length;
}

function outOfOrder(visit: Visit<'upload'>, held: number): Refusal {
  const headers = { location: locationOf(visit, visit.asked.id), range: rangeOf(held) };
  return new Refusal('BLOB_UPLOAD_INVALID', `the next byte of this upload is ${held}`, { status: 416, headers });
}

async function findSession(visit: Visit<'upload'>, touch: boolean): Promise<UploadRow> {
  const { id } = visit.asked;
  if (!isUploadId(id)) {
    throw new Refusal('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
  }
  return await getUpload(visit.context.ask, repositoryOf(visit), { id, touch });
}

/**
 * Two requests that send to one upload at once would mix their bytes. The newer one takes it over: a client that comes
 * back does so because its older connection broke, which the server may learn minutes later. The older one's body is cut,
 * what it brought is kept, and the newer one begins when the older one has ended; one whose body was all here ends well.
 */
async function alone<T>(visit: Visit<'upload'>, act: (upload: UploadRow) => Promise<T>): Promise<T> {
  const { busyUploads } = visit.context;
  // With the repository, which the caller may write to: nobody cuts a request to another's upload.
  const key = `${visit.caller.organization_id} ${visit.asked.name} ${visit.asked.id}`;
  const older = busyUploads.get(key);
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const cut = new AbortController();
  const own = {
    ended,
    cut() {
      cut.abort(new Refusal('BLOB_UPLOAD_INVALID', 'a newer request took this upload over', { status: 409 }));
      // A body that is all here asks for no more: its request ends by itself, and its client sees the answer.
      if (!visit.request.raw.complete) visit.request.raw.destroy(cut.signal.reason);
    },
  };
  busyUploads.set(key, own);
  try {
    older?.cut();
    await older?.ended;
    cut.signal.throwIfAborted();
    // After the wait: the older one may have closed the session.
    return await act(await findSession(visit, visit.request.method === 'PATCH'));
  } finally {
    if (busyUploads.get(key) === own) busyUploads.delete(key);
    end();
  }
}

async function judged(storing: Promise<ContentInfo>): Promise<ContentInfo> {
  try {
    return await storing;
  } catch (error) {
    if (error instanceof ContentMismatch) {
      throw new Refusal('DIGEST_INVALID', 'provided digest did not match uploaded content', { cause: error });
    }
    throw error;
  }
}

async function created(visit: Place, digest: Digest): Promise<unknown> {
  const location = `/v2/${visit.asked.name}/blobs/${digest}`;
  return await visit.reply.code(201).headers({ location, 'docker-content-digest': digest }).send();
}

async function accepted(visit: Place, id: string, held: number, status = 202): Promise<unknown> {
  const headers = { location: locationOf(visit, id), range: rangeOf(held), 'docker-upload-uuid': id };
  return await visit.reply.code(status).headers(headers).send();
}

function locationOf(visit: Place, id: string): string {
  return `/v2/${visit.asked.name}/blobs/uploads/${id}`;
}

/** Inclusive at both ends, so an empty upload has no true range: `0-0` is what clients know. */
function rangeOf(held: number): string {
  return `0-${Math.max(0, held - 1)}`;
}
