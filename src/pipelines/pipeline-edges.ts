// The edges between pipelines: which pipeline waits for which, which pipelines can start, and which can no longer be built.
import { sql } from 'kysely';
import type { Database, Transaction } from '../db/database.ts';
import { enqueueMany } from '../db/queue.ts';
import type { Task } from '../db/queue-tasks.ts';
import { storableText } from '../db/storable-text.ts';
import { readTriggers } from '../plan/metadata-file.ts';
import { StoredValueError } from '../plan/stored-value.ts';

/**
 * Why a pipeline waits for another. `follows`: both pipelines belong to the same application. `needs`: the application of the
 * waiting pipeline needs the application of the other pipeline.
 */
export type EdgeKind = 'follows' | 'needs';

/**
 * Priorities of jobs by the trigger of their pipeline. Jobs with a higher number run first. A manual run has the highest
 * number, because a person waits for it.
 */
const PRIORITIES = { MANUAL_RUN: 20, CVE_PATCH: 10, UPSTREAM_UPDATE: 0, MAINTENANCE: 0 } as const;

/**
 * Added to the priority of the trigger. These numbers are smaller than the difference between two triggers. Of pipelines with
 * equal triggers, the one with the most completed steps runs first. So started pipelines end before others start, and the
 * first release does not wait for the last build.
 */
const STEP_PRIORITIES = {
  'plan-pipeline': 0,
  'package-pipeline': 1,
  'verify-pipeline': 2,
  'distribute-pipeline': 3,
} as const satisfies Partial<Record<Task, number>>;

/** The tasks of a pipeline, in the order in which they run. */
export type PipelineTask = keyof typeof STEP_PRIORITIES;

/**
 * SQL: whether dependent pipelines must wait for pipeline `waited`. They must wait while it is open, unless it only waits for
 * a registry.
 */
const isWaitedFor = sql`(waited.status = 'IN_PROGRESS'
  and not exists (select from pipeline_distributions w where w.pipeline_id = waited.id and w.status = 'WAITING'))`;

/** Adds edges. Edges that exist stay unchanged. */
export async function insertEdges(
  tx: Transaction,
  kind: EdgeKind,
  edges: readonly { pipeline_id: string; waits_for_id: string }[],
): Promise<void> {
  if (edges.length === 0) return;
  await sql`
    insert into pipeline_edges (pipeline_id, waits_for_id, kind)
    select pipeline_id, waits_for_id, ${kind} from unnest(${edges.map((edge) => edge.pipeline_id)}::uuid[],
      ${edges.map((edge) => edge.waits_for_id)}::uuid[]) as edge (pipeline_id, waits_for_id)
    on conflict do nothing`.execute(tx);
}

/** Adds a `needs` edge from each of these pipelines to every open pipeline of the applications that it needs. */
export async function insertNeeds(tx: Transaction, ids: readonly string[]): Promise<void> {
  await sql`
    insert into pipeline_edges (pipeline_id, waits_for_id, kind)
    select l.id, waited.id, 'needs' from pipelines l
    join application_dependencies d on d.application_id = l.application_id
    join pipelines waited on waited.application_id = d.needs_id and waited.status = 'IN_PROGRESS'
    where l.id = any(${ids}::uuid[])
    on conflict do nothing`.execute(tx);
}

/**
 * Moves the edges from and to each older pipeline to the newer pipeline. Omits edges that would connect the newer pipeline
 * with itself. With `keepOwn`, the older pipelines keep their edges too.
 */
export async function moveEdges(
  tx: Transaction,
  pairs: readonly { older: string; newer: string }[],
  options: { keepOwn: boolean },
): Promise<void> {
  if (pairs.length === 0) return;
  const older = pairs.map((pair) => pair.older);
  const moved = sql`unnest(${older}::uuid[], ${pairs.map((pair) => pair.newer)}::uuid[]) as moved (older, newer)`;
  // If the pipelines at both ends were replaced, the edge connects their two successors.
  await sql`
    insert into pipeline_edges (pipeline_id, waits_for_id, kind)
    select distinct coalesce(a.newer, e.pipeline_id), coalesce(b.newer, e.waits_for_id), e.kind
    from pipeline_edges e
    left join ${sql`(select * from ${moved})`} a on a.older = e.pipeline_id
    left join ${sql`(select * from ${moved})`} b on b.older = e.waits_for_id
    where (e.pipeline_id = any(${older}::uuid[]) or e.waits_for_id = any(${older}::uuid[]))
      and coalesce(a.newer, e.pipeline_id) <> coalesce(b.newer, e.waits_for_id)
    on conflict do nothing`.execute(tx);
  if (options.keepOwn) return;
  await sql`
    delete from pipeline_edges
    where pipeline_id = any(${older}::uuid[]) or waits_for_id = any(${older}::uuid[])`.execute(tx);
}

