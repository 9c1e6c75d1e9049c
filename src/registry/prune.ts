// Removes manifests without a tag from one of Larder's repositories.
import type { Digest } from '../oci/descriptor.ts';
import { type Ask, statement } from './statements.ts';

/**
 * $1 name, $2 organization, $3 digests to keep. Manifests with a subject stay, because they are referrers. Manifests that an
 * index lists stay too. A blob is removed with the last manifest that refers to it. All parts of the statement see the rows
 * as they were before the statement.
 */
const PRUNE = statement<{ removed: number }>(
  'prune_manifests',
  `with repository as materialized (
       select id from repositories where name = $1 and organization_id = $2 and larder_since is not null for update),
     old as (
       delete from repository_manifests m using repository r
       where m.repository_id = r.id and m.subject_digest is null and m.digest <> all($3::text[])
         and not exists (select from repository_tags t where t.repository_id = r.id and t.digest = m.digest)
         and not exists (select from repository_manifests o where o.repository_id = r.id and o.refers_to @> array[m.digest])
       returning m.digest, m.refers_to),
     blobs as (
       delete from repository_blobs b using repository r
       where b.repository_id = r.id and b.digest in (select unnest(refers_to) from old)
         and not exists (select from repository_manifests o where o.repository_id = r.id and o.refers_to @> array[b.digest]
           and o.digest not in (select digest from old))
       returning b.digest),
     unused as (
       delete from content_uses u using repository r
       where u.kind = 'repository' and u.id = r.id::text
         and u.digest in (select digest from old union all select digest from blobs))
   select count(*)::int as removed from old`,
);

/**
 * Removes the manifests without a tag, and the blobs that no other manifest needs. It is for repositories whose tags move
 * with each write. Otherwise every earlier manifest would stay forever. Returns the number of removed manifests.
 */
export async function pruneManifests(
  ask: Ask,
  repository: { organization_id: string; name: string },
  keep: readonly Digest[],
): Promise<number> {
  const [row] = await ask(PRUNE, [repository.name, repository.organization_id, keep]);
  return row?.removed ?? 0;
}
