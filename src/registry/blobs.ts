// The rows that say which blob is in which repository, with the uses that keep its content from being swept.
import type pg from 'pg';
import type { ContentInfo } from '../oci/content.ts';
import type { Digest } from '../oci/descriptor.ts';
import { nameUnknown, Refusal } from './refusal.ts';
import { READABLE, type RepositoryRef, WRITABLE, writeInto } from './repositories.ts';
import { type Ask, askTogether, statement } from './statements.ts';

const FIND = statement<{ size_bytes: number | null }>(
  'find_blob',
  `select b.size_bytes from (${READABLE}) r left join repository_blobs b on b.repository_id = r.id and b.digest = $3`,
);

const ADD = statement<{ id: string }>(
  'add_blob',
  `with repository as (${WRITABLE}),
     added as (insert into repository_blobs (repository_id, digest, size_bytes) select id, $3, $4 from repository on conflict do nothing),
     used as (insert into content_uses (digest, kind, id) select $3, 'repository', id from repository on conflict do nothing),
     ended as (delete from repository_uploads u using repository r where u.id = $5::uuid and u.repository_id = r.id)
   select id from repository`,
);

/**
 * One round trip whether the mount succeeds or falls back to an upload session. The source row is locked, so that a
 * delete of it in the same moment cannot leave the content without any use.
 */
const MOUNT = statement<{ size_bytes: number | null; upload_id: string | null }>(
  'mount_blob',
  `with repository as (${WRITABLE}),
     source as materialized (
       select b.size_bytes from repository_blobs b join repositories f on f.id = b.repository_id
       where f.name = $4 and (f.organization_id = $2 or f.organization_id is null) and b.digest = $3
       for key share of b),
     added as (insert into repository_blobs (repository_id, digest, size_bytes) select id, $3, size_bytes from repository, source on conflict do nothing),
     used as (insert into content_uses (digest, kind, id) select $3, 'repository', id from repository, source on conflict do nothing),
     upload as (insert into repository_uploads (repository_id) select id from repository where not exists (select from source) returning id)
   select (select size_bytes from source) as size_bytes, (select id from upload) as upload_id from repository`,
);

const LOCK = statement<{ repository_id: string; held: boolean }>(
  'lock_blob',
  `with repository as (${WRITABLE}),
     blob as materialized (
       select b.repository_id from repository_blobs b join repository r on b.repository_id = r.id where b.digest = $3 for update of b)
   select r.id as repository_id, exists (select from blob) as held from repository r`,
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

/** The size of a blob of a repository that the organization may read. Throws NAME_UNKNOWN, BLOB_UNKNOWN. */
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

function blobUnknown(): Refusal {
  return new Refusal('BLOB_UNKNOWN', 'blob unknown to registry');
}

/** Shows content in a repository as a blob, and ends the upload session that brought it. */
export async function addBlob(
  ask: Ask,
  repository: RepositoryRef,
  blob: ContentInfo & { upload_id?: string },
): Promise<void> {
  const values = [repository.name, repository.organization_id, blob.digest, blob.size, blob.upload_id ?? null];
  await writeInto(ask, repository, () => ask(ADD, values));
}

/** Mounts a blob of a repository that the organization may read; otherwise answers the id of a new upload session. */
export async function mountBlob(
  ask: Ask,
  repository: RepositoryRef,
  blob: { digest: Digest; from: string },
): Promise<{ mounted: true } | { mounted: false; upload_id: string }> {
  const values = [repository.name, repository.organization_id, blob.digest, blob.from];
  const { upload_id } = await writeInto(ask, repository, () => ask(MOUNT, values));
  return upload_id === null ? { mounted: true } : { mounted: false, upload_id };
}

/** Takes a blob out of a repository. Throws NAME_UNKNOWN, BLOB_UNKNOWN, and UNSUPPORTED while a manifest is made of it. */
export async function removeBlob(pool: pg.Pool, repository: RepositoryRef, digest: Digest): Promise<void> {
  await askTogether(pool, async (ask) => {
    const [found] = await ask(LOCK, [repository.name, repository.organization_id, digest]);
    if (found === undefined) {
      throw nameUnknown();
    }
    if (!found.held) {
      throw blobUnknown();
    }
    const removed = await ask(REMOVE, [found.repository_id, digest]);
    if (removed.length === 0) {
      throw new Refusal('UNSUPPORTED', 'a manifest of this repository is made of this blob: delete the manifest first');
    }
  });
}
