// A wave: all pipelines that one cause makes in a catalog. Only `createWave` makes pipelines.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { CustomizationOperation, PhaseStatus, PipelineTrigger, WaveCause } from '../contract/vocabulary.ts';
import type { Transaction } from '../db/database.ts';
import { abortJobs } from '../db/queue.ts';
import { json } from '../db/tables.ts';
import { lockGraph } from './application-graph.ts';
import { enqueueReady, insertEdges, insertNeeds, moveEdges } from './pipeline-edges.ts';
import { type LockedApplication, lockBaseImagesOf } from './pipeline-lock.ts';

/**
 * An operation on a customization. A pipeline carries the operation, and its release applies the operation to the
 * application.
 */
export type CarriedCustomization = { customization_id: string; version: number; operation: CustomizationOperation };

export type WaveRequest = {
  cause: WaveCause;
  /** The user who caused the wave. Absent if Larder caused it. */
  created_by?: string;
  /** The applications that the cause affects directly. Applications that need them are built after them. */
  application_ids: readonly string[];
  triggers: PipelineTrigger[];
  /** The change of a customization that is the cause. Absent for other causes. */
  customization?: CarriedCustomization;
  /** True if only customizations may change. The new plans then keep all other pins of the newest release. */
  keep_pins: boolean;
  /**
   * If true, these applications are built and released even if their plan equals the plan of the newest release. This does
   * not apply to applications that need them.
   */
  force?: boolean;
  /**
   * What to do with an open pipeline in PACKAGING. By default, the new pipeline replaces it. With `follow`, the new pipeline
   * starts after the open pipeline has ended.
   */
  packaging?: 'replace' | 'follow';
};

export type CreatedPipeline = { id: string; application_id: string; wave_id: string };

type OpenPipeline = {
  id: string;
  application_id: string;
  triggers: PipelineTrigger[];
  keep_pins: boolean;
  force: boolean;
  customization_id: string | null;
  customization_version: number | null;
  packaging: PhaseStatus;
  /** True while the pipeline waits for an unavailable registry. */
  waits: boolean;
  /** True if at least one registry has the pipeline's release. */
  released: boolean;
};

type NewPipeline = {
  id: string;
  wave_id: string;
  application: LockedApplication;
  /** True if the cause affects the application directly. */
  isReached: boolean;
  replaces: OpenPipeline[];
  follows: OpenPipeline[];
};

/**
 * Makes one wave for each catalog. A wave has a pipeline for each application of the request, and for each application that
 * needs one of them directly or indirectly. The new pipeline replaces the open pipeline of its application if the open
 * pipeline is still in PACKAGING, or if it has released nowhere because its registries are unavailable. The replaced pipeline
 * is CANCELLED, and its triggers, customizations, waves and edges move to the new pipeline. If the open pipeline is not
 * replaced, the new pipeline starts after the open pipeline has ended or only waits for a registry. Enqueues the pipelines
 * that wait for no other pipeline. Returns the pipelines, with the request's own applications first. The number of statements
 * does not depend on the number of applications.
 */
export async function createWave(tx: Transaction, wave: WaveRequest): Promise<CreatedPipeline[]> {
  if (wave.application_ids.length === 0) return [];
  await lockBaseImagesOf(tx, wave.application_ids);
  const applications = await lockGraph(tx, wave.application_ids);
  if (applications.length === 0) return [];
  const open = Map.groupBy(await lockOpenPipelines(tx, applications), (pipeline) => pipeline.application_id);
  const waves = await insertWaves(tx, wave, applications);
  const reached = new Set(wave.application_ids.map((id) => id.toLowerCase()));
  const created = applications.map((application) => {
    const [replaces, others] = partition(open.get(application.id) ?? [], (pipeline) => isReplaced(pipeline, wave));
    // A pipeline that only waits for a registry is not followed. The new pipeline ends it when its own distribution starts.
    const follows = others.filter(({ waits }) => !waits);
    const wave_id = waves.get(application.catalog_id) ?? '';
    return { id: randomUUID(), wave_id, application, isReached: reached.has(application.id), replaces, follows };
  });
  await insertPipelines(tx, created, wave);
  await replacePipelines(tx, created);
  await insertEdges(
    tx,
    'follows',
    created.flatMap(({ id, follows }) => follows.map((followed) => ({ pipeline_id: id, waits_for_id: followed.id }))),
  );
  const ids = created.map(({ id }) => id);
  await insertNeeds(tx, ids);
  if (wave.customization) await insertCarried(tx, created, wave.customization);
  await enqueueReady(tx, ids);
  return [...partition(created, ({ isReached }) => isReached)]
    .flat()
    .map(({ id, wave_id, application }) => ({ id, wave_id, application_id: application.id }));
}

