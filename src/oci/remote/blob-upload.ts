// Sends a blob. A small blob is sent in one request. The upload of a large blob can be resumed, so that a broken connection
// loses only the bytes in transit.
import type { Body } from '../../egress/exchange.ts';
import type { Descriptor } from '../descriptor.ts';
import { asTemporary, RegistryError } from '../errors.ts';
import { type Answer, followed, type Session } from './registry-session.ts';
import { retrying } from './retry.ts';

type Open = () => Promise<AsyncIterable<Uint8Array>>;

/** The repository to which a blob is uploaded. */
export type UploadContext = {
  session: Session;
  /** The address of new uploads: `…/v2/NAME/blobs/uploads/`. */
  uploads: URL;
  scopes: string[];
  /** Whether the repository has a blob. */
  holds: (blob: Descriptor) => Promise<boolean>;
};

/**
 * A blob up to this size, in bytes, is sent in the first request. The limit is small, because a registry that does not
 * support this must get the blob a second time.
 */
const SINGLE_POST_BYTES_MAX = 64 * 1024;
/** A blob up to this size, in bytes, is sent in one PUT. A larger upload can be resumed, but takes one more request. */
const MONOLITHIC_BYTES_MAX = 4 * 1024 * 1024;

const CONTENT_TYPE = { 'Content-Type': 'application/octet-stream' };
/** HTTP statuses with which a registry rejects PATCH because it does not support it. */
const NO_CHUNKS = new Set([405, 501]);
/** HTTP statuses with which a registry rejects a kind of request that it does not support. */
const UNSUPPORTED = new Set([400, 404, 405, 411, 413, 415, 501]);

/** Pushes a blob. `begun` is an upload that the registry opened instead of mounting the blob. Throws RegistryError. */
export async function uploadBlob(
  context: UploadContext,
  blob: { descriptor: Descriptor; open: Open; begun?: URL },
): Promise<void> {
  const { descriptor, open } = blob;
  const { size } = descriptor;
  const body: Body = { size, open };
  if (size <= SINGLE_POST_BYTES_MAX && context.session.learnt.single_post !== false && blob.begun === undefined) {
    const begun = await postWhole(context, descriptor, body);
    if (begun === 'done') {
      return;
    }
    return await uploadBlob(context, { ...blob, ...(begun !== undefined && { begun }) });
  }
  if (size <= MONOLITHIC_BYTES_MAX || context.session.learnt.chunked === false) {
    return await putWhole(context, blob);
  }
  try {
    await sendResumable(context, blob);
  } catch (error) {
    if (!(error instanceof RegistryError && NO_CHUNKS.has(error.status ?? 0))) {
      throw error;
    }
    context.session.learn('chunked', false);
    await putWhole(context, { descriptor, open });
  }
}

/**
 * Sends the whole blob with one POST (distribution-spec, "Single POST"). Returns 'done' if the registry has accepted the
 * blob. Returns the address of an upload if the registry opened one, because it does not support a single POST. Returns
 * undefined if the registry rejects the request.
 */
async function postWhole(
  context: UploadContext,
  { digest }: Descriptor,
  body: Body,
): Promise<URL | 'done' | undefined> {
  const { session } = context;
  try {
    const answer = await context.session.call({
      ...call(context, 'POST', withQuery(context.uploads, { digest })),
      headers: CONTENT_TYPE,
      body,
      accept: [201, 202],
    });
    session.learn('single_post', answer.status === 201);
    return answer.status === 201 ? 'done' : locationOf(answer, context);
  } catch (error) {
    if (session.learnt.single_post !== true && error instanceof RegistryError && isUnsupported(error)) {
      session.learn('single_post', false);
      return undefined;
    }
    throw error;
  }
}

function isUnsupported({ status, code }: RegistryError): boolean {
  return UNSUPPORTED.has(status ?? 0) && code !== 'DIGEST_INVALID';
}

/**
 * Sends POST, and then PUT with all bytes (distribution-spec, "POST then PUT"). If the connection breaks, begins a new
 * upload.
 */
async function putWhole(
  context: UploadContext,
  { descriptor, open, begun }: { descriptor: Descriptor; open: Open; begun?: URL },
): Promise<void> {
  let upload = begun;
  await retrying(
    async () => {
      const location = upload ?? (await begin(context));
      upload = undefined;
      await finish(context, location, { blob: descriptor, body: { size: descriptor.size, open } });
    },
    { policy: context.session.retry, ...(context.session.signal && { signal: context.session.signal }) },
  );
}

type Upload = { location: URL; offset: number; continued: boolean };

/**
 * Sends POST, PATCH and PUT (distribution-spec, "Pushing a blob in chunks"). If the connection breaks, asks the registry how
 * many bytes it has, and sends the rest.
 */
