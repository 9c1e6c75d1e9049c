// Distributes the release of a pipeline to each registry of its application. Records which registries have the release and
// which are unavailable, and then ends the pipeline.
import { type RawBuilder, sql } from 'kysely';
import type { MetadataFile } from '../contract/vocabulary.ts';
import { now } from '../db/clock.ts';
import type { Transaction } from '../db/database.ts';
import { abortJobs, enqueueMany } from '../db/queue.ts';
import { storableText } from '../db/storable-text.ts';
import { readTriggers } from '../plan/metadata-file.ts';
import { findEqualReleases } from './equal-releases.ts';
import { followBaseImage } from './moved-base-image.ts';
import { failPhase, moveProcessing } from './phases.ts';
import { enqueueFollowers, stepOptions } from './pipeline-edges.ts';
import { type LockedPipeline, lockPipeline } from './pipeline-lock.ts';
import { enqueueLaterRegistryCheck, enqueueRegistryCheck } from './registry-check-jobs.ts';
import { type ClaimedRepository, claimRepositories, type RepositoryPlace } from './repositories.ts';
import { cancelPipelines, createWave } from './waves.ts';

/** How long a pipeline waits for an unavailable registry. After that, its distribution to this registry fails. */
const UNAVAILABLE_HOURS_MAX = 24;

/**
 * The first pause between two attempts. Each later pause is twice as long, because a registry may pass its check but still
 * reject pushes.
 */
const FIRST_PAUSE_SECONDS = 2;
const PAUSE_SECONDS_MAX = 900;

/**
 * The shortest and the longest pause before another check of an unavailable registry. If the pause would be longer, no check
 * is enqueued, and only the schedule checks the registry.
 */
const CHECK_PAUSE_SECONDS_MIN = 2;
const CHECK_PAUSE_SECONDS_MAX = 240;

/**
 * How many pipelines that waited too long for a registry are ended by one run of the schedule. The next run ends the others.
 */
const EXPIRED_PER_RUN_MAX = 200;

export type DistributionFailure = {
  registry_id: string;
  /** The message that the API shows. */
  cause: string;
  /** True if a later attempt may succeed. */
  isTemporary: boolean;
};

/**
 * SQL: whether pipeline `l` only waits for unavailable registries. To its other registries, the distribution has succeeded or
 * failed.
 */
export function waitsForRegistry(l: string): RawBuilder<boolean> {
  return sql<boolean>`exists (select from pipeline_distributions w
    where w.pipeline_id = ${sql.raw(l)}.id and w.status = 'WAITING')`;
}

export type BegunDistribution = {
  /** The repositories of the registries that must get the release. */
  repositories: ClaimedRepository[];
  /** Whether a registry already has the release of this pipeline. */
  isReleased: boolean;
  /** The revision of an equal release of an earlier pipeline, which other registries already have. */
  earlierRevision?: number;
};

/**
 * Begins an attempt. Older pipelines of the application stop waiting for registries. Leaves out the registries to which the
 * distribution has succeeded or failed. Unless the pipeline is forced, also leaves out registries whose newest release has
 * the same plan. So after a registry was added to an application, only this registry gets the release. Returns undefined if
 * the pipeline has ended.
 */
export async function beginDistribution(
  tx: Transaction,
  pipelineId: string,
  place: RepositoryPlace,
): Promise<BegunDistribution | undefined> {
  const pipeline = await lockPipeline(tx, pipelineId);
  if (pipeline.status !== 'IN_PROGRESS') return undefined;
  await supersedeDistributions(tx, pipeline);
  const claimed = await claimRepositories(tx, pipeline, place);
  const done = await sql<{ registry_id: string; released: boolean }>`
    select registry_id, true as released from releases where pipeline_id = ${pipelineId}
    union all select registry_id, false from pipeline_distributions where pipeline_id = ${pipelineId} and status = 'FAILED'`.execute(
    tx,
  );
  const earlier = pipeline.force ? [] : await findEqualReleases(tx, pipeline);
  const isDone = new Set([...done.rows, ...earlier].map(({ registry_id }) => registry_id));
  const revisions = earlier.map(({ revision }) => revision);
  return {
    repositories: claimed.filter(({ registry_id }) => !isDone.has(registry_id)),
    isReleased: done.rows.some(({ released }) => released),
    ...(revisions.length > 0 && { earlierRevision: Math.max(...revisions) }),
  };
}

