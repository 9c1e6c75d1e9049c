// The index with which a worker finds the first ready job of an outside task, even if many builds are ready before it.
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { QUEUE_SCHEMA } from './queue.ts';
import { OUTSIDE_TASKS } from './queue-tasks.ts';

const NAMES = [...OUTSIDE_TASKS].map((task) => `'${task}'`).join(', ');

/**
 * SQL: whether a job's task is an outside task. The names are literals, because PostgreSQL uses a partial index only if the
 * query repeats the condition of the index.
 */
export const IS_OUTSIDE = `data ->> 'task' in (${NAMES})`;

const PREFIX = 'job_outside_ready_';

/** The name of the index. It contains a digest of the condition, so that another list of outside tasks gets another index. */
export const OUTSIDE_INDEX = PREFIX + createHash('sha256').update(IS_OUTSIDE).digest('hex').slice(0, 8);

/**
 * Creates the index, and drops indexes for other lists of outside tasks. `migrate` calls this under its lock, after it has
 * created the queue's tables.
 */
export async function installOutsideIndex(client: pg.Client): Promise<void> {
  await client.query(
    `create index if not exists ${OUTSIDE_INDEX} on ${QUEUE_SCHEMA}.job (name, priority desc, created_on)
     where state < 'active' and not blocked and ${IS_OUTSIDE}`,
  );
  const { rows } = await client.query<{ indexname: string }>(
    `select indexname from pg_indexes
     where schemaname = $1 and tablename = 'job' and starts_with(indexname, $2) and indexname <> $3`,
    [QUEUE_SCHEMA, PREFIX, OUTSIDE_INDEX],
  );
  for (const { indexname } of rows)
    await client.query(`drop index ${QUEUE_SCHEMA}.${client.escapeIdentifier(indexname)}`);
}
