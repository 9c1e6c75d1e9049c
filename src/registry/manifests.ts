// The rows of manifests and tags. One statement writes or deletes the row of a manifest together with everything that belongs
// to it.
import type pg from 'pg';
import type { Descriptor, Digest } from '../oci/descriptor.ts';
import { eventsOf, insertEvents } from './actor.ts';
import type { CheckedManifest } from './manifest.ts';
import { isImmutableTag, referrerTagSubject } from './names.ts';
import { denied, nameUnknown, ownedByLarder, Rejection } from './rejection.ts';
import { READABLE, type RepositoryRef, WRITABLE, writeInto } from './repositories.ts';
import { type Ask, askTogether, statement } from './statements.ts';

export type FoundManifest = { digest: Digest; media_type: string; size_bytes: number };

const FIND_BY_DIGEST = statement<FoundManifest>(
  'find_manifest',
  `select m.digest, m.media_type, m.size_bytes
   from (${READABLE}) r left join repository_manifests m on m.repository_id = r.id and m.digest = $3`,
);

const FIND_BY_TAG = statement<FoundManifest>(
  'find_tagged_manifest',
  `select m.digest, m.media_type, m.size_bytes
   from (${READABLE}) r
   left join repository_tags t on t.repository_id = r.id and t.tag = $3
   left join repository_manifests m on m.repository_id = r.id and m.digest = t.digest`,
);

/**
 * Makes all changes of the push of a manifest, or none. First locks the rows to which the manifest refers. A row that is
 * being deleted counts as missing. Then writes the manifest, its use, its tag and its audit event. $14 says whether the tag
 * is immutable. An existing immutable tag is not moved. $15 says whether a client pushes. From clients, a closed repository
 * accepts only referrers of the manifest that $16 names. $17 is the audit event, which is written only if the push changes
 * something.
 */
const PUT = statement<{ open: boolean; missing: string[]; holder: string | null; tagged: boolean }>(
  'put_manifest',
  `with repository as (${WRITABLE}),
     open as (
       select id from repository r
       where not (is_closed and $15::boolean)
         or exists (select from repository_manifests m where m.repository_id = r.id and m.digest = $16)),
     named as (select t.digest from repository_tags t join repository r on t.repository_id = r.id where t.tag = $13),
     blobs as materialized (
       select b.digest from repository_blobs b join repository r on b.repository_id = r.id where b.digest = any($11::text[]) for key share of b),
     children as materialized (
       select m.digest from repository_manifests m join repository r on m.repository_id = r.id where m.digest = any($12::text[]) for key share of m),
     missing as (
       select digest from unnest($11::text[]) digest where digest not in (select digest from blobs)
       union all select digest from unnest($12::text[]) digest where digest not in (select digest from children)),
     holder as (select digest from named where digest <> $3 and $14::boolean),
     accepted as (select id from open where not exists (select from missing) and not exists (select from holder)),
     added as (
       insert into repository_manifests (repository_id, digest, media_type, size_bytes, artifact_type, annotations, subject_digest, refers_to)
       select id, $3, $4, $5, $6, $7, $8, $9 from accepted on conflict do nothing returning digest),
     used as (insert into content_uses (digest, kind, id) select $3, $10, id from accepted on conflict do nothing),
     tagged as (
       insert into repository_tags (repository_id, tag, digest) select id, $13, $3 from accepted where $13::text is not null
       on conflict (repository_id, tag) do update set digest = excluded.digest, updated_at = now()
         where not $14::boolean or repository_tags.digest = excluded.digest
       returning tag),
     audited as (
       ${insertEvents('$17')}
       where exists (select from added) or exists (select from tagged) and not exists (select from named where digest = $3))
   select exists (select from open) as open, array(select digest from missing) as missing, (select digest from holder) as holder,
     exists (select from tagged) as tagged
   from repository`,
);

const LOCK = statement<{ repository_id: string; is_claimed: boolean; held: boolean }>(
  'lock_manifest',
  `with repository as (${WRITABLE}),
     manifest as materialized (
       select m.repository_id from repository_manifests m join repository r on m.repository_id = r.id where m.digest = $3 for update of m)
   select r.id as repository_id, r.is_claimed, exists (select from manifest) as held from repository r`,
);

