// The statements on the rows of jobs that a worker has taken, where pg-boss has none.
import type pg from 'pg';
import type { JobRecord } from './job-record.ts';
import { QUEUE_CHANNEL, QUEUE_NAME, QUEUE_SCHEMA } from './queue.ts';

/** A job as it was taken: pg-boss counts an attempt by its start. */
export type TakenJob = { id: string; retryCount: number; startedOn: Date };

/** Four missed beats. With the beat before the death and the look after it, a job is back in under 8 s. */
const LOST_AFTER_SECONDS = 6;

/** Says that the worker of these jobs lives. Returns the ids of those that are still its own: another worker may have taken one over. */
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

/** Gives back the jobs of dead workers. The attempt counts: started_on stays, and pg-boss counts one up at the next start. */
export async function takeOverLost(pool: pg.Pool): Promise<void> {
  await pool.query(
    `with lost as (
       update ${QUEUE_SCHEMA}.job set state = 'retry', heartbeat_on = null, start_after = now(),
         output = coalesce(output, '{"message": "The worker was lost"}')
       where name = '${QUEUE_NAME}' and state = 'active' and heartbeat_on < now() - ${LOST_AFTER_SECONDS} * interval '1 second'
       returning id)
     select pg_notify('${QUEUE_CHANNEL}', '') from lost limit 1`,
  );
}

/** Puts a job back as if this attempt had not been. Its record is what the next run finds. */
export async function giveBackJob(
  pool: pg.Pool,
  { id, retryCount }: Pick<TakenJob, 'id' | 'retryCount'>,
  { record, afterSeconds = 0 }: { record: JobRecord; afterSeconds?: number },
): Promise<void> {
  await pool.query(
    `update ${QUEUE_SCHEMA}.job set state = 'retry', started_on = null, heartbeat_on = null,
       retry_count = $3::int, start_after = now() + $2 * interval '1 second', output = $4
     where name = '${QUEUE_NAME}' and id = $1 and state = 'active'`,
    [id, afterSeconds, retryCount, JSON.stringify(record)],
  );
  await pool.query(`select pg_notify('${QUEUE_CHANNEL}', '')`);
}

/** Writes the record of a job that runs, so that it outlives the process. */
export async function keepRecord(pool: pg.Pool, id: string, record: JobRecord): Promise<void> {
  await pool.query(
    `update ${QUEUE_SCHEMA}.job set output = $2 where name = '${QUEUE_NAME}' and id = $1 and state = 'active'`,
    [id, JSON.stringify(record)],
  );
}

/** Ends a job as failed, however many attempts pg-boss would still give it. */
export async function failJobForGood(pool: pg.Pool, id: string, record: JobRecord): Promise<void> {
  await pool.query(
    `update ${QUEUE_SCHEMA}.job set state = 'failed', completed_on = now(), heartbeat_on = null, output = $2
     where name = '${QUEUE_NAME}' and id = $1 and state = 'active'`,
    [id, JSON.stringify(record)],
  );
}