/**
 * Ends an attempt and records its failures. Ends the pipeline, unless it still waits for an unavailable registry. While it
 * waits, newer pipelines of the application may start. Returns ENDED if the pipeline had already ended.
 */
export async function endDistribution(
  tx: Transaction,
  attempt: {
    pipeline_id: string;
    failures: DistributionFailure[];
    /** The log of the attempt, which is kept if the pipeline fails. */
    files?: MetadataFile[];
  },
): Promise<'WAITING' | 'SUCCEEDED' | 'FAILED' | 'ENDED'> {
  const pipeline = await lockPipeline(tx, attempt.pipeline_id);
  if (pipeline.status !== 'IN_PROGRESS') return 'ENDED';
  for (const failure of attempt.failures) await recordFailure(tx, pipeline.id, failure);
  await buildUsers(tx, pipeline, await dropReleased(tx, pipeline.id));
  const waiting = await findParts(tx, pipeline.id, 'WAITING');
  if (waiting.length === 0) return await endPipeline(tx, pipeline, attempt.files);
  for (const { registry_id: id } of waiting) {
    await enqueueRegistryCheck(tx, { id, organization_id: pipeline.organization_id });
  }
  await enqueueFollowers(tx, [pipeline.id]);
  await followBaseImage(tx, pipeline);
  return 'WAITING';
}

/** Deletes the recorded failures of registries that have the release by now. Returns these registries. */
async function dropReleased(tx: Transaction, pipelineId: string): Promise<string[]> {
  const dropped = await sql<{ registry_id: string }>`
    delete from pipeline_distributions d where d.pipeline_id = ${pipelineId}
      and exists (select from releases r where r.pipeline_id = d.pipeline_id and r.registry_id = d.registry_id)
    returning registry_id`.execute(tx);
  return dropped.rows.map(({ registry_id }) => registry_id);
}

/**
 * Makes pipelines after these registries got the pipeline's release late. The new pipelines are for the applications that
 * need this application and are released to one of these registries.
 */
async function buildUsers(tx: Transaction, pipeline: LockedPipeline, registryIds: string[]): Promise<void> {
  if (registryIds.length === 0) return;
  const users = await sql<{ id: string }>`
    select a.id from application_dependencies d join applications a on a.id = d.application_id and a.removed_at is null
    where d.needs_id = ${pipeline.application_id} and exists (select from application_registries ar
      where ar.application_id = a.id and ar.registry_id = any(${registryIds}::uuid[]))
    order by a.id`.execute(tx);
  const application_ids = users.rows.map(({ id }) => id);
  if (application_ids.length === 0) return;
  const triggers = readTriggers(pipeline.triggers, pipeline.id);
  await createWave(tx, { cause: 'LATE_RELEASE', application_ids, triggers, keep_pins: true });
}

async function recordFailure(tx: Transaction, pipelineId: string, failure: DistributionFailure): Promise<void> {
  await sql`
    insert into pipeline_distributions as d (pipeline_id, registry_id, status, cause)
    values (${pipelineId}, ${failure.registry_id}, ${failure.isTemporary ? 'WAITING' : 'FAILED'}, ${storableText(failure.cause)})
    on conflict (pipeline_id, registry_id) do update set cause = excluded.cause, attempts = d.attempts + 1,
      attempted_at = now(), status = case when excluded.status = 'WAITING'
        and d.since < now() - ${UNAVAILABLE_HOURS_MAX} * interval '1 hour' then 'FAILED' else excluded.status end`.execute(
    tx,
  );
}

type Part = { registry_id: string; name: string; cause: string; is_expired: boolean };

