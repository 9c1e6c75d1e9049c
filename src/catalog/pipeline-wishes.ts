// How a wish becomes a pipeline: one at a time for an application, a newer one replacing or following what is open.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { CustomizationOperation, PhaseStatus, PipelineTrigger } from '../contract/vocabulary.ts';
import type { Transaction } from '../db/database.ts';
import { abortJobs, enqueueMany } from '../db/queue.ts';
import type { Task } from '../db/queue-tasks.ts';
import { json } from '../db/tables.ts';
import { type LockedApplication, lockApplications, lockBaseImagesOf } from './pipeline-lock.ts';

/** An operation on a customization that a pipeline carries to its application. */
export type CarriedCustomization = { customization_id: string; version: number; operation: CustomizationOperation };

export type Wish = {
  triggers: PipelineTrigger[];
  /** The customization a person changed, when that is why. */
  customization?: CarriedCustomization;
  /** Nothing but the customizations moves: the current release's other pins are kept. */
  keep_pins: boolean;
  /** Build and release even when the plan equals the released one. */
  force?: boolean;
  /** What becomes of a pipeline that is packaging: replaced by default; a moved base image lets it finish on its pin. */
  packaging?: 'replace' | 'follow';
};

export type CreatedPipeline = { id: string; application_id: string };

type OpenPipeline = {
  id: string;
  application_id: string;
  triggers: PipelineTrigger[];
  keep_pins: boolean;
  force: boolean;
  customization_id: string | null;
  customization_version: number | null;
  packaging: PhaseStatus;
  /** True while it waits for a registry that is away. */
  waits: boolean;
  /** True when at least one registry has its release. */
  released: boolean;
};

type NewPipeline = {
  id: string;
  application: LockedApplication;
  replaces: OpenPipeline[];
  follows: OpenPipeline[];
};

/** A person waits for the result of a manual run, so it goes before a fleet rebuild. Higher is earlier. */
const PRIORITIES = { MANUAL_RUN: 20, CVE_PATCH: 10, UPSTREAM_UPDATE: 0, MAINTENANCE: 0 } as const;

/**
 * Added to the priority of the trigger, and less than the distance between two of those: among pipelines of one priority the later step
 * goes first, so that a pipeline under way ends before another one begins. The first release of a fleet does not wait for the last build.
 */
const STEP_PRIORITIES = {
  'plan-pipeline': 0,
  'package-pipeline': 1,
  'verify-pipeline': 2,
  'distribute-pipeline': 3,
} as const satisfies Partial<Record<Task, number>>;

/** The tasks that a pipeline consists of, in this order. */
export type PipelineTask = keyof typeof STEP_PRIORITIES;

/**
 * Makes a pipeline for each of these applications that lives. An open pipeline that has not left PACKAGING is CANCELLED
 * and its triggers, its customizations and those who wait for it move over, and so is one that was released nowhere since
 * all its registries are away. One that has left PACKAGING is followed, unless it only waits for a registry. What waits for
 * nothing is enqueued. A fixed number of statements, however many the applications.
 */
export async function createPipelines(
  tx: Transaction,
  applicationIds: readonly string[],
  wish: Wish,
): Promise<CreatedPipeline[]> {
  await lockBaseImagesOf(tx, applicationIds);
  const applications = await lockApplications(tx, applicationIds);
  if (applications.length === 0) return [];
  const open = await lockOpenPipelines(tx, applications);
  const openOf = Map.groupBy(open, (pipeline) => pipeline.application_id);
  const created = applications.map((application) => {
    const own = openOf.get(application.id) ?? [];
    const [replaces, others] = partition(own, (pipeline) => isReplaced(pipeline, wish));
    // A pipeline that only waits for a registry is not followed: the newer one ends it when it begins its own distribution.
    const follows = others.filter(({ waits }) => !waits);
    return { id: randomUUID(), application, replaces, follows };
  });
  await insertPipelines(tx, created, wish);
  await moveOver(tx, created);
  await insertEdges(tx, created);
  if (wish.customization) await insertCarried(tx, created, wish.customization);
  await enqueueReady(
    tx,
    created.map((pipeline) => pipeline.id),
  );
  return created.map(({ id, application }) => ({ id, application_id: application.id }));
}

function isReplaced(pipeline: OpenPipeline, wish: Wish): boolean {
  if (pipeline.packaging === 'PENDING' || (pipeline.waits && !pipeline.released)) return true;
  return pipeline.packaging === 'IN_PROGRESS' && wish.packaging !== 'follow';
}

