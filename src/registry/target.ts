// The hosted registry as a target of jobs. The content of an artifact is already in the store, so a copy writes only rows.
import type pg from 'pg';
import type { ContentStore } from '../content/content.ts';
import type { Descriptor, Digest } from '../oci/descriptor.ts';
import { RegistryError } from '../oci/errors.ts';
import { isManifestType, once, readManifestBytes } from '../oci/manifest.ts';
import type { Target, WholeArtifact } from '../oci/target.ts';
import { addBlob, getBlobSize, mountBlob } from './blobs.ts';
import { linkArtifactRows } from './link-artifact.ts';
import { checkManifest } from './manifest.ts';
import { getManifest, listReferrers, putManifest } from './manifests.ts';
import { Rejection } from './rejection.ts';
import { claimRepository, type RepositoryRef } from './repositories.ts';
import { type Ask, askPool } from './statements.ts';
import { endUpload } from './uploads.ts';

export type HostedOptions = {
  pool: pg.Pool;
  content: ContentStore;
  /** Null for a repository of the installation, which every organization can read. */
  organization_id: string | null;
  /** The whole name of the repository, with the namespace. */
  repository: string;
};

type Opener = () => Promise<AsyncIterable<Uint8Array>>;

/** The most referrers on a page of the list. */
const REFERRERS_MAX = 1_000;

/**
 * The name of the hosted registry in `Target.place`. All hosted repositories have this name, so that blobs are mounted
 * between them.
 */
const HOSTED = 'hosted';

/**
 * Returns a repository of the hosted registry as a target. The first push claims the repository for Larder, so that clients
 * can no longer write to it. The functions of the target throw RegistryError. Its code is DENIED if an immutable tag points
 * to another digest, or if the name is outside the organization's namespace.
 */
export function hostedTarget(options: HostedOptions): Target {
  let claimed = false;
  const claim = async () => {
    if (!claimed) await claimRepository(asker(options), refOf(options));
    claimed = true;
  };
  const write = <T>(op: string, act: () => Promise<T>) =>
    orRegistryError(op, async () => {
      await claim();
      return await act();
    });
  return {
    place: { registry: HOSTED, repository: options.repository },
    resolve: (reference) => orRegistryError('resolve', () => resolve(options, reference)),
    fetch: (descriptor, range) =>
      orRegistryError('fetch', async () => {
        await getSize(options, descriptor);
        return await options.content.open(descriptor.digest, range);
      }),
    exists: (descriptor) => orRegistryError('exists', () => exists(options, descriptor)),
    push: (descriptor, open) => write('push', () => push(options, descriptor, { open })),
    pushTagged: (descriptor, open, tag) => write('push', () => push(options, descriptor, { open, tag })),
    linkArtifact: (artifact) =>
      orRegistryError('link artifact', async () => {
        const linked = await linkArtifact(options, artifact);
        claimed ||= linked;
        return linked;
      }),
    tag: (descriptor, tag) =>
      write('tag', () => push(options, descriptor, { open: () => options.content.open(descriptor.digest), tag })),
    mount: (descriptor, from) => write('mount', () => mount(options, descriptor, from)),
    referrers: (subject, artifactType) => orRegistryError('referrers', () => referrers(options, subject, artifactType)),
  };
}

/** Converts rejections of the registry to RegistryError, which every target throws. */
async function orRegistryError<T>(op: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof Rejection) {
      const { code, status, message } = error;
      throw new RegistryError({ op, side: 'target', status, code, temporary: status >= 500, message, cause: error });
    }
    throw error;
  }
}

function asker({ pool }: HostedOptions): Ask {
  return askPool(pool);
}

function refOf({ organization_id, repository }: HostedOptions): RepositoryRef {
  return { organization_id, name: repository, by: 'LARDER' };
}

async function getSize(options: HostedOptions, { mediaType, digest }: Descriptor): Promise<number> {
  return isManifestType(mediaType)
    ? (await getManifest(asker(options), refOf(options), digest)).size_bytes
    : await getBlobSize(asker(options), refOf(options), digest);
}

