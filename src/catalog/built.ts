// What was built already, by a digest of everything that went into it, so that nothing is built twice.
import { sql } from 'kysely';
import type { Digest } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';
import { json } from '../db/tables.ts';
import { addUses } from './content-uses.ts';

/** The Artifact that an equal plan made; undefined when none did. */
export async function findArtifact(db: Database, planDigest: Digest): Promise<unknown> {
  const row = await db
    .selectFrom('artifacts')
    .select('artifact')
    .where('plan_digest', '=', planDigest)
    .executeTakeFirst();
  return row?.artifact;
}

/** Remembers an artifact by its plan; the first one stays. */
export async function recordArtifact(
  tx: Transaction,
  built: { plan_digest: Digest; artifact: unknown; contents: Digest[] },
): Promise<void> {
  await tx
    .insertInto('artifacts')
    .values({ plan_digest: built.plan_digest, artifact: json(built.artifact) })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  await addUses(tx, { kind: 'artifact', id: built.plan_digest }, built.contents);
}

/** The BuiltLayer of that key; undefined when there is none. */
export async function findBuiltLayer(db: Database, key: string): Promise<unknown> {
  const row = await db.selectFrom('built_layers').select('layer').where('key', '=', key).executeTakeFirst();
  return row?.layer;
}

/** Remembers a layer; the first one stays. `contents` are the blob and its listing. */
export async function recordBuiltLayer(
  tx: Transaction,
  built: { key: string; layer: unknown; contents: Digest[] },
): Promise<void> {
  await tx
    .insertInto('built_layers')
    .values({ key: built.key, layer: json(built.layer) })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  await addUses(tx, { kind: 'layer', id: built.key }, built.contents);
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