/** The foreign key of tags also deletes the tags of the manifest. */
const REMOVE = statement<{ digest: string }>(
  'remove_manifest',
  `with removed as (
       delete from repository_manifests where repository_id = $1::uuid and digest = $2
         and not exists (select from repository_manifests o where o.repository_id = $1::uuid and o.refers_to @> array[$2]) returning digest),
     unused as (
       delete from content_uses where kind = 'repository' and id = $1::uuid::text and digest in (select digest from removed)
         and not exists (select from repository_blobs where repository_id = $1::uuid and digest = $2))
   select digest from removed`,
);

const REMOVE_TAG = statement<{ is_claimed: boolean; digest: Digest | null }>(
  'remove_tag',
  `with repository as (${WRITABLE}),
     removed as (
       delete from repository_tags t using repository r
       where t.repository_id = r.id and not r.is_claimed and t.tag = $3 returning t.digest)
   select is_claimed, (select digest from removed) as digest from repository`,
);

const RECORD = statement('record_manifest_event', insertEvents('$1'));

const TAGS = statement<{ tags: string[] }>(
  'list_tags',
  `select array(
     select tag from repository_tags where repository_id = r.id
       and ($3::text is null or (lower(tag) collate "C", tag collate "C") > (lower($3), $3))
     order by lower(tag) collate "C", tag collate "C" limit $4) as tags
   from (${READABLE}) r`,
);

type FoundReferrer = FoundManifest & {
  artifact_type: string | null;
  annotations: Record<string, string> | null;
  /** The number of referrers on this page and on all later pages. */
  total: number;
};

/** A page has at least one descriptor. It ends before its descriptors exceed $6 bytes. */
const REFERRERS = statement<FoundReferrer>(
  'list_referrers',
  `select digest, media_type, size_bytes, artifact_type, annotations, total from (
     select m.*, row_number() over byte_order as position, count(*) over () as total,
       sum(300 + coalesce(octet_length(m.annotations::text), 0)) over byte_order as bytes
     from (${READABLE}) r join repository_manifests m on m.repository_id = r.id
     where m.subject_digest = $3 and ($4::text is null or m.artifact_type = $4) and ($5::text is null or m.digest collate "C" > $5)
     window byte_order as (order by m.digest collate "C")) m
   where position = 1 or bytes <= $6 order by digest collate "C" limit $7`,
);

/** Returns the manifest with this tag or digest. Throws NAME_UNKNOWN and MANIFEST_UNKNOWN. */
export async function getManifest(ask: Ask, repository: RepositoryRef, reference: string): Promise<FoundManifest> {
  const find = reference.includes(':') ? FIND_BY_DIGEST : FIND_BY_TAG;
  const [row] = await ask(find, [repository.name, repository.organization_id, reference]);
  if (row === undefined) {
    throw nameUnknown();
  }
  if (row.digest === null) {
    throw manifestUnknown();
  }
  return row;
}

export function manifestUnknown(): Rejection {
  return new Rejection('MANIFEST_UNKNOWN', 'manifest unknown to registry');
}

/**
 * Adds a manifest whose bytes are already stored as content, and sets `tag` to it. Throws MANIFEST_BLOB_UNKNOWN with each
 * digest that the repository lacks. Throws DENIED if an immutable tag points to another digest, or if a client pushes a
 * version to a repository of Larder.
 */
export async function putManifest(
  ask: Ask,
  repository: RepositoryRef,
  manifest: CheckedManifest & { tag?: string },
): Promise<void> {
  const { tag } = manifest;
  const immutable = tag !== undefined && isImmutableTag(tag);
  const put = await writeInto(ask, repository, () => ask(PUT, valuesOf(repository, manifest, immutable)));
  if (!put.open) {
    throw ownedByLarder(repository.name);
  }
  if (put.missing.length > 0) {
    const detail = put.missing.map((digest) => ({ digest }));
    throw new Rejection('MANIFEST_BLOB_UNKNOWN', 'manifest references a manifest or blob unknown to registry', {
      detail,
    });
  }
  if (put.holder !== null || (tag !== undefined && !put.tagged)) {
    throw denied(`tag ${tag} is immutable and names another digest`);
  }
}

function valuesOf(
  repository: RepositoryRef,
  manifest: CheckedManifest & { tag?: string },
  immutable: boolean,
): unknown[] {
  const { digest, media_type, size_bytes, artifact_type, annotations, subject_digest, blobs, manifests, tag } =
    manifest;
  return [
    repository.name,
    repository.organization_id,
    digest,
    media_type,
    size_bytes,
    artifact_type,
    annotations === null ? null : JSON.stringify(annotations),
    subject_digest,
    [...blobs, ...manifests],
    'repository',
    blobs,
    manifests,
    tag ?? null,
    immutable,
    repository.by !== 'LARDER',
    referredTo(manifest),
    eventsOf(repository.by, { action: 'pushManifest', subject_kind: 'manifest' }, referenceTo(repository, manifest)),
  ];
}

