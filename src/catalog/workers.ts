// The workers that report, and what each of them can do.
import { type RawBuilder, sql } from 'kysely';
import type { WorkerCapability } from '../contract/vocabulary.ts';
import type { Database, Transaction } from '../db/database.ts';

/** A worker that has not reported for this long is considered dead. Three reports in a row may be late before that. */
const GONE_AFTER_SECONDS = 30;
export const SEEN_EVERY_MS = 8_000;

export type Worker = {
  id: string;
  host: string;
  sandbox_mode: 'userns' | 'root' | 'files-only';
  /** Why the worker has no better sandbox mode, and how an operator can change that. */
  sandbox_reasons: string[];
  /** How the worker limits the memory and processes of its sandboxes. Null if it does not limit them. */
  limits: 'cgroup-v2' | 'cgroup-v1' | 'watchdog' | null;
  /** Why the worker has no control groups. */
  limits_reasons: string[];
  /** The version of helm with which the worker renders charts. Null if the worker cannot render charts. */
  helm: string | null;
  /** Why the worker cannot render charts. */
  helm_reasons: string[];
};

/** SQL: whether a worker has reported lately. */
export const isAlive = sql`seen_at > now() - make_interval(secs => ${GONE_AFTER_SECONDS})`;

/** SQL: whether a row of `workers` has each capability. */
const CAPABLE: Record<WorkerCapability, RawBuilder<boolean>> = {
  SANDBOX: sql`sandbox_mode <> 'files-only'`,
  HELM: sql`helm is not null`,
};

/** Records that a worker is alive. Deletes workers that have not reported for a day. */
export async function recordWorker(tx: Transaction, worker: Worker): Promise<void> {
  await tx
    .insertInto('workers')
    .values(worker)
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ seen_at: sql`now()` }))
    .execute();
  await sql`delete from workers where seen_at < now() - interval '1 day'`.execute(tx);
  if (worker.sandbox_mode !== 'files-only') await rememberSandbox(tx);
}

/**
 * Updates the time at most once a day. This is often enough, because it only shows that the installation has had sandboxes.
 */
async function rememberSandbox(tx: Transaction): Promise<void> {
  await sql`
    update installation set sandbox_seen_at = now()
    where sandbox_seen_at is null or sandbox_seen_at < now() - interval '1 day'`.execute(tx);
}

/** Deletes the row of a worker. The worker calls this when it stops normally. */
export async function forgetWorker(tx: Transaction, id: string): Promise<void> {
  await tx.deleteFrom('workers').where('id', '=', id).execute();
}

/** Returns the workers that are alive. */
export async function listWorkers(db: Database): Promise<Omit<Worker, 'id'>[]> {
  const found = await sql<Omit<Worker, 'id'>>`
    select host, sandbox_mode, sandbox_reasons, limits, limits_reasons, helm, helm_reasons from workers
    where ${isAlive} order by started_at, id`.execute(db);
  return found.rows;
}

/** Whether any worker that is alive has this capability. */
export async function hasCapableWorker(db: Database, capability: WorkerCapability): Promise<boolean> {
  const found = await sql<{ found: boolean }>`
    select exists (select from workers where ${CAPABLE[capability]} and ${isAlive}) as found`.execute(db);
  return found.rows[0]?.found ?? false;
}

/** Checks that there are an offering, a base image and a hosted registry, without which a server is of no use. */
export async function findEssentials(
  db: Database,
): Promise<{ offerings: boolean; base_images: boolean; hosted_registry: boolean }> {
  const found = await sql<{ offerings: boolean; base_images: boolean; hosted_registry: boolean }>`
    select exists (select from offering_operating_systems) as offerings, exists (select from base_images) as base_images,
      exists (select from registries where hosted) as hosted_registry`.execute(db);
  const row = found.rows[0];
  if (!row) throw new Error('A select without a table must return one row');
  return row;
}