async function findParts(tx: Transaction, pipelineId: string, status: 'WAITING' | 'FAILED'): Promise<Part[]> {
  const found = await sql<Part>`
    select d.registry_id, g.name, d.cause, d.since < now() - ${UNAVAILABLE_HOURS_MAX} * interval '1 hour' as is_expired
    from pipeline_distributions d join registries g on g.id = d.registry_id
    where d.pipeline_id = ${pipelineId} and d.status = ${status} order by g.name, g.id`.execute(tx);
  return found.rows;
}

async function endPipeline(
  tx: Transaction,
  pipeline: LockedPipeline,
  files: MetadataFile[] = [],
): Promise<'SUCCEEDED' | 'FAILED'> {
  const failed = await findParts(tx, pipeline.id, 'FAILED');
  if (failed.length === 0) {
    await succeedPipeline(tx, pipeline);
    return 'SUCCEEDED';
  }
  const message = [...failed.map(sentenceOf), ...(await sentenceOfReleases(tx, pipeline.id))].join(' ');
  await failPhase(tx, { pipeline_id: pipeline.id, phase: 'DISTRIBUTION', cause: 'DISTRIBUTION_ERROR', message, files });
  return 'FAILED';
}

function sentenceOf({ name, cause, is_expired }: Part): string {
  return is_expired ? `Larder waited ${UNAVAILABLE_HOURS_MAX} hours for the registry ${name}: ${cause}` : cause;
}

/**
 * Returns a sentence that names the registries that have the release of the failed pipeline. Returns an empty list if no
 * registry has the release.
 */
async function sentenceOfReleases(tx: Transaction, pipelineId: string): Promise<string[]> {
  const found = await sql<{ name: string }>`
    select g.name from releases r join registries g on g.id = r.registry_id
    where r.pipeline_id = ${pipelineId} order by g.name, g.id`.execute(tx);
  return found.rows.length === 0 ? [] : [`The pipeline released to ${found.rows.map(({ name }) => name).join(', ')}.`];
}

async function succeedPipeline(tx: Transaction, pipeline: LockedPipeline): Promise<void> {
  await tx
    .updateTable('pipeline_phases')
    .set({ status: 'SUCCEEDED', ended_at: now })
    .where('pipeline_id', '=', pipeline.id)
    .where('type', '=', 'DISTRIBUTION')
    .execute();
  await sql`
    update pipelines l set status = 'SUCCEEDED', ended_at = now(), release_id = (
      select r.id from releases r join application_registries ar
        on ar.application_id = r.application_id and ar.registry_id = r.registry_id
      where r.pipeline_id = l.id order by ar.position limit 1)
    where l.id = ${pipeline.id}`.execute(tx);
  await moveProcessing(tx, pipeline, ['PENDING', 'IN_PROGRESS', 'FAILED'], 'COMPLETED');
  await enqueueFollowers(tx, [pipeline.id]);
  await followBaseImage(tx, pipeline);
}

/**
 * Ends older pipelines of the application that wait for a registry, because this pipeline distributes a newer release. If an
 * older pipeline released to some registry, it ends as SUCCEEDED or FAILED. If it released to none, it ends as CANCELLED, and
 * this pipeline takes over its changes.
 */
async function supersedeDistributions(tx: Transaction, pipeline: LockedPipeline): Promise<void> {
  const found = await sql<{ id: string; released: boolean }>`
    select l.id, exists (select from releases r where r.pipeline_id = l.id) as released
    from pipelines l where l.application_id = ${pipeline.application_id} and l.id <> ${pipeline.id}
      and l.status = 'IN_PROGRESS' and ${waitsForRegistry('l')}
    order by l.id for no key update of l`.execute(tx);
  for (const { id, released } of found.rows) {
    await sql`
      update pipeline_distributions set status = 'SUPERSEDED' where pipeline_id = ${id} and status = 'WAITING'`.execute(
      tx,
    );
    await abortJobs(tx, [id]);
    if (released) await endPipeline(tx, { ...pipeline, id });
    else await cancelInFavour(tx, id, pipeline.id);
  }
}