function isReplaced(pipeline: OpenPipeline, wave: WaveRequest): boolean {
  if (pipeline.packaging === 'PENDING' || (pipeline.waits && !pipeline.released)) return true;
  return pipeline.packaging === 'IN_PROGRESS' && wave.packaging !== 'follow';
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

/** Makes one wave for each catalog. Returns the ids of the waves by catalog. */
async function insertWaves(
  tx: Transaction,
  wave: WaveRequest,
  applications: LockedApplication[],
): Promise<Map<string, string>> {
  const catalogs = new Map(applications.map(({ catalog_id, organization_id }) => [catalog_id, organization_id]));
  const rows = [...catalogs].map(([catalog_id, organization_id]) => ({
    id: randomUUID(),
    organization_id,
    catalog_id,
    cause: wave.cause,
    created_by: wave.created_by ?? null,
  }));
  await tx.insertInto('waves').values(rows).execute();
  return new Map(rows.map(({ id, catalog_id }) => [catalog_id, id]));
}

async function insertPipelines(tx: Transaction, created: NewPipeline[], wave: WaveRequest): Promise<void> {
  const versions = await findExpectedVersions(tx, created);
  const rows = created.map((pipeline) => {
    const last = pipeline.replaces.findLast((replaced) => replaced.customization_id !== null);
    const keepPins = wave.keep_pins && pipeline.replaces.every((replaced) => replaced.keep_pins);
    const expected = versions.get(pipeline.application.id);
    const version = (keepPins ? expected?.released : undefined) ?? expected?.latest ?? expected?.branch ?? '';
    const isForced = pipeline.isReached && (wave.force ?? false);
    return {
      id: pipeline.id,
      wave_id: pipeline.wave_id,
      organization_id: pipeline.application.organization_id,
      catalog_id: pipeline.application.catalog_id,
      application_id: pipeline.application.id,
      triggers: mergeTriggers([...pipeline.replaces.map((replaced) => replaced.triggers), wave.triggers]),
      version,
      customization_id: wave.customization?.customization_id ?? last?.customization_id ?? null,
      customization_version: wave.customization?.version ?? last?.customization_version ?? null,
      keep_pins: keepPins,
      force: isForced || pipeline.replaces.some((replaced) => replaced.force),
    };
  });
  // Passes the rows as one JSON parameter. With one parameter for each value, 6,000 applications would exceed PostgreSQL's
  // limit of 65,535 parameters.
  await sql`
    insert into pipelines (id, wave_id, organization_id, catalog_id, application_id, triggers, version, product_version,
      customization_id, customization_version, keep_pins, force)
    select id, wave_id, organization_id, catalog_id, application_id, triggers, version, version,
      customization_id, customization_version, keep_pins, force
    from jsonb_to_recordset(${json(rows)}) as made (id uuid, wave_id uuid, organization_id uuid, catalog_id uuid,
      application_id uuid, triggers jsonb, version text, customization_id uuid, customization_version integer,
      keep_pins boolean, force boolean)`.execute(tx);
  const ids = created.map((pipeline) => pipeline.id);
  await sql`
    insert into pipeline_phases (pipeline_id, type)
    select id, type from unnest(${ids}::uuid[]) as id,
      unnest(array['PACKAGING', 'VERIFICATION', 'DISTRIBUTION']) as type`.execute(tx);
  await sql`
    insert into wave_pipelines (wave_id, pipeline_id)
    select wave_id, id from pipelines where id = any(${ids}::uuid[])`.execute(tx);
}

type ExpectedVersion = { application_id: string; branch: string; latest: string | null; released: string | null };

/** Returns the expected version of each new pipeline. It is shown until the pipeline's plan contains the exact version. */
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

/** Returns all triggers without duplicates, older triggers first. */
function mergeTriggers(lists: PipelineTrigger[][]): PipelineTrigger[] {
  const merged = new Map<string, PipelineTrigger>();
  for (const trigger of lists.flat()) merged.set(`${trigger.type} ${trigger.context ?? ''}`, trigger);
  return [...merged.values()];
}

/** Moves the triggers and customizations of the replaced pipelines to the new pipelines. Cancels the replaced pipelines. */
async function replacePipelines(tx: Transaction, created: NewPipeline[]): Promise<void> {
  const pairs = created.flatMap(({ id, replaces }) => replaces.map((replaced) => ({ older: replaced.id, newer: id })));
  if (pairs.length === 0) return;
  const older = pairs.map((pair) => pair.older);
  const moved = sql`unnest(${older}::uuid[], ${pairs.map((pair) => pair.newer)}::uuid[]) as moved (older, newer)`;
  await sql`
    update customization_applications ca set pipeline_id = moved.newer
    from ${moved} where ca.pipeline_id = moved.older`.execute(tx);
  await sql`
    insert into wave_pipelines (wave_id, pipeline_id)
    select served.wave_id, moved.newer from ${moved} join wave_pipelines served on served.pipeline_id = moved.older
    on conflict do nothing`.execute(tx);
  await moveEdges(tx, pairs, { keepOwn: false });
  await cancelPipelines(tx, older);
}

/** Cancels open pipelines. Their running jobs are aborted. Their waiting jobs will find the row CANCELLED and do nothing. */
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

async function insertCarried(tx: Transaction, created: NewPipeline[], carried: CarriedCustomization): Promise<void> {
  await sql`
    insert into customization_applications (customization_id, version, operation, application_id, pipeline_id)
    select ${carried.customization_id}::uuid, ${carried.version}::integer, ${carried.operation}, application_id, pipeline_id
    from unnest(${created.map(({ application }) => application.id)}::uuid[], ${created.map(({ id }) => id)}::uuid[])
      as made (application_id, pipeline_id)
    on conflict (customization_id, version, operation, application_id)
      do update set pipeline_id = excluded.pipeline_id`.execute(tx);
}

function partition<T>(items: T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}