async function lockOpenPipelines(tx: Transaction, applications: LockedApplication[]): Promise<OpenPipeline[]> {
  const found = await sql<OpenPipeline>`
    select p.id, p.application_id, p.triggers, p.keep_pins, p.force, p.customization_id, p.customization_version,
      phase.status as packaging,
      exists (select from pipeline_distributions w where w.pipeline_id = p.id and w.status = 'WAITING') as waits,
      exists (select from releases r where r.pipeline_id = p.id) as released
    from pipelines p
    join pipeline_phases phase on phase.pipeline_id = p.id and phase.type = 'PACKAGING'
    where p.application_id = any(${applications.map((application) => application.id)}::uuid[])
      and p.status = 'IN_PROGRESS'
    order by p.started_at, p.id
    for no key update of p`.execute(tx);
  return found.rows;
}

async function insertPipelines(tx: Transaction, created: NewPipeline[], wish: Wish): Promise<void> {
  const versions = await findExpectedVersions(tx, created);
  const rows = created.map((pipeline) => {
    const last = pipeline.replaces.findLast((replaced) => replaced.customization_id !== null);
    const keepPins = wish.keep_pins && pipeline.replaces.every((replaced) => replaced.keep_pins);
    const expected = versions.get(pipeline.application.id);
    const version = (keepPins ? expected?.released : undefined) ?? expected?.latest ?? expected?.branch ?? '';
    return {
      id: pipeline.id,
      organization_id: pipeline.application.organization_id,
      catalog_id: pipeline.application.catalog_id,
      application_id: pipeline.application.id,
      triggers: mergeTriggers([...pipeline.replaces.map((replaced) => replaced.triggers), wish.triggers]),
      version,
      customization_id: wish.customization?.customization_id ?? last?.customization_id ?? null,
      customization_version: wish.customization?.version ?? last?.customization_version ?? null,
      keep_pins: keepPins,
      force: (wish.force ?? false) || pipeline.replaces.some((replaced) => replaced.force),
    };
  });
  // As one parameter: a row of parameters each ends at 65,535 of them, some six thousand applications.
  await sql`
    insert into pipelines (id, organization_id, catalog_id, application_id, triggers, version, product_version,
      customization_id, customization_version, keep_pins, force)
    select id, organization_id, catalog_id, application_id, triggers, version, version,
      customization_id, customization_version, keep_pins, force
    from jsonb_to_recordset(${json(rows)}) as made (id uuid, organization_id uuid, catalog_id uuid, application_id uuid,
      triggers jsonb, version text, customization_id uuid, customization_version integer, keep_pins boolean,
      force boolean)`.execute(tx);
  await sql`
    insert into pipeline_phases (pipeline_id, type)
    select id, type from unnest(${created.map((pipeline) => pipeline.id)}::uuid[]) as id,
      unnest(array['PACKAGING', 'VERIFICATION', 'DISTRIBUTION']) as type`.execute(tx);
}

type ExpectedVersion = { application_id: string; branch: string; latest: string | null; released: string | null };

/** The version a pipeline will most likely have: shown until its plan says exactly. */
async function findExpectedVersions(tx: Transaction, created: NewPipeline[]): Promise<Map<string, ExpectedVersion>> {
  const found = await sql<ExpectedVersion>`
    select a.id as application_id, a.branch,
      (select v.version from product_versions v
        where v.product_key = a.product_key and v.branch = a.branch
          and v.operating_system_id = b.operating_system_id and v.is_latest
        order by v.discovered_at desc limit 1) as latest,
      (select r.version from releases r where r.application_id = a.id
        order by r.released_at desc, r.id limit 1) as released
    from applications a join base_images b on b.id = a.base_image_id
    where a.id = any(${created.map((pipeline) => pipeline.application.id)}::uuid[])`.execute(tx);
  return new Map(found.rows.map((row) => [row.application_id, row]));
}

/** All triggers, each once, older first. */
function mergeTriggers(lists: PipelineTrigger[][]): PipelineTrigger[] {
  const merged = new Map<string, PipelineTrigger>();
  for (const trigger of lists.flat()) merged.set(`${trigger.type} ${trigger.context ?? ''}`, trigger);
  return [...merged.values()];
}

async function moveOver(tx: Transaction, created: NewPipeline[]): Promise<void> {
  const pairs = created.flatMap((pipeline) => pipeline.replaces.map((replaced) => [replaced.id, pipeline.id] as const));
  if (pairs.length === 0) return;
  const older = pairs.map(([from]) => from);
  const newer = pairs.map(([, to]) => to);
  const moved = sql`unnest(${older}::uuid[], ${newer}::uuid[]) as moved (older, newer)`;
  await sql`
    update customization_applications ca set pipeline_id = moved.newer
    from ${moved} where ca.pipeline_id = moved.older`.execute(tx);
  await sql`
    insert into pipeline_edges (pipeline_id, waits_for_id)
    select moved.newer, e.waits_for_id from pipeline_edges e join ${moved} on e.pipeline_id = moved.older
      where e.waits_for_id <> all(${older}::uuid[])
    union
    select e.pipeline_id, moved.newer from pipeline_edges e join ${moved} on e.waits_for_id = moved.older
      where e.pipeline_id <> all(${older}::uuid[])
    on conflict do nothing`.execute(tx);
  await cancelPipelines(tx, older);
}