async function cancelInFavour(tx: Transaction, older: string, newer: string): Promise<void> {
  await sql`update customization_applications set pipeline_id = ${newer} where pipeline_id = ${older}`.execute(tx);
  await cancelPipelines(tx, [older]);
  await enqueueFollowers(tx, [older]);
}

/**
 * Enqueues the distributions that wait for this registry. Called when a check found the registry healthy. Each distribution
 * starts after the pause that follows its last attempt.
 */
export async function resumeDistributions(tx: Transaction, registryId: string): Promise<void> {
  type Row = Pick<LockedPipeline, 'id' | 'organization_id' | 'triggers'> & { pause_seconds: number };
  const found = await sql<Row>`
    select l.id, l.organization_id, l.triggers, greatest(0, ceil(extract(epoch from d.attempted_at - now())
      + least(${PAUSE_SECONDS_MAX}::float8, ${FIRST_PAUSE_SECONDS}::float8 * 2 ^ least(d.attempts, 20))))::int as pause_seconds
    from pipeline_distributions d join pipelines l on l.id = d.pipeline_id and l.status = 'IN_PROGRESS'
    where d.registry_id = ${registryId} and d.status = 'WAITING' order by d.since, l.id`.execute(tx);
  await enqueueMany(
    tx,
    'distribute-pipeline',
    found.rows.map(({ pause_seconds, ...pipeline }) => ({
      payload: { pipeline_id: pipeline.id },
      options: { ...stepOptions('distribute-pipeline', pipeline), startAfterSeconds: pause_seconds },
    })),
  );
}

/**
 * Enqueues another check of a registry if a release waits for it. Called when the registry was found unavailable. The pause
 * is half the time that the release has already waited, so that a short outage delays the release only for a short time.
 */
export async function enqueueCheckIfAwaited(
  tx: Transaction,
  registry: { id: string; organization_id: string },
): Promise<void> {
  const found = await sql<{ seconds: number | null }>`
    select ceil(extract(epoch from now() - min(d.since)) / 2)::int as seconds
    from pipeline_distributions d join pipelines l on l.id = d.pipeline_id and l.status = 'IN_PROGRESS'
    where d.registry_id = ${registry.id} and d.status = 'WAITING'`.execute(tx);
  const seconds = found.rows[0]?.seconds ?? undefined;
  if (seconds === undefined || seconds > CHECK_PAUSE_SECONDS_MAX) return;
  await enqueueLaterRegistryCheck(tx, registry, Math.max(CHECK_PAUSE_SECONDS_MIN, seconds));
}

/** Returns pipelines that have waited too long for a registry, at most `EXPIRED_PER_RUN_MAX`. */
export async function findExpiredDistributions(tx: Transaction): Promise<string[]> {
  const found = await sql<{ id: string }>`
    select distinct l.id from pipeline_distributions d join pipelines l on l.id = d.pipeline_id and l.status = 'IN_PROGRESS'
    where d.status = 'WAITING' and d.since < now() - ${UNAVAILABLE_HOURS_MAX} * interval '1 hour'
    limit ${EXPIRED_PER_RUN_MAX}`.execute(tx);
  return found.rows.map(({ id }) => id);
}

/**
 * Fails a pipeline's distribution to registries that were unavailable for too long. Ends the pipeline, unless it still waits
 * for other registries.
 */
export async function expireDistribution(tx: Transaction, pipelineId: string): Promise<void> {
  const pipeline = await lockPipeline(tx, pipelineId);
  if (pipeline.status !== 'IN_PROGRESS') return;
  await sql`
    update pipeline_distributions set status = 'FAILED' where pipeline_id = ${pipelineId} and status = 'WAITING'
      and since < now() - ${UNAVAILABLE_HOURS_MAX} * interval '1 hour'`.execute(tx);
  if ((await findParts(tx, pipelineId, 'WAITING')).length === 0) await endPipeline(tx, pipeline);
}