/**
 * Returns the digest of the manifest to which a referrer refers. With a tag, this is the digest in the tag, or null if the
 * tag is no referrers tag. Without a tag, it is the digest of the subject. Returns null for images and charts.
 */
function referredTo({ is_image, subject_digest, tag }: CheckedManifest & { tag?: string }): Digest | null {
  if (is_image) {
    return null;
  }
  return tag === undefined ? subject_digest : (referrerTagSubject(tag) ?? null);
}

/** Returns the name of a manifest in the audit trail, such as `acme/app:v1@sha256:…`. */
function referenceTo({ name }: RepositoryRef, { tag, digest }: { tag?: string; digest: Digest }): string {
  return `${name}${tag === undefined ? '' : `:${tag}`}@${digest}`;
}

/**
 * Removes a manifest and its tags from a repository. Throws NAME_UNKNOWN, MANIFEST_UNKNOWN, DENIED if the repository belongs
 * to Larder, and UNSUPPORTED if an index lists the manifest.
 */
export async function removeManifest(pool: pg.Pool, repository: RepositoryRef, digest: Digest): Promise<void> {
  await askTogether(pool, async (ask) => {
    const [found] = await ask(LOCK, [repository.name, repository.organization_id, digest]);
    if (found === undefined) {
      throw nameUnknown();
    }
    if (found.is_claimed) {
      throw ownedByLarder(repository.name);
    }
    if (!found.held) {
      throw manifestUnknown();
    }
    const removed = await ask(REMOVE, [found.repository_id, digest]);
    if (removed.length === 0) {
      throw new Rejection('UNSUPPORTED', 'an index of this repository lists this manifest: delete the index first');
    }
    const act = { action: 'deleteManifest', subject_kind: 'manifest' } as const;
    await ask(RECORD, [eventsOf(repository.by, act, referenceTo(repository, { digest }))]);
  });
}

/**
 * Removes a tag, but not its manifest. Throws NAME_UNKNOWN, MANIFEST_UNKNOWN, and DENIED if the repository belongs to Larder.
 */
export async function removeTag(pool: pg.Pool, repository: RepositoryRef, tag: string): Promise<void> {
  await askTogether(pool, async (ask) => {
    const [row] = await ask(REMOVE_TAG, [repository.name, repository.organization_id, tag]);
    if (row === undefined) {
      throw nameUnknown();
    }
    if (row.is_claimed) {
      throw ownedByLarder(repository.name);
    }
    if (row.digest === null) {
      throw manifestUnknown();
    }
    const act = { action: 'deleteTag', subject_kind: 'tag' } as const;
    await ask(RECORD, [eventsOf(repository.by, act, referenceTo(repository, { tag, digest: row.digest }))]);
  });
}

/**
 * Lists the tags after `last`. They are sorted as the specification requires: alphanumerically, without regard to case.
 * Throws NAME_UNKNOWN.
 */
export async function listTags(
  ask: Ask,
  repository: RepositoryRef,
  page: { last: string | null; limit: number },
): Promise<string[]> {
  const [row] = await ask(TAGS, [repository.name, repository.organization_id, page.last, page.limit]);
  if (row === undefined) {
    throw nameUnknown();
  }
  return row.tags;
}

/**
 * Lists the descriptors of the manifests with this subject, after the digest `last` and ordered by digest. Returns an empty
 * list for an unknown repository.
 */
export async function listReferrers(
  ask: Ask,
  repository: RepositoryRef,
  page: { subject: Digest; artifactType: string | null; last: string | null; bytesMax: number; limit: number },
): Promise<{ manifests: Descriptor[]; more: boolean }> {
  const { subject, artifactType, last, bytesMax, limit } = page;
  const values = [repository.name, repository.organization_id, subject, artifactType, last, bytesMax, limit];
  const rows = await ask(REFERRERS, values);
  const manifests = rows.map((row) => ({
    mediaType: row.media_type,
    digest: row.digest,
    size: row.size_bytes,
    ...(row.artifact_type !== null && { artifactType: row.artifact_type }),
    ...(row.annotations !== null && { annotations: row.annotations }),
  }));
  return { manifests, more: rows[0] !== undefined && rows[0].total > rows.length };
}
