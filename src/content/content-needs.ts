// Lists the rows that need a content which is missing in the store. Operators read this list.
import { sql } from 'kysely';
import type { Digest } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import type { ContentUseKind } from '../db/tables.ts';

export type NeedingRelease = {
  id: string;
  organization: string;
  product: string;
  tag: string;
  /** The reference with which clients pull the release, without a scheme. */
  url: string;
};

export type ContentNeed = {
  digest: Digest;
  releases: NeedingRelease[];
  /** Other rows that need the content, without duplicates. `name` is absent if the row has no name for people. */
  others: { kind: Exclude<ContentUseKind, 'release'>; name?: string }[];
};

/** Returns which rows need these contents, ordered by digest. Two statements. */
export async function listContentNeeds(db: Database, digests: readonly Digest[]): Promise<ContentNeed[]> {
  if (digests.length === 0) return [];
  const releases = await sql<NeedingRelease & { digest: Digest }>`
    select u.digest, r.id, n.namespace as organization, p.name as product, r.artifact_version as tag,
      r.repository || '/' || r.artifact_name || ':' || r.artifact_version as url
    from content_uses u
    join releases r on r.pipeline_id::text = u.id
    join organizations n on n.id = r.organization_id
    join applications a on a.id = r.application_id
    join products p on p.key = a.product_key
    where u.kind = 'release' and u.digest = any(${digests}::text[])
    order by u.digest, url`.execute(db);
  const others = await sql<ContentNeed['others'][number] & { digest: Digest; name: string | null }>`
    select distinct u.digest, u.kind,
      case u.kind
        when 'base_image' then (select b.name from base_images b where b.id::text = u.id)
        when 'repository' then (select r.name from repositories r where r.id::text = u.id)
        when 'customization' then (select n.namespace || '/' || c.name from customizations c
          join organizations n on n.id = c.organization_id where c.id::text = u.id)
      end as name
    from content_uses u where u.kind <> 'release' and u.digest = any(${digests}::text[])
    order by u.digest, u.kind, name`.execute(db);
  const needs = new Map<Digest, ContentNeed>(
    [...digests].sort().map((digest) => [digest, { digest, releases: [], others: [] }]),
  );
  for (const { digest, ...release } of releases.rows) needs.get(digest)?.releases.push(release);
  for (const { digest, kind, name } of others.rows)
    needs.get(digest)?.others.push({ kind, ...(name !== null && { name }) });
  return [...needs.values()];
}