/**
 * Enqueues the pipelines that waited for these pipelines, which have ended. Pipelines that still wait for others are not
 * enqueued.
 */
export async function enqueueFollowers(tx: Transaction, endedIds: readonly string[]): Promise<void> {
  const found = await sql<{ id: string }>`
    select distinct pipeline_id as id from pipeline_edges where waits_for_id = any(${endedIds}::uuid[])`.execute(tx);
  await enqueueReady(
    tx,
    found.rows.map((row) => row.id),
  );
}

/**
 * Enqueues the given pipelines that can start. A pipeline can start if it is open and not started, waits for no open
 * pipeline, and its base image has a version. The others are enqueued later, when the pipelines for which they wait end or
 * when their base image gets a version.
 */
export async function enqueueReady(tx: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const ready = await sql<{ id: string; organization_id: string; triggers: unknown }>`
    select p.id, p.organization_id, p.triggers
    from pipelines p
    join applications a on a.id = p.application_id
    join pipeline_phases phase on phase.pipeline_id = p.id and phase.type = 'PACKAGING' and phase.status = 'PENDING'
    where p.id = any(${ids}::uuid[]) and p.status = 'IN_PROGRESS'
      and exists (select from base_image_versions v where v.base_image_id = a.base_image_id)
      and not exists (select from pipeline_edges e join pipelines waited on waited.id = e.waits_for_id
        where e.pipeline_id = p.id and ${isWaitedFor})
    order by p.started_at, p.id`.execute(tx);
  await enqueueMany(
    tx,
    'plan-pipeline',
    ready.rows.map((pipeline) => ({
      payload: { pipeline_id: pipeline.id },
      options: stepOptions('plan-pipeline', pipeline),
    })),
  );
}

/**
 * Returns the queue options for a job of a pipeline. At most one job of each task waits for a pipeline. The job belongs to
 * the organization's group, and its priority depends on the trigger and the step.
 */
export function stepOptions(
  task: PipelineTask,
  pipeline: { id: string; organization_id: string; triggers: unknown },
): { key: string; group: string; priority: number } {
  const priority = triggerPriority(pipeline.triggers, pipeline.id) + STEP_PRIORITIES[task];
  return { key: pipeline.id, group: pipeline.organization_id, priority };
}

/**
 * Returns the priority of stored triggers. Triggers that cannot be read get the lowest priority. Their pipeline fails when
 * its phase starts, and other pipelines still run.
 */
function triggerPriority(stored: unknown, pipelineId: string): number {
  try {
    return Math.max(0, ...readTriggers(stored, pipelineId).map(({ type }) => PRIORITIES[type]));
  } catch (error) {
    if (error instanceof StoredValueError) return 0;
    throw error;
  }
}

/**
 * Returns the reason why a pipeline cannot be built. A pipeline cannot be built if a pipeline that it needs did not succeed
 * and the needed application has no earlier release. Returns undefined if the pipeline can be built.
 */
export async function findMissingNeed(db: Database, pipelineId: string): Promise<string | undefined> {
  const found = await sql<{ id: string; status: string; product_key: string; branch: string }>`
    select waited.id, waited.status, a.product_key, a.branch
    from pipeline_edges e
    join pipelines waited on waited.id = e.waits_for_id and waited.status in ('FAILED', 'CANCELLED')
    join applications a on a.id = waited.application_id
    where e.pipeline_id = ${pipelineId} and e.kind = 'needs'
      and not exists (select from releases r where r.application_id = a.id)
    order by a.product_key, a.branch, waited.id limit 1`.execute(db);
  const missing = found.rows[0];
  if (!missing) return undefined;
  const { id, status, product_key, branch } = missing;
  return storableText(
    `This pipeline needs ${product_key} ${branch}, which has no release in this catalog: its pipeline ${id} is ${status}.`,
  );
}
