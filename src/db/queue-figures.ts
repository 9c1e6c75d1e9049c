// Counts jobs by task and state, for monitoring.
import { sql } from 'kysely';
import type { Database } from './database.ts';
import { QUEUE_NAME, QUEUE_SCHEMA } from './queue.ts';

export type JobCount = { task: string; state: 'waiting' | 'running' | 'failed'; count: number };

/**
 * Counts three kinds of jobs: jobs that wait (for a worker or for their next attempt), jobs that run, and jobs that failed
 * for good and are still stored.
 */
export async function countJobs(db: Database): Promise<JobCount[]> {
  const found = await sql<JobCount>`
    select data->>'task' as task,
      case state when 'active' then 'running' when 'failed' then 'failed' else 'waiting' end as state, count(*) as count
    from ${sql.table(`${QUEUE_SCHEMA}.job`)}
    where name = ${QUEUE_NAME} and state in ('created', 'retry', 'active', 'failed') group by 1, 2`.execute(db);
  return found.rows;
}
