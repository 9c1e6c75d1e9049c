// The index by which a worker finds the first ready job of an outside task, however many builds are ready before it.
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { QUEUE_SCHEMA } from './queue.ts';
import { OUTSIDE_TASKS } from './queue-tasks.ts';

const NAMES = [...OUTSIDE_TASKS].map((task) => `'${task}'`).join(', ');

/**
 * The condition that a job's task is an outside task. Written as literals: the planner compares it with the index's own
 * condition.
 */
export const IS_OUTSIDE = `data ->> 'task' in (${NAMES})`;

const PREFIX = 'job_outside_ready_';

/** A different list of outside tasks gives a different index. */
export const OUTSIDE_INDEX = PREFIX + createHash('sha256').update(IS_OUTSIDE).digest('hex').slice(0, 8);

/**
 * Creates the index, and drops those of other lists of tasks. `migrate` calls it under its lock, after the queue's tables exist.
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
