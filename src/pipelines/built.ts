// A cache of built artifacts and layers. The key of an entry is a digest of all inputs of the build.
import { sql } from 'kysely';
import { addUses } from '../content/content-uses.ts';
import type { Digest } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';
import { json } from '../db/tables.ts';
import { type Artifact, readStoredArtifact } from '../plan/artifact.ts';
import { readStoredLayer, type StoredLayer } from '../plan/built-layer.ts';

/**
 * Entries that were unused for this long are deleted. Building an entry again takes seconds, and releases keep their own
 * content.
 */
const KEPT_DAYS = 30;

/** The time of the last use is updated at most once in this time, so that most builds need no write. */
const USE_RECORDED_DAYS = 1;

/**
 * How many entries one transaction deletes. The number is small, because builds that use these entries wait for the end of
 * the transaction.
 */
const BATCH_COUNT = 500;

/**
 * Returns the artifact that was built from this plan, and records its use. Returns undefined if there is none. Throws
 * StoredValueError.
 */
export async function useArtifact(tx: Transaction, planDigest: Digest): Promise<Artifact | undefined> {
  // If another transaction is deleting the row, this statement waits until that transaction ends. So the next statement finds
  // the row only if it was not deleted.
  await sql`
    update artifacts set used_at = now()
    where plan_digest = ${planDigest} and used_at < now() - make_interval(days => ${USE_RECORDED_DAYS})`.execute(tx);
  const row = await tx
    .selectFrom('artifacts')
    .select('artifact')
    .where('plan_digest', '=', planDigest)
    .executeTakeFirst();
  return row && readStoredArtifact(row.artifact, `of plan ${planDigest}`);
}

/**
 * Stores the artifact of a plan, and replaces an older artifact. There is an older one if the plan was built again because
 * content was lost. Its log may differ from the log of the new build.
 */
export async function recordArtifact(
  tx: Transaction,
  built: { plan_digest: Digest; artifact: Artifact; contents: Digest[] },
): Promise<void> {
  await tx
    .insertInto('artifacts')
    .values({ plan_digest: built.plan_digest, artifact: json(built.artifact) })
    .onConflict((conflict) =>
      conflict
        .column('plan_digest')
        .doUpdateSet((row) => ({ artifact: row.ref('excluded.artifact') }))
        .whereRef('artifacts.artifact', 'is distinct from', 'excluded.artifact'),
    )
    .execute();
  await addUses(tx, { kind: 'artifact', id: built.plan_digest }, built.contents);
}

/** Returns the layer with this key, and records the use. Returns undefined if there is none. Throws StoredValueError. */
export async function useBuiltLayer(tx: Transaction, key: string): Promise<StoredLayer | undefined> {
  await sql`
    update built_layers set used_at = now()
    where key = ${key} and used_at < now() - make_interval(days => ${USE_RECORDED_DAYS})`.execute(tx);
  const row = await tx.selectFrom('built_layers').select('layer').where('key', '=', key).executeTakeFirst();
  return row && readStoredLayer(row.layer, key);
}

/** Stores a layer, unless its key exists. `contents` are the layer's blob and its listing. */
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

/**
 * Deletes some of the entries that were unused for `KEPT_DAYS`, and their uses of content. Returns whether there may be more
 * such entries.
 */
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

/**
 * Finds, for each of these blobs, a repository of the registry that is known to have the blob, so that the blob can be
 * mounted. Returns `place.repository` if it has the blob itself. Omits blobs without such a repository.
 */
export async function findRegistryBlobs(
  db: Database,
  place: { registry_id: string; repository: string },
  digests: readonly Digest[],
): Promise<Map<Digest, string>> {
  const found = await sql<{ digest: Digest; repository: string }>`
    select distinct on (digest) digest, repository from registry_blobs
    where registry_id = ${place.registry_id} and digest = any(${digests}::text[])
    order by digest, repository <> ${place.repository}, repository`.execute(db);
  return new Map(found.rows.map((row) => [row.digest, row.repository]));
}

/** Records that a repository of an outside registry has these blobs. */
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
