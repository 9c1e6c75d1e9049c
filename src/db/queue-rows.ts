// Statements that pg-boss does not have. They take jobs, write heartbeats, and give jobs back.
import type pg from 'pg';
import { type JobRecord, readRecord } from './job-record.ts';
import { type JobData, QUEUE_CHANNEL, QUEUE_NAME, QUEUE_SCHEMA } from './queue.ts';
import { IS_OUTSIDE } from './queue-index.ts';
import type { SlotKind } from './queue-slots.ts';

export type TakenJob = {
  id: string;
  data: JobData;
  groupId: string | null;
  /** The number of earlier attempts. As in pg-boss, it increases when the next attempt starts. */
  retryCount: number;
  startedOn: Date;
  record: JobRecord;
};

type Taking = {
  kind: SlotKind;
  /** Jobs of these groups are skipped. An empty name means jobs without a group. */
  ignoreGroups: readonly string[];
  ignoreTasks: readonly string[];
  /** If true, takes only suspects, which are jobs that may have killed their worker (job-record.ts). */
  onlySuspects: boolean;
  runsNothing: boolean;
};

type TakenRow = { suspect: boolean; id: string | null; output: unknown } & Omit<TakenJob, 'id' | 'record'>;

/**
 * A job without a heartbeat for this long is lost. This is the time of four heartbeats. Another worker gets the job within 8
 * s after the death, because the last heartbeat may be 1.5 s older than the death, and workers search every 1.5 s.
 */
export const LOST_AFTER_SECONDS = 6;

/**
 * Takes the first ready job of a kind, in the order of pg-boss. Returns ALONE if this job is a suspect and the worker runs
 * other jobs. The worker must then take no job until the others have ended.
 */
export async function takeJob(
  pool: pg.Pool,
  { kind, ignoreGroups, ignoreTasks, onlySuspects, runsNothing }: Taking,
): Promise<TakenJob | 'ALONE' | undefined> {
  const { rows } = await pool.query<TakenRow>(
    `with first as (
       select id, coalesce(output @> '{"suspect": true}', false) as suspect from ${QUEUE_SCHEMA}.job
       where name = '${QUEUE_NAME}' and state < 'active' and not blocked and start_after <= now()
         and ${kind === 'OUTSIDE' ? IS_OUTSIDE : `(${IS_OUTSIDE}) is not true`}
         and coalesce(group_id, '') <> all($1::text[])
         and (not $3::boolean or output @> '{"suspect": true}')
         and coalesce(data ->> 'task', '') <> all($4::text[])
       order by priority desc, created_on limit 1
       for update skip locked),
     taken as (
       update ${QUEUE_SCHEMA}.job j set state = 'active', started_on = now(), heartbeat_on = now(),
         retry_count = case when j.started_on is null then j.retry_count else j.retry_count + 1 end
       from first where j.name = '${QUEUE_NAME}' and j.id = first.id and ($2::boolean or not first.suspect)
       returning j.id, j.data, j.group_id as "groupId", j.retry_count as "retryCount", j.started_on as "startedOn", j.output)
     select first.suspect, taken.* from first left join taken on true`,
    [ignoreGroups, runsNothing, onlySuspects, ignoreTasks],
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  const { suspect: _suspect, output, id, ...rest } = row;
  return id === null ? 'ALONE' : { id, ...rest, record: readRecord(output) };
}

/**
 * Writes a heartbeat for these jobs. Returns the ids of the jobs that this worker still has. Another worker may have taken
 * over the others.
 */
export async function touchJobs(pool: pg.Pool, jobs: readonly TakenJob[]): Promise<Set<string>> {
  const { rows } = await pool.query<{ id: string }>(
    `update ${QUEUE_SCHEMA}.job j set heartbeat_on = now()
     from unnest($1::uuid[], $2::timestamptz[]) as mine (id, started_on)
     where j.name = '${QUEUE_NAME}' and j.id = mine.id and j.state = 'active'
       and date_trunc('milliseconds', j.started_on) = mine.started_on
     returning j.id`,
    [jobs.map(({ id }) => id), jobs.map(({ startedOn }) => startedOn)],
  );
  return new Set(rows.map(({ id }) => id));
}

/**
 * Gives back the jobs of dead workers without counting their attempts. Each job becomes a suspect, because any of them may
 * have killed its worker. A job that was already a suspect ran alone, so this death is counted for it.
 */
export async function giveBackLost(pool: pg.Pool): Promise<void> {
  await pool.query(
    `with lost as (
       update ${QUEUE_SCHEMA}.job set state = 'retry', started_on = null, heartbeat_on = null, start_after = now(),
         output = coalesce(output, '{}') || case when output @> '{"suspect": true}'
           then jsonb_build_object('losses', coalesce((output ->> 'losses')::int, 0) + 1)
           else '{"suspect": true}' end
       where name = '${QUEUE_NAME}' and state = 'active'
         and heartbeat_on < now() - ${LOST_AFTER_SECONDS} * interval '1 second'
       returning id)
     select pg_notify('${QUEUE_CHANNEL}', '') from lost limit 1`,
  );
}

/** Gives a job back without counting this attempt. The job keeps its record for the next run. */
export async function giveBackJob(
  pool: pg.Pool,
  { id, retryCount, record }: Pick<TakenJob, 'id' | 'retryCount' | 'record'>,
  afterSeconds = 0,
): Promise<void> {
  await pool.query(
    `update ${QUEUE_SCHEMA}.job set state = 'retry', started_on = null, heartbeat_on = null,
       retry_count = $3::int, start_after = now() + $2 * interval '1 second', output = $4
     where name = '${QUEUE_NAME}' and id = $1 and state = 'active'`,
    [id, afterSeconds, retryCount, JSON.stringify(record)],
  );
  await pool.query(`select pg_notify('${QUEUE_CHANNEL}', '')`);
}

/** Stores the record of a running job, so that it is not lost if the process dies. */
export async function writeRecord(pool: pg.Pool, { id, record }: Pick<TakenJob, 'id' | 'record'>): Promise<void> {
  await pool.query(
    `update ${QUEUE_SCHEMA}.job set output = $2 where name = '${QUEUE_NAME}' and id = $1 and state = 'active'`,
    [id, JSON.stringify(record)],
  );
}

/** Ends a job as failed, even if pg-boss would run it again. */
export async function failJobForGood(pool: pg.Pool, { id, record }: Pick<TakenJob, 'id' | 'record'>): Promise<void> {
  await pool.query(
    `update ${QUEUE_SCHEMA}.job set state = 'failed', completed_on = now(), heartbeat_on = null, output = $2
     where name = '${QUEUE_NAME}' and id = $1 and state = 'active'`,
    [id, JSON.stringify(record)],
  );
}
