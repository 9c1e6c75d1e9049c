// A repository of a remote registry, as a target (OCI distribution-spec v1.1).
import { Readable } from 'node:stream';
import type { Descriptor } from '../descriptor.ts';
import { RegistryError } from '../errors.ts';
import { isManifestType } from '../manifest.ts';
import { isRepository } from '../reference.ts';
import type { Target } from '../target.ts';
import { download } from './blob-download.ts';
import { locationOf, type UploadContext, uploadBlob } from './blob-upload.ts';
import { isDockerHub, openSession, type Session, type SessionOptions } from './registry-session.ts';
import { question, type RepositoryContext, scopesOf, urlOf } from './repository-context.ts';
import { attach, referrers, tags } from './repository-lists.ts';
import { exists, pushManifest, reread, resolve } from './repository-manifests.ts';

export interface RemoteRepository extends Target {
  /** Returns all tags in the registry's order. Returns an empty list if the repository does not exist. */
  tags(): Promise<string[]>;
  readonly place: { registry: string; repository: string };
}

/** Repositories of one registry. They share credentials, tokens and the capabilities that were found. */
export interface RemoteRegistry {
  /** `https://host:port` */
  readonly origin: string;
  repository(name: string): RemoteRepository;
  /** Sends `GET /v2/` with the credentials. Throws RegistryError. */
  ping(): Promise<void>;
}

/**
 * Statuses of a rejected mount that do not end the copy. The blob is pushed instead. If the push fails too, it reports the
 * actual cause.
 */
const MOUNT_REJECTED = new Set([400, 401, 403, 404, 405, 501]);

/** Opens one registry. Sends no request. Throws TypeError for an invalid address. */
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

/** Opens one repository of a registry. For several repositories, use `openRegistry`. */
export function openRemote(options: SessionOptions & { repository: string }): RemoteRepository {
  return openRegistry(options).repository(options.repository);
}

function openRepository(session: Session, repository: string): RemoteRepository {
  const name = isDockerHub(session.origin) && !repository.includes('/') ? `library/${repository}` : repository;
  if (!isRepository(name)) {
    throw new TypeError(`${name} is not a valid repository name`);
  }
  const context: RepositoryContext = { session, name, begun: new Map(), recent: new Map() };
  return {
    place: { registry: session.origin, repository: name },
    resolve: (reference) => resolve(context, reference),
    fetch: async (descriptor, range) =>
      Readable.from(
        download(session, question(context, 'fetch', descriptor), {
          descriptor,
          ...(range !== undefined && { range }),
        }),
        { objectMode: false },
      ),
    exists: (descriptor) => exists(context, descriptor),
    push: (descriptor, open) =>
      isManifestType(descriptor.mediaType)
        ? pushManifest(context, descriptor, { open, reference: descriptor.digest })
        : pushBlob(context, descriptor, open),
    pushTagged: (descriptor, open, tag) => pushManifest(context, descriptor, { open, reference: tag }),
    mount: (descriptor, from) => mount(context, descriptor, from),
    tag: (descriptor, tag) =>
      pushManifest(context, descriptor, { open: () => reread(context, descriptor), reference: tag }),
    referrers: (subject, artifactType) => referrers(context, subject, artifactType),
    attach: (subject, added) => attach(context, subject, added),
    tags: () => tags(context),
  };
}

async function pushBlob(
  context: RepositoryContext,
  descriptor: Descriptor,
  open: () => Promise<AsyncIterable<Uint8Array>>,
): Promise<void> {
  const begun = context.begun.get(descriptor.digest);
  context.begun.delete(descriptor.digest);
  await uploadBlob(uploadContext(context), { descriptor, open, ...(begun !== undefined && { begun }) });
}

function uploadContext(context: RepositoryContext): UploadContext {
  return {
    session: context.session,
    uploads: urlOf(context, 'blobs/uploads/'),
    scopes: scopesOf(context, 'pull,push'),
    holds: (blob: Descriptor) => exists(context, blob),
  };
}

async function mount(
  context: RepositoryContext,
  { digest }: Descriptor,
  from: string,
): Promise<'mounted' | 'rejected'> {
  const { session } = context;
  if (session.learnt.mount === false) {
    return 'rejected';
  }
  const url = urlOf(context, 'blobs/uploads/');
  url.search = new URLSearchParams({ mount: digest, from }).toString();
  const scopes = [...scopesOf(context, 'pull,push'), `repository:${from}:pull`];
  try {
    const call = { op: 'mount blob', side: 'target' as const, method: 'POST', url, scopes, accept: [201, 202] };
    const answer = await context.session.call(call);
    if (answer.status === 201) {
      return 'mounted';
    }
    // The mount may have failed only because the other repository no longer has the blob. The next mount shows whether the
    // registry still supports mounts.
    session.doubt('mount');
    context.begun.set(digest, locationOf(answer, uploadContext(context)));
    return 'rejected';
  } catch (error) {
    if (error instanceof RegistryError && MOUNT_REJECTED.has(error.status ?? 0)) {
      session.doubt('mount');
      return 'rejected';
    }
    throw error;
  }
}