/** Returns undefined if the content is unknown. Throws every other rejection again. */
async function orUndefined<T>(finding: Promise<T>): Promise<T | undefined> {
  try {
    return await finding;
  } catch (error) {
    if (error instanceof Rejection && error.status === 404) {
      return undefined;
    }
    throw error;
  }
}

async function exists(options: HostedOptions, descriptor: Descriptor): Promise<boolean> {
  return (await orUndefined(getSize(options, descriptor))) === descriptor.size;
}

async function resolve(options: HostedOptions, reference: string): Promise<Descriptor | undefined> {
  const found = await orUndefined(getManifest(asker(options), refOf(options), reference));
  return found && { mediaType: found.media_type, digest: found.digest, size: found.size_bytes };
}

/** Adds content to the repository. Calls `open` and stores the bytes only if the store does not have the content. */
async function push(
  options: HostedOptions,
  descriptor: Descriptor,
  how: { open: Opener; tag?: string },
): Promise<void> {
  const ask = asker(options);
  const held = await isHeld(options.content, descriptor);
  if (!isManifestType(descriptor.mediaType)) {
    if (!held) {
      await options.content.put(await how.open(), descriptor);
    }
    await addBlob(ask, refOf(options), descriptor);
    return;
  }
  const open = held ? () => options.content.open(descriptor.digest) : how.open;
  const bytes = await readManifestBytes(await open(), descriptor);
  if (!held) {
    await options.content.put(once(bytes), descriptor);
  }
  const manifest = checkManifest(bytes, descriptor.mediaType);
  await putManifest(ask, refOf(options), { ...manifest, ...(how.tag !== undefined && { tag: how.tag }) });
}

/** Makes an artifact visible. Like `push`, touches all content before it writes the rows. */
async function linkArtifact(options: HostedOptions, { blobs, manifests, tags }: WholeArtifact): Promise<boolean> {
  const held = await Promise.all([
    ...blobs.map((blob) => isHeld(options.content, blob)),
    // The sizes of manifests need no check, because their bytes are in memory.
    ...manifests.map(({ descriptor }) => options.content.touch(descriptor.digest)),
  ]);
  if (held.includes(false)) {
    return false;
  }
  const checked = manifests.map(({ bytes, descriptor }) => checkManifest(bytes, descriptor.mediaType));
  await linkArtifactRows(asker(options), refOf(options), { blobs, manifests: checked, tags });
  return true;
}

/**
 * Whether the store has a content. Touches the content, so that the sweeper (src/jobs/sweep-content.ts) does not delete it
 * before its row exists.
 */
async function isHeld(content: ContentStore, { digest, size }: Descriptor): Promise<boolean> {
  if (!(await content.touch(digest))) {
    return false;
  }
  const held = await content.stat(digest);
  if (held !== undefined && held.size !== size) {
    throw new Rejection('SIZE_INVALID', `${digest} has ${held.size} bytes, expected ${size}`);
  }
  return held !== undefined;
}

async function mount(options: HostedOptions, { digest }: Descriptor, from: string): Promise<'mounted' | 'rejected'> {
  const ask = asker(options);
  const mounted = await mountBlob(ask, refOf(options), { digest, from });
  if (!mounted.mounted) {
    await endUpload(ask, mounted.upload_id);
  }
  return mounted.mounted ? 'mounted' : 'rejected';
}

async function referrers(options: HostedOptions, subject: Digest, artifactType?: string): Promise<Descriptor[]> {
  const found: Descriptor[] = [];
  for (;;) {
    const page = {
      subject,
      artifactType: artifactType ?? null,
      last: found.at(-1)?.digest ?? null,
      bytesMax: Number.MAX_SAFE_INTEGER,
      limit: REFERRERS_MAX,
    };
    const { manifests, more } = await listReferrers(asker(options), refOf(options), page);
    found.push(...manifests);
    if (!more) {
      return found;
    }
  }
}
