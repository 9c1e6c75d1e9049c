// A repository of a registry somewhere else, as a target (OCI distribution-spec v1.1).
import { Readable } from 'node:stream';
import { download } from './blob-download.ts';
import { locationOf, uploadBlob } from './blob-upload.ts';
import { type Descriptor, type Digest, isDigest } from './descriptor.ts';
import { RegistryError } from './errors.ts';
import {
  describeBytes,
  isDescriptor,
  isManifestType,
  MANIFEST_BYTES_MAX,
  MANIFEST_MEDIA_TYPES,
  ManifestError,
  once,
  parseManifest,
  readAtMost,
} from './manifest.ts';
import { isRepository } from './reference.ts';
import { addToReferrersTag, referrersTag } from './referrers-tag.ts';
import {
  type Answer,
  type Call,
  isDockerHub,
  openSession,
  type Session,
  type SessionOptions,
} from './registry-session.ts';
import type { Target } from './target.ts';

export interface RemoteRepository extends Target {
  /** All tags, in the registry's order; none for a repository that does not exist. */
  tags(): Promise<string[]>;
  readonly place: { registry: string; repository: string };
}

/** Repositories of one registry, which share credentials, tokens and what was learnt of it. */
export interface RemoteRegistry {
  /** `https://host:port` */
  readonly origin: string;
  repository(name: string): RemoteRepository;
  /** Asks for the API and shows the credentials. Throws RegistryError. */
  ping(): Promise<void>;
}

type Room = {
  session: Session;
  name: string;
  /** Uploads that refused mounts opened; the next push of the blob goes there. */
  begun: Map<Digest, URL>;
  /** Manifests on their way, so that each further tag of one needs no reading. */
  recent: Map<Digest, Buffer>;
};

/** Pages of a list of tags or referrers; a registry that never ends is not followed for ever. */
const PAGES_MAX = 1000;
const TAGS_PER_PAGE = 1000;
/** An image's index and manifests, and those of what refers to it. */
const RECENT_MAX = 8;
const ACCEPT = { Accept: MANIFEST_MEDIA_TYPES.join(', ') };
/** What says in a mount's answer only that there is no mount; the push that follows tells the true cause. */
const MOUNT_REFUSED = new Set([400, 401, 403, 404, 405, 501]);

/** Opens one registry. Nothing is sent yet. Throws TypeError when the address is none. */
export function openRegistry(options: SessionOptions): RemoteRegistry {
  const session = openSession(options);
  return {
    origin: session.origin,
    repository: (name) => openRepository(session, name),
    async ping() {
      const url = new URL('/v2/', session.origin);
      await session.call({ op: 'ping', side: 'target', method: 'GET', url, scopes: [], accept: [200] });
    },
  };
}

/** Opens one repository of a registry; whoever uses several shares an `openRegistry`. */
export function openRemote(options: SessionOptions & { repository: string }): RemoteRepository {
  return openRegistry(options).repository(options.repository);
}

function openRepository(session: Session, repository: string): RemoteRepository {
  const name = isDockerHub(session.origin) && !repository.includes('/') ? `library/${repository}` : repository;
  if (!isRepository(name)) {
    throw new TypeError('not the name of a repository');
  }
  const room: Room = { session, name, begun: new Map(), recent: new Map() };
  return {
    place: { registry: session.origin, repository: name },
    resolve: (reference) => resolve(room, reference),
    fetch: async (descriptor, range) =>
      Readable.from(
        download(session, question(room, 'fetch', descriptor), { descriptor, ...(range !== undefined && { range }) }),
        { objectMode: false },
      ),
    exists: (descriptor) => exists(room, descriptor),
    push: (descriptor, open) =>
      isManifestType(descriptor.mediaType)
        ? pushManifest(room, descriptor, { open, reference: descriptor.digest })
        : pushBlob(room, descriptor, open),
    pushTagged: (descriptor, open, tag) => pushManifest(room, descriptor, { open, reference: tag }),
    mount: (descriptor, from) => mount(room, descriptor, from),
    tag: (descriptor, tag) => pushManifest(room, descriptor, { open: () => reread(room, descriptor), reference: tag }),
    referrers: (subject, artifactType) => referrers(room, subject, artifactType),
    attach: (subject, added) => attach(room, subject, added),
    tags: () => tags(room),
  };
}

function urlOf({ session, name }: Room, path: string): URL {
  return new URL(`/v2/${name}/${path}`, session.origin);
}

function scopesOf({ name }: Room, actions: 'pull' | 'pull,push'): string[] {
  return [`repository:${name}:${actions}`];
}

