// A repository of a registry somewhere else, as a target (OCI distribution-spec v1.1).
import { Readable } from 'node:stream';
import type { Descriptor } from '../descriptor.ts';
import { RegistryError } from '../errors.ts';
import { isManifestType } from '../manifest.ts';
import { isRepository } from '../reference.ts';
import type { Target } from '../target.ts';
import { download } from './blob-download.ts';
import { locationOf, type UploadRoom, uploadBlob } from './blob-upload.ts';
import { isDockerHub, openSession, type Session, type SessionOptions } from './registry-session.ts';
import { question, type RepositoryRoom, scopesOf, urlOf } from './repository-context.ts';
import { attach, referrers, tags } from './repository-lists.ts';
import { exists, pushManifest, reread, resolve } from './repository-manifests.ts';

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
  const room: RepositoryRoom = { session, name, begun: new Map(), recent: new Map() };
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

async function pushBlob(
  room: RepositoryRoom,
  descriptor: Descriptor,
  open: () => Promise<AsyncIterable<Uint8Array>>,
): Promise<void> {
  const begun = room.begun.get(descriptor.digest);
  room.begun.delete(descriptor.digest);
  await uploadBlob(uploadRoom(room), { descriptor, open, ...(begun !== undefined && { begun }) });
}

function uploadRoom(room: RepositoryRoom): UploadRoom {
  return {
    session: room.session,
    uploads: urlOf(room, 'blobs/uploads/'),
    scopes: scopesOf(room, 'pull,push'),
    holds: (blob: Descriptor) => exists(room, blob),
  };
}

async function mount(room: RepositoryRoom, { digest }: Descriptor, from: string): Promise<'mounted' | 'refused'> {
  const { session } = room;
  if (session.learnt.mount === false) {
    return 'refused';
  }
  const url = urlOf(room, 'blobs/uploads/');
  url.search = new URLSearchParams({ mount: digest, from }).toString();
  const scopes = [...scopesOf(room, 'pull,push'), `repository:${from}:pull`];
  try {
    const call = { op: 'mount blob', side: 'target' as const, method: 'POST', url, scopes, accept: [201, 202] };
    const answer = await room.session.call(call);
    if (answer.status === 201) {
      return 'mounted';
    }
    // The blob may have gone from where it was; asked for once more, the registry tells.
    session.doubt('mount');
    room.begun.set(digest, locationOf(answer, uploadRoom(room)));
    return 'refused';
  } catch (error) {
    if (error instanceof RegistryError && MOUNT_REFUSED.has(error.status ?? 0)) {
      session.doubt('mount');
      return 'refused';
    }
    throw error;
  }
}
