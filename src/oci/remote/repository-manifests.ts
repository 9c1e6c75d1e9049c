// Resolves, checks and pushes manifests of a remote repository (distribution-spec, "Pulling manifests" and "Pushing manifests").
import { isDigest } from '../../content/digest.ts';
import type { Descriptor, Digest } from '../descriptor.ts';
import { asTemporary, RegistryError } from '../errors.ts';
import {
  describeBytes,
  isDescriptor,
  isManifestType,
  MANIFEST_BYTES_MAX,
  ManifestError,
  once,
  parseManifest,
  readAtMost,
} from '../manifest.ts';
import { download } from './blob-download.ts';
import type { Answer, Call } from './registry-session.ts';
import {
  ACCEPT_MANIFESTS,
  mediaTypeOf,
  parsed,
  question,
  type RepositoryContext,
  scopesOf,
  urlOf,
} from './repository-context.ts';
import { retrying } from './retry.ts';

/**
 * The most remembered manifests. They are enough for the index and the manifests of an image, and for the manifests of its
 * referrers.
 */
const RECENT_MAX = 8;

export async function resolve(context: RepositoryContext, reference: string): Promise<Descriptor | undefined> {
  const url = urlOf(context, `manifests/${reference}`);
  const call = {
    op: 'resolve',
    side: 'source' as const,
    url,
    scopes: scopesOf(context, 'pull'),
    headers: ACCEPT_MANIFESTS,
  };
  const { status, headers } = await context.session.call({ ...call, method: 'HEAD', accept: [200, 404, 405] });
  if (status === 404) {
    return undefined;
  }
  const digest = headers['docker-content-digest'];
  const described = {
    mediaType: mediaTypeOf(headers['content-type']),
    digest,
    size: Number(headers['content-length'] ?? Number.NaN),
  };
  if (status === 200 && isDescriptor(described) && isManifestType(described.mediaType)) {
    return checkReference(described, reference, url);
  }
  // The answer to HEAD contains no digest, so the manifest is read.
  return await resolveByReading(context, { ...call, reference });
}

async function resolveByReading(
  context: RepositoryContext,
  call: Pick<Call, 'op' | 'side' | 'url' | 'scopes' | 'headers'> & { reference: string },
): Promise<Descriptor | undefined> {
  const answer = await context.session.call({ ...call, method: 'GET', accept: [200, 404] });
  if (answer.status === 404) {
    return undefined;
  }
  const { mediaType } = parsed(answer, call);
  return checkReference(describeBytes(mediaType, answer.bytes), call.reference, call.url);
}

function checkReference(descriptor: Descriptor, reference: string, url: URL): Descriptor {
  if (isDigest(reference) && descriptor.digest !== reference) {
    const message = `resolve at ${url.host}${url.pathname}: the registry returns ${descriptor.digest} for this digest`;
    throw new RegistryError({ op: 'resolve', side: 'source', code: 'CONTENT_MISMATCH', temporary: false, message });
  }
  return descriptor;
}

export async function exists(context: RepositoryContext, descriptor: Descriptor): Promise<boolean> {
  const call = {
    ...question(context, 'find', descriptor),
    side: 'target' as const,
    method: 'HEAD',
    accept: [200, 404],
  };
  return (await context.session.call(call)).status === 200;
}

export async function pushManifest(
  context: RepositoryContext,
  descriptor: Descriptor,
  { open, reference }: { open: () => Promise<AsyncIterable<Uint8Array>>; reference: string },
): Promise<void> {
  const bytes = await manifestBytes(descriptor, open);
  remember(context.recent, descriptor.digest, bytes);
  const { subject } = parseManifest(bytes, descriptor.mediaType);
  const answer = await putManifest(context, {
    op: reference === descriptor.digest ? 'push manifest' : 'tag manifest',
    side: 'target',
    method: 'PUT',
    url: urlOf(context, `manifests/${reference}`),
    scopes: scopesOf(context, 'pull,push'),
    headers: { 'Content-Type': descriptor.mediaType },
    body: { size: bytes.length, open: async () => once(bytes) },
    accept: [201],
    once: true,
  });
  if (subject !== undefined) {
    context.session.learn('referrers', answer.headers['oci-subject'] !== undefined);
  }
}

/**
 * Pushes a manifest. A rejection with DIGEST_INVALID is retried: Larder has checked the bytes, so the cause is a temporary
 * state of the registry. docker-registry 2 answers this while another push rewrites the link of a blob in the manifest.
 */
async function putManifest(context: RepositoryContext, call: Call): Promise<Answer> {
  const { retry: policy, signal } = context.session;
  return await retrying(
    () =>
      context.session.call(call).catch((error: unknown) => {
        throw error instanceof RegistryError && error.code === 'DIGEST_INVALID' ? asTemporary(error) : error;
      }),
    { policy, ...(signal && { signal }) },
  );
}

/** Reads a manifest and checks its digest before it is sent. Otherwise the registry would accept other bytes under a tag. */
async function manifestBytes(descriptor: Descriptor, open: () => Promise<AsyncIterable<Uint8Array>>): Promise<Buffer> {
  const { digest, size } = descriptor;
  try {
    const bytes = await readAtMost(await open(), MANIFEST_BYTES_MAX);
    if (describeBytes(descriptor.mediaType, bytes).digest === digest && bytes.length === size) {
      parseManifest(bytes, descriptor.mediaType);
      return bytes;
    }
  } catch (error) {
    throw error instanceof RegistryError
      ? error
      : notPushed(error instanceof ManifestError ? error.code : 'FAILED', error);
  }
  throw notPushed('CONTENT_MISMATCH', `the bytes do not match ${digest}`);
}

function notPushed(code: string, cause: unknown): RegistryError {
  const message = `push manifest: ${cause instanceof Error ? cause.message : String(cause)}`;
  return new RegistryError({ op: 'push manifest', side: 'source', code, temporary: false, message, cause });
}

function remember(recent: Map<Digest, Buffer>, digest: Digest, bytes: Buffer): void {
  recent.delete(digest);
  recent.set(digest, bytes);
  const [oldest] = recent.keys();
  if (oldest !== undefined && recent.size > RECENT_MAX) {
    recent.delete(oldest);
  }
}

export async function reread(context: RepositoryContext, descriptor: Descriptor): Promise<AsyncIterable<Uint8Array>> {
  const bytes = context.recent.get(descriptor.digest);
  return bytes === undefined
    ? download(context.session, question(context, 'fetch', descriptor), { descriptor })
    : once(bytes);
}