function question(room: Room, verb: string, descriptor: Descriptor) {
  const kind = isManifestType(descriptor.mediaType) ? 'manifest' : 'blob';
  return {
    op: `${verb} ${kind}`,
    side: 'source' as const,
    url: urlOf(room, `${kind}s/${descriptor.digest}`),
    scopes: scopesOf(room, 'pull'),
    headers: kind === 'manifest' ? { Accept: descriptor.mediaType } : {},
  };
}

async function resolve(room: Room, reference: string): Promise<Descriptor | undefined> {
  const url = urlOf(room, `manifests/${reference}`);
  const call = { op: 'resolve', side: 'source' as const, url, scopes: scopesOf(room, 'pull'), headers: ACCEPT };
  const { status, headers } = await room.session.call({ ...call, method: 'HEAD', accept: [200, 404, 405] });
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
  // A registry that does not say it in the head has it in the body.
  return await resolveByReading(room, { ...call, reference });
}

async function resolveByReading(
  room: Room,
  call: Pick<Call, 'op' | 'side' | 'url' | 'scopes' | 'headers'> & { reference: string },
): Promise<Descriptor | undefined> {
  const answer = await room.session.call({ ...call, method: 'GET', accept: [200, 404] });
  if (answer.status === 404) {
    return undefined;
  }
  const { mediaType } = parsed(answer, call);
  return checkReference(describeBytes(mediaType, answer.bytes), call.reference, call.url);
}

function mediaTypeOf(header: string | undefined): string {
  return (header ?? '').split(';')[0]?.trim() ?? '';
}

function checkReference(descriptor: Descriptor, reference: string, url: URL): Descriptor {
  if (isDigest(reference) && descriptor.digest !== reference) {
    const message = `resolve at ${url.host}${url.pathname}: the registry has ${descriptor.digest} under this digest`;
    throw new RegistryError({ op: 'resolve', side: 'source', code: 'CONTENT_MISMATCH', temporary: false, message });
  }
  return descriptor;
}

function parsed(answer: Answer, { op, side }: Pick<Call, 'op' | 'side'>) {
  try {
    const announced = mediaTypeOf(answer.headers['content-type']);
    return parseManifest(answer.bytes, isManifestType(announced) ? announced : undefined);
  } catch (error) {
    const code = error instanceof ManifestError ? error.code : 'MANIFEST_INVALID';
    const message = `${op} at ${answer.url.host}${answer.url.pathname}: ${error instanceof Error ? error.message : 'no manifest'}`;
    throw new RegistryError({ op, side, code, temporary: false, message, cause: error });
  }
}

async function exists(room: Room, descriptor: Descriptor): Promise<boolean> {
  const call = { ...question(room, 'find', descriptor), side: 'target' as const, method: 'HEAD', accept: [200, 404] };
  return (await room.session.call(call)).status === 200;
}

async function pushBlob(
  room: Room,
  descriptor: Descriptor,
  open: () => Promise<AsyncIterable<Uint8Array>>,
): Promise<void> {
  const begun = room.begun.get(descriptor.digest);
  room.begun.delete(descriptor.digest);
  await uploadBlob(uploadRoom(room), { descriptor, open, ...(begun !== undefined && { begun }) });
}

function uploadRoom(room: Room) {
  return {
    session: room.session,
    uploads: urlOf(room, 'blobs/uploads/'),
    scopes: scopesOf(room, 'pull,push'),
    holds: (blob: Descriptor) => exists(room, blob),
  };
}

async function pushManifest(
  room: Room,
  descriptor: Descriptor,
  { open, reference }: { open: () => Promise<AsyncIterable<Uint8Array>>; reference: string },
): Promise<void> {
  const bytes = await manifestBytes(descriptor, open);
  remember(room.recent, descriptor.digest, bytes);
  const { subject } = parseManifest(bytes, descriptor.mediaType);
  const answer = await room.session.call({
    op: reference === descriptor.digest ? 'push manifest' : 'tag manifest',
    side: 'target',
    method: 'PUT',
    url: urlOf(room, `manifests/${reference}`),
    scopes: scopesOf(room, 'pull,push'),
    headers: { 'Content-Type': descriptor.mediaType },
    body: { size: bytes.length, open: async () => once(bytes) },
    accept: [201],
  });
  if (subject !== undefined) {
    room.session.learnt.referrersApi = answer.headers['oci-subject'] !== undefined;
  }
}

/** The manifest as it goes out, checked: a registry that stores something else under our tag would be a silent fault. */
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
  throw notPushed('CONTENT_MISMATCH', `the bytes are not those of ${digest}`);
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

async function reread(room: Room, descriptor: Descriptor): Promise<AsyncIterable<Uint8Array>> {
  const bytes = room.recent.get(descriptor.digest);
  return bytes === undefined
    ? download(room.session, question(room, 'fetch', descriptor), { descriptor })
    : once(bytes);
}