async function sendResumable(
  context: UploadContext,
  { descriptor, open, begun }: { descriptor: Descriptor; open: Open; begun?: URL },
): Promise<void> {
  const { size } = descriptor;
  let upload: Upload | undefined = begun && { location: begun, offset: 0, continued: false };
  let broken = false;
  async function go(): Promise<void> {
    if (upload !== undefined && broken) {
      upload = await heldBy(context, upload, size);
      // The registry may have completed the upload, and only its last answer was lost.
      if (upload === undefined && (await context.holds(descriptor))) {
        return;
      }
    }
    upload ??= { location: await begin(context), offset: 0, continued: false };
    broken = true;
    if (upload.offset < size) {
      upload.location = await sendFrom(context, upload, { size, open });
      upload.offset = size;
    }
    await finish(context, upload.location, { blob: descriptor });
  }
  await retrying(
    async () => {
      try {
        await go();
      } catch (error) {
        const continuation = continuationOf(error, upload);
        upload = continuation === 'restart' ? undefined : upload;
        throw continuation === 'fail' || !(error instanceof RegistryError) ? error : asTemporary(error);
      }
    },
    {
      policy: context.session.retry,
      progress: () => upload?.offset ?? 0,
      ...(context.session.signal && { signal: context.session.signal }),
    },
  );
}

/**
 * Returns how to continue an upload after a permanent error. After 416 (409 from Larder's registry), reads the offset again,
 * because bytes of the broken connection arrived after the registry had returned the offset. If the upload is unknown or the
 * offset is wrong, the upload begins again.
 */
function continuationOf(error: unknown, upload: Upload | undefined): 'resume' | 'restart' | 'fail' {
  if (!(error instanceof RegistryError) || error.side === 'source' || error.temporary || !upload?.continued) {
    return 'fail';
  }
  if (error.status === 416 || error.status === 409) {
    return 'resume';
  }
  const forgotten = error.status === 404 || error.code === 'DIGEST_INVALID' || error.code === 'BLOB_UPLOAD_INVALID';
  return forgotten ? 'restart' : 'fail';
}

async function begin(context: UploadContext): Promise<URL> {
  const answer = await context.session.call({ ...call(context, 'POST', context.uploads), accept: [202], once: true });
  return locationOf(answer, context);
}

/** Sends all bytes from the upload's offset to the end as one chunk. */
async function sendFrom(context: UploadContext, { location, offset }: Upload, { size, open }: Body): Promise<URL> {
  const answer = await context.session.call({
    ...call(context, 'PATCH', location),
    headers: { ...CONTENT_TYPE, 'Content-Range': `${offset}-${size - 1}` },
    body: { size: size - offset, open: async () => skip(await open(), offset) },
    accept: [202, 201, 204],
    once: true,
  });
  return locationOf(answer, context);
}

async function finish(
  context: UploadContext,
  location: URL,
  { blob, body }: { blob: Descriptor; body?: Body },
): Promise<void> {
  try {
    await context.session.call({
      ...call(context, 'PUT', withQuery(location, { digest: blob.digest })),
      ...(body !== undefined && { headers: CONTENT_TYPE, body }),
      accept: [201, 202, 204],
      once: true,
    });
  } catch (error) {
    // A repeated request finds no upload if the first request completed the upload and its answer was lost.
    if (!(error instanceof RegistryError && error.status === 404 && (await context.holds(blob)))) {
      throw error;
    }
  }
}

/**
 * Asks the registry for the state of a broken upload. Returns undefined if the registry has dropped the upload. For example,
 * docker-registry 2 drops it if the connection broke inside a chunk.
 */
async function heldBy(context: UploadContext, upload: Upload, size: number): Promise<Upload | undefined> {
  const answer = await context.session
    .call({ ...call(context, 'GET', upload.location), accept: [204, 202, 200], once: true })
    .catch((error: unknown) => {
      if (error instanceof RegistryError && !error.temporary && error.status !== undefined) {
        return undefined;
      }
      throw error;
    });
  const end = /^(?:bytes=)?0-(\d+)$/.exec(answer?.headers.range ?? '')?.[1];
  if (answer === undefined || end === undefined) {
    return undefined;
  }
  // `0-0` may mean no byte or one byte. It is read as no byte, because then at worst the registry rejects the repeated byte.
  const offset = end === '0' ? 0 : Number(end) + 1;
  const location = answer.headers.location === undefined ? upload.location : locationOf(answer, context);
  return offset <= size ? { location, offset, continued: true } : undefined;
}

function call(context: UploadContext, method: string, url: URL) {
  return { op: 'push blob', side: 'target' as const, method, url, scopes: context.scopes };
}

/**
 * Returns the next address of the upload. Location may be relative, and may name another host (distribution-spec, "Pushing
 * blobs").
 */
export function locationOf(answer: Answer, context: UploadContext): URL {
  const location = answer.headers.location;
  if (location === undefined) {
    const message = `push blob at ${answer.url.host}: the registry opened an upload without a Location`;
    throw new RegistryError({ op: 'push blob', side: 'target', code: 'LOCATION', temporary: false, message });
  }
  return followed(location, answer.url, new URL(context.session.origin));
}

/** Adds parameters to the query. The existing query stays unchanged, because it may be signed. */
function withQuery(url: URL, query: Record<string, string>): URL {
  const added = new URLSearchParams(query).toString();
  const joined = new URL(url);
  joined.search = joined.search === '' ? added : `${joined.search}&${added}`;
  return joined;
}

async function* skip(bytes: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array, void> {
  let left = count;
  for await (const chunk of bytes) {
    if (left < chunk.length) {
      yield chunk.subarray(left);
    }
    left = Math.max(0, left - chunk.length);
  }
}
