// Makes an artifact visible in a repository with one statement, if the store already has its content. Either the whole
// artifact with its tags becomes visible, or nothing.
import type { ContentInfo } from '../content/content.ts';
import type { CheckedManifest } from './manifest.ts';
import { isImmutableTag } from './names.ts';
import { denied } from './rejection.ts';
import { CLAIMED, OWN, type RepositoryRef, writeInto } from './repositories.ts';
import { type Ask, statement } from './statements.ts';

/**
 * $3 blobs, $4 their sizes, $5 manifests as JSON, $6 all digests, $7 tags, $8 whether each tag is immutable, $9 the digest
 * for the tags. First claims the repository, and thereby waits for running writes of clients. Then locks the existing rows,
 * so that a concurrent delete waits and then sees the new references. Inserts missing rows last, so that a row that was
 * deleted before the lock is inserted again.
 */
const LINK = statement<{ holders: string[]; tagged: number }>(
  'link_artifact',
  `with claimed as (${CLAIMED}),
     repository as materialized (select id from (${OWN}) r where (select count(*) from claimed) >= 0),
     wanted as (select * from unnest($7::text[], $8::boolean[]) as wanted (tag, immutable)),
     holders as (
       select t.tag from repository_tags t join repository r on t.repository_id = r.id join wanted w on w.tag = t.tag
       where w.immutable and t.digest <> $9),
     kept as materialized (
       select b.digest from repository_blobs b join repository r on b.repository_id = r.id where b.digest = any($3::text[]) for key share of b),
     listed as materialized (
       select m.digest from repository_manifests m join repository r on m.repository_id = r.id where m.digest = any($6::text[]) for key share of m),
     accepted as materialized (
       select id from repository
       where not exists (select from holders) and (select count(*) from kept) + (select count(*) from listed) >= 0),
     blobs as (
       insert into repository_blobs (repository_id, digest, size_bytes)
       select a.id, b.digest, b.size from accepted a, unnest($3::text[], $4::bigint[]) as b (digest, size) on conflict do nothing),
     manifests as (
       insert into repository_manifests (repository_id, digest, media_type, size_bytes, artifact_type, annotations, subject_digest, refers_to)
       select a.id, m.digest, m.media_type, m.size_bytes, m.artifact_type, m.annotations, m.subject_digest, m.refers_to
       from accepted a, jsonb_to_recordset($5::jsonb) as m (digest text, media_type text, size_bytes bigint, artifact_type text,
         annotations jsonb, subject_digest text, refers_to text[])
       on conflict do nothing),
     used as (
       insert into content_uses (digest, kind, id) select digest, 'repository', a.id from accepted a, unnest($6::text[]) digest
       on conflict do nothing),
     tagged as (
       insert into repository_tags (repository_id, tag, digest) select a.id, w.tag, $9 from accepted a, wanted w
       on conflict (repository_id, tag) do update set digest = excluded.digest, updated_at = now()
         where repository_tags.digest = excluded.digest or repository_tags.tag not in (select tag from wanted where immutable)
       returning tag)
   select array(select tag from holders) as holders, (select count(*)::int from tagged) as tagged from repository`,
);

export type LinkedArtifact = {
  /** All blobs to which the artifact's manifests refer. */
  blobs: ContentInfo[];
  /** The artifact's manifests. Each comes after its children. The tags point to the last manifest. */
  manifests: CheckedManifest[];
  tags: string[];
};

/**
 * Makes an artifact visible. The caller must have checked that the store has all its content. Throws DENIED and changes
 * nothing if an immutable tag points to another digest.
 */
export async function linkArtifactRows(ask: Ask, repository: RepositoryRef, artifact: LinkedArtifact): Promise<void> {
  const { blobs, manifests } = artifact;
  const tags = [...new Set(artifact.tags)];
  const rows = manifests.map(({ blobs: parts, manifests: children, ...row }) => ({
    ...row,
    refers_to: [...parts, ...children],
  }));
  const values = [
    repository.name,
    repository.organization_id,
    blobs.map(({ digest }) => digest),
    blobs.map(({ size }) => size),
    JSON.stringify(rows),
    [...new Set([...blobs, ...manifests].map(({ digest }) => digest))],
    tags,
    tags.map(isImmutableTag),
    manifests.at(-1)?.digest ?? null,
  ];
  const { holders, tagged } = await writeInto(ask, repository, () => ask(LINK, values));
  if (holders.length > 0) throw denied(`tag ${holders.join(', ')} is immutable and names another digest`);
  // Another request set an immutable tag at the same time, so the statement did not move this tag. The other rows that it
  // wrote do no harm.
  if (tagged < tags.length) throw denied('a tag is immutable and names another digest');
}