async function mount(room: Room, { digest }: Descriptor, from: string): Promise<'mounted' | 'refused'> {
  const url = urlOf(room, 'blobs/uploads/');
  url.search = new URLSearchParams({ mount: digest, from }).toString();
  const scopes = [...scopesOf(room, 'pull,push'), `repository:${from}:pull`];
  try {
    const call = { op: 'mount blob', side: 'target' as const, method: 'POST', url, scopes, accept: [201, 202] };
    const answer = await room.session.call(call);
    if (answer.status === 201) {
      return 'mounted';
    }
    room.begun.set(digest, locationOf(answer, uploadRoom(room)));
    return 'refused';
  } catch (error) {
    if (error instanceof RegistryError && MOUNT_REFUSED.has(error.status ?? 0)) {
      return 'refused';
    }
    throw error;
  }
}

async function referrers(room: Room, subject: Digest, artifactType?: string): Promise<Descriptor[]> {
  const url = urlOf(room, `referrers/${subject}`);
  if (artifactType !== undefined) {
    url.searchParams.set('artifactType', artifactType);
  }
  const found = (await listByApi(room, url)) ?? (await listByTag(room, subject));
  return found.filter((referrer) => artifactType === undefined || referrer.artifactType === artifactType);
}

/** Undefined where the registry has no referrers API (distribution-spec, "Listing Referrers": then it answers 404). */
async function listByApi(room: Room, first: URL): Promise<Descriptor[] | undefined> {
  if (room.session.learnt.referrersApi === false) {
    return undefined;
  }
  const call = { op: 'list referrers', side: 'source' as const, method: 'GET', scopes: scopesOf(room, 'pull') };
  const found: Descriptor[] = [];
  for await (const answer of pages(room, { ...call, url: first, headers: ACCEPT, accept: [200, 404] })) {
    if (answer.status === 404) {
      return undefined;
    }
    const page = parsed(answer, call);
    found.push(...('manifests' in page ? page.manifests : []));
  }
  room.session.learnt.referrersApi = true;
  return found;
}

async function listByTag(room: Room, subject: Digest): Promise<Descriptor[]> {
  const url = urlOf(room, `manifests/${referrersTag(subject)}`);
  const call = { op: 'list referrers', side: 'source' as const, method: 'GET', scopes: scopesOf(room, 'pull') };
  const answer = await room.session.call({ ...call, url, headers: ACCEPT, accept: [200, 404] });
  const document = answer.status === 404 ? undefined : parsed(answer, call);
  return document !== undefined && 'manifests' in document ? document.manifests : [];
}

async function attach(room: Room, subject: Digest, added: Descriptor[]): Promise<void> {
  if (room.session.learnt.referrersApi === undefined) {
    await listByApi(room, urlOf(room, `referrers/${subject}`));
  }
  if (room.session.learnt.referrersApi === true) {
    return;
  }
  await addToReferrersTag(subject, added, {
    lock: `${room.session.origin}/${room.name}@${subject}`,
    read: () => listByTag(room, subject),
    write: (descriptor, bytes) =>
      pushManifest(room, descriptor, { open: async () => once(bytes), reference: referrersTag(subject) }),
  });
}

async function tags(room: Room): Promise<string[]> {
  const url = urlOf(room, `tags/list?n=${TAGS_PER_PAGE}`);
  const call = { op: 'list tags', side: 'source' as const, method: 'GET', scopes: scopesOf(room, 'pull') };
  const found: string[] = [];
  for await (const answer of pages(room, { ...call, url, accept: [200, 404] })) {
    found.push(...(answer.status === 404 ? [] : tagsOf(answer)));
  }
  return found;
}

function tagsOf(answer: Answer): string[] {
  try {
    const { tags: names } = (JSON.parse(answer.bytes.toString()) ?? {}) as { tags?: unknown };
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  } catch (cause) {
    const message = `list tags at ${answer.url.host}${answer.url.pathname}: the answer is not JSON`;
    throw new RegistryError({
      op: 'list tags',
      side: 'source',
      code: 'TAGS_INVALID',
      temporary: false,
      message,
      cause,
    });
  }
}

/** Follows `Link: <…>; rel="next"` (RFC 8288) on the same registry. */
async function* pages(room: Room, call: Call): AsyncGenerator<Answer, void> {
  let next: URL | undefined = call.url;
  for (let page = 0; next !== undefined && page < PAGES_MAX; page++) {
    const answer: Answer = await room.session.call({ ...call, url: next });
    yield answer;
    const link = /<([^>]*)>\s*;\s*rel="?next"?/.exec(String(answer.headers['link'] ?? ''))?.[1];
    const url: URL | null = link === undefined ? null : URL.parse(link, answer.url.href);
    next = url === null || url.origin !== room.session.origin ? undefined : url;
  }
}
