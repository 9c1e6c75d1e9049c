// The rows of blobs in repositories, and the uses of their content. The sweeper (src/jobs/sweep-content.ts) keeps a content
// that has a use.
import type pg from 'pg';
import type { ContentInfo } from '../content/content.ts';
import type { Digest } from '../oci/descriptor.ts';
import { eventsOf, insertEvents } from './actor.ts';
import { nameUnknown, ownedByLarder, Rejection } from './rejection.ts';
import { READABLE, type RepositoryRef, WRITABLE, writeInto } from './repositories.ts';
import { type Ask, askTogether, statement } from './statements.ts';

/**
 * The largest blob, in bytes, that a client may push to a repository of Larder. Clients must not push layers there.
 * Signatures have kilobytes, and attestations and SBOMs of whole distributions have megabytes. Larger blobs are layers.
 */
export const REFERRER_BLOB_BYTES_MAX = 32 * 1024 * 1024;

const FIND = statement<{ size_bytes: number | null }>(
  'find_blob',
  `select b.size_bytes from (${READABLE}) r left join repository_blobs b on b.repository_id = r.id and b.digest = $3`,
);

/** $6 is the size of the largest blob that a closed repository accepts. Null means no limit. */
const ADD = statement<{ accepted: boolean }>(
  'add_blob',
  `with repository as (${WRITABLE}),
     accepted as (select id from repository where not is_closed or $6::bigint is null or $4::bigint <= $6::bigint),
     added as (insert into repository_blobs (repository_id, digest, size_bytes) select id, $3, $4 from accepted on conflict do nothing),
     used as (insert into content_uses (digest, kind, id) select $3, 'repository', id from accepted on conflict do nothing),
     ended as (delete from repository_uploads u using repository r where u.id = $5::uuid and u.repository_id = r.id)
   select exists (select from accepted) as accepted from repository`,
);

/**
 * Mounts a blob, or opens an upload session if the mount is not possible, in one round trip. $5 is whether a client requests
 * the mount. Locks the source row, because a concurrent delete of this row could otherwise leave the content without a use.
 */
const MOUNT = statement<{ accepted: boolean; upload_id: string | null }>(
  'mount_blob',
  `with repository as (${WRITABLE}),
     accepted as (select id from repository where not (is_closed and $5::boolean)),
     source as materialized (
       select b.size_bytes from repository_blobs b join repositories f on f.id = b.repository_id
       where f.name = $4 and (f.organization_id = $2 or f.organization_id is null) and b.digest = $3
       for key share of b),
     added as (insert into repository_blobs (repository_id, digest, size_bytes) select id, $3, size_bytes from accepted, source on conflict do nothing),
     used as (insert into content_uses (digest, kind, id) select $3, 'repository', id from accepted, source on conflict do nothing),
     upload as (insert into repository_uploads (repository_id) select id from accepted where not exists (select from source) returning id)
   select exists (select from accepted) as accepted, (select id from upload) as upload_id from repository`,
);

const LOCK = statement<{ repository_id: string; is_claimed: boolean; held: boolean }>(
  'lock_blob',
  `with repository as (${WRITABLE}),
     blob as materialized (
       select b.repository_id from repository_blobs b join repository r on b.repository_id = r.id where b.digest = $3 for update of b)
   select r.id as repository_id, r.is_claimed, exists (select from blob) as held from repository r`,
);

const REMOVE = statement<{ digest: string }>(
  'remove_blob',
  `with removed as (
       delete from repository_blobs where repository_id = $1::uuid and digest = $2
         and not exists (select from repository_manifests where repository_id = $1::uuid and refers_to @> array[$2]) returning digest),
     unused as (
       delete from content_uses where kind = 'repository' and id = $1::uuid::text and digest in (select digest from removed)
         and not exists (select from repository_manifests where repository_id = $1::uuid and digest = $2))
   select digest from removed`,
);

const RECORD = statement('record_blob_event', insertEvents('$1'));

/** Returns the size of a blob in a repository that the organization can read. Throws NAME_UNKNOWN and BLOB_UNKNOWN. */
export async function getBlobSize(ask: Ask, repository: RepositoryRef, digest: Digest): Promise<number> {
  const [row] = await ask(FIND, [repository.name, repository.organization_id, digest]);
  if (row === undefined) {
    throw nameUnknown();
  }
  if (row.size_bytes === null) {
    throw blobUnknown();
  }
  return row.size_bytes;
}

function blobUnknown(): Rejection {
  return new Rejection('BLOB_UNKNOWN', 'blob unknown to registry');
}

/**
 * Adds content to a repository as a blob, and ends the blob's upload session. Throws DENIED if a client pushes a large blob
 * to a repository of Larder.
 */
export async function addBlob(
  ask: Ask,
  repository: RepositoryRef,
  blob: ContentInfo & { upload_id?: string },
): Promise<void> {
  const { name, organization_id, by } = repository;
  const sizeMax = by === 'LARDER' ? null : REFERRER_BLOB_BYTES_MAX;
  const values = [name, organization_id, blob.digest, blob.size, blob.upload_id ?? null, sizeMax];
  const { accepted } = await writeInto(ask, repository, () => ask(ADD, values));
  if (!accepted) {
    throw ownedByLarder(name);
  }
}

/**
 * Mounts a blob from another repository that the organization can read. If no repository has the blob, returns the id of a
 * new upload session. Throws DENIED if a client mounts into a repository of Larder.
 */
export async function mountBlob(
  ask: Ask,
  repository: RepositoryRef,
  blob: { digest: Digest; from: string },
): Promise<{ mounted: true } | { mounted: false; upload_id: string }> {
  const { name, organization_id, by } = repository;
  const values = [name, organization_id, blob.digest, blob.from, by !== 'LARDER'];
  const { accepted, upload_id } = await writeInto(ask, repository, () => ask(MOUNT, values));
  if (!accepted) {
    throw ownedByLarder(name);
  }
  return upload_id === null ? { mounted: true } : { mounted: false, upload_id };
}

/**
 * Removes a blob from a repository. Throws NAME_UNKNOWN, BLOB_UNKNOWN, DENIED if the repository belongs to Larder, and
 * UNSUPPORTED if a manifest refers to the blob.
 */
export async function removeBlob(pool: pg.Pool, repository: RepositoryRef, digest: Digest): Promise<void> {
  await askTogether(pool, async (ask) => {
    const [found] = await ask(LOCK, [repository.name, repository.organization_id, digest]);
    if (found === undefined) {
      throw nameUnknown();
    }
    if (found.is_claimed) {
      throw ownedByLarder(repository.name);
    }
    if (!found.held) {
      throw blobUnknown();
    }
    const removed = await ask(REMOVE, [found.repository_id, digest]);
    if (removed.length === 0) {
      throw new Rejection(
        'UNSUPPORTED',
        'a manifest of this repository refers to this blob: delete the manifest first',
      );
    }
    const act = { action: 'deleteBlob', subject_kind: 'blob' } as const;
    await ask(RECORD, [eventsOf(repository.by, act, `${repository.name}@${digest}`)]);
  });
}