/** Cancels open pipelines: running jobs of theirs are aborted, waiting ones find the row CANCELLED and do nothing. */
export async function cancelPipelines(tx: Transaction, ids: readonly string[]): Promise<void> {
  await sql`
    update pipelines set status = 'CANCELLED', ended_at = now()
    where id = any(${ids}::uuid[]) and status = 'IN_PROGRESS'`.execute(tx);
  const cancelled = await sql<{ pipeline_id: string; began: boolean }>`
    update pipeline_phases set status = 'CANCELLED', ended_at = case when started_at is null then null else now() end
    where pipeline_id = any(${ids}::uuid[]) and status in ('PENDING', 'IN_PROGRESS')
    returning pipeline_id, started_at is not null as began`.execute(tx);
  await abortJobs(
    tx,
    cancelled.rows.filter(({ began }) => began).map(({ pipeline_id }) => pipeline_id),
  );
}

async function insertEdges(tx: Transaction, created: NewPipeline[]): Promise<void> {
  const edges = created.flatMap((pipeline) =>
    pipeline.follows.map((followed) => ({ pipeline_id: pipeline.id, waits_for_id: followed.id })),
  );
  if (edges.length === 0) return;
  await sql`
    insert into pipeline_edges (pipeline_id, waits_for_id)
    select * from unnest(${edges.map((edge) => edge.pipeline_id)}::uuid[], ${edges.map((edge) => edge.waits_for_id)}::uuid[])
    on conflict do nothing`.execute(tx);
}

async function insertCarried(tx: Transaction, created: NewPipeline[], carried: CarriedCustomization): Promise<void> {
  await sql`
    insert into customization_applications (customization_id, version, operation, application_id, pipeline_id)
    select ${carried.customization_id}::uuid, ${carried.version}::integer, ${carried.operation}, application_id, pipeline_id
    from unnest(${created.map(({ application }) => application.id)}::uuid[], ${created.map(({ id }) => id)}::uuid[])
      as made (application_id, pipeline_id)
    on conflict (customization_id, version, operation, application_id)
      do update set pipeline_id = excluded.pipeline_id`.execute(tx);
}

/** Enqueues the pipelines of an ended one's followers that wait for nothing any more. */
export async function enqueueFollowers(tx: Transaction, endedIds: readonly string[]): Promise<void> {
  const found = await sql<{ id: string }>`
    select distinct pipeline_id as id from pipeline_edges where waits_for_id = any(${endedIds}::uuid[])`.execute(tx);
  await enqueueReady(
    tx,
    found.rows.map((row) => row.id),
  );
}

/**
 * Enqueues those of these pipelines that are open, not begun, wait for no open pipeline, and whose base image has a
 * version to build on. The others are enqueued when what they wait for is there.
 */
export async function enqueueReady(tx: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const ready = await sql<{ id: string; organization_id: string; triggers: PipelineTrigger[] }>`
    select p.id, p.organization_id, p.triggers
    from pipelines p
    join applications a on a.id = p.application_id
    join pipeline_phases phase on phase.pipeline_id = p.id and phase.type = 'PACKAGING' and phase.status = 'PENDING'
    where p.id = any(${ids}::uuid[]) and p.status = 'IN_PROGRESS'
      and exists (select from base_image_versions v where v.base_image_id = a.base_image_id)
      and not exists (
        select from pipeline_edges e join pipelines waited on waited.id = e.waits_for_id
        where e.pipeline_id = p.id and waited.status = 'IN_PROGRESS'
          and not exists (select from pipeline_distributions w where w.pipeline_id = waited.id and w.status = 'WAITING'))
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

/** How a job of a pipeline is queued: at most one waiting job of a task, in the group of its organization, ordered by trigger and step. */
export function stepOptions(
  task: PipelineTask,
  pipeline: { id: string; organization_id: string; triggers: PipelineTrigger[] },
): { key: string; group: string; priority: number } {
  const trigger = Math.max(0, ...pipeline.triggers.map(({ type }) => PRIORITIES[type]));
  return { key: pipeline.id, group: pipeline.organization_id, priority: trigger + STEP_PRIORITIES[task] };
}

function partition<T>(items: T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
