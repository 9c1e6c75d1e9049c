// What was built already, by a digest of everything that went into it, so that nothing is built twice.
import { sql } from 'kysely';
import { addUses } from '../content/content-uses.ts';
import type { Digest } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';
import { json } from '../db/tables.ts';
import { type Artifact, readStoredArtifact } from '../plan/artifact.ts';
import { readStoredLayer, type StoredLayer } from '../plan/built-layer.ts';

/** What no build wanted for so long is made anew, in seconds, should one want it again. What was released keeps its own content. */
const KEPT_DAYS = 30;

/** A use is written down once in so long: enough to tell what is wanted, and no write for each build. */
const NOTED_DAYS = 1;

/** Forgotten in one transaction: short enough that no build waits for it. */
const BATCH_COUNT = 500;

/** The artifact that an equal plan made, which then is kept for another while; undefined when none did. Throws StoredValueError. */
export async function useArtifact(tx: Transaction, planDigest: Digest): Promise<Artifact | undefined> {
  // By a statement of its own, which waits for a sweep that is taking the row; the next one sees what is left.
  await sql`
    update artifacts set used_at = now()
    where plan_digest = ${planDigest} and used_at < now() - make_interval(days => ${NOTED_DAYS})`.execute(tx);
  const row = await tx
    .selectFrom('artifacts')
    .select('artifact')
    .where('plan_digest', '=', planDigest)
    .executeTakeFirst();
  return row && readStoredArtifact(row.artifact, `of plan ${planDigest}`);
}

/** Remembers an artifact by its plan; the first one stays. */
export async function recordArtifact(
  tx: Transaction,
  built: { plan_digest: Digest; artifact: Artifact; contents: Digest[] },
): Promise<void> {
  await tx
    .insertInto('artifacts')
    .values({ plan_digest: built.plan_digest, artifact: json(built.artifact) })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  await addUses(tx, { kind: 'artifact', id: built.plan_digest }, built.contents);
}

/** The layer of that key, which then is kept for another while; undefined when there is none. Throws StoredValueError. */
export async function useBuiltLayer(tx: Transaction, key: string): Promise<StoredLayer | undefined> {
  await sql`
    update built_layers set used_at = now()
    where key = ${key} and used_at < now() - make_interval(days => ${NOTED_DAYS})`.execute(tx);
  const row = await tx.selectFrom('built_layers').select('layer').where('key', '=', key).executeTakeFirst();
  return row && readStoredLayer(row.layer, key);
}

/** Remembers a layer; the first one stays. `contents` are the blob and its listing. */
export async function recordBuiltLayer(
  tx: Transaction,
  built: { key: string; layer: StoredLayer; contents: Digest[] },
): Promise<void> {
  await tx
    .insertInto('built_layers')
    .values({ key: built.key, layer: json(built.layer) })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  await addUses(tx, { kind: 'layer', id: built.key }, built.contents);
}

/** Forgets some of what nobody wanted for long, and that its content is needed for it. Answers whether there may be more. */
export async function expireBuilt(tx: Transaction): Promise<boolean> {
  const layers = await sql`
    with gone as (
      delete from built_layers where key in (
        select key from built_layers where used_at < now() - make_interval(days => ${KEPT_DAYS})
        order by key limit ${BATCH_COUNT} for update skip locked)
      returning key
    ), unused as (delete from content_uses using gone where kind = 'layer' and id = gone.key)
    select from gone`.execute(tx);
  const artifacts = await sql`
    with gone as (
      delete from artifacts where plan_digest in (
        select plan_digest from artifacts where used_at < now() - make_interval(days => ${KEPT_DAYS})
        order by plan_digest limit ${BATCH_COUNT} for update skip locked)
      returning plan_digest
    ), unused as (delete from content_uses using gone where kind = 'artifact' and id = gone.plan_digest)
    select from gone`.execute(tx);
  return layers.rows.length === BATCH_COUNT || artifacts.rows.length === BATCH_COUNT;
}

/** A repository of that registry for each of these blobs that is known to be there: what may be mounted. */
export async function findRegistryBlobs(
  db: Database,
  registryId: string,
  digests: readonly Digest[],
): Promise<Map<Digest, string>> {
  const found = await sql<{ digest: Digest; repository: string }>`
    select digest, min(repository) as repository from registry_blobs
    where registry_id = ${registryId} and digest = any(${digests}::text[]) group by digest`.execute(db);
  return new Map(found.rows.map((row) => [row.digest, row.repository]));
}

/** Remembers that blobs are in a repository of an outside registry. */
export async function recordRegistryBlobs(
  tx: Transaction,
  place: { registry_id: string; repository: string },
  digests: readonly Digest[],
): Promise<void> {
  await sql`
    insert into registry_blobs (registry_id, digest, repository)
    select ${place.registry_id}, digest, ${place.repository} from unnest(${[...new Set(digests)].sort()}::text[]) as digest
    on conflict do nothing`.execute(tx);
}

/** Forgets blobs that a registry turned out not to have. */
export async function forgetRegistryBlobs(
  tx: Transaction,
  place: { registry_id: string; repository: string },
  digests: readonly Digest[],
): Promise<void> {
  await sql`
    delete from registry_blobs where registry_id = ${place.registry_id} and repository = ${place.repository}
      and digest = any(${digests}::text[])`.execute(tx);
}
