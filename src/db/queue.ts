// Enqueues jobs in the transaction that causes them: a job exists only once that transaction commits.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { fromKysely, PgBoss } from 'pg-boss';
import type { Transaction } from './database.ts';
import type { Task, TaskPayloads } from './queue-tasks.ts';

/** pg-boss's tables are in a schema of their own, beside Larder's. */
export const QUEUE_SCHEMA = 'queue';

/** One queue for all tasks, so that priority applies to all of them; the task is in the job's data. */
export const QUEUE_NAME = 'tasks';

/** Workers listen here; a notification is delivered when the transaction commits. */
export const QUEUE_CHANNEL = 'larder_tasks';

/** Workers listen here for pipelines that were cancelled while one of their jobs runs; the payload is a pipeline's id. */
export const CANCELLED_CHANNEL = 'larder_pipelines_cancelled';

/** The data of a job row. */
export type JobData<T extends Task = Task> = { task: T; payload: TaskPayloads[T] };

/** Whether a row's data has a task and a payload: a row of another version, or one written by hand, may not. */
export function isJobData(data: unknown): data is JobData {
  if (typeof data !== 'object' || data === null) return false;
  const { task, payload } = data as Record<string, unknown>;
  return typeof task === 'string' && typeof payload === 'object' && payload !== null;
}

export type EnqueueOptions = {
  /**
   * While a job with this task and key waits, no second one is enqueued. A running job does not count, because it may have read
   * the rows already.
   */
  key?: string;
  /** Higher values run first; default 0. */
  priority?: number;
  /** The id of the job's organization: while other groups wait, no group takes more than its share of a worker. */
  group?: string;
  startAfterSeconds?: number;
};

/** Returns the id of the new job, or undefined if one with that key is already waiting. */
export async function enqueue<T extends Task>(
  tx: Transaction,
  task: T,
  payload: TaskPayloads[T],
  options: EnqueueOptions = {},
): Promise<string | undefined> {
  const db = fromKysely(tx);
  // A PgBoss that is never started has no connection and no timer: it only generates the statements.
  const boss = new PgBoss({ db, schema: QUEUE_SCHEMA, supervise: false, schedule: false, migrate: false });
  const id = await boss.send(
    QUEUE_NAME,
    { task, payload },
    {
      db,
      singletonKey: keyOf(task, options.key ?? randomUUID()),
      priority: options.priority ?? 0,
      ...(options.group !== undefined && { group: { id: options.group } }),
      ...(options.startAfterSeconds !== undefined && { startAfter: options.startAfterSeconds }),
    },
  );
  if (id === null) return undefined;
  await sql`select pg_notify(${QUEUE_CHANNEL}, '')`.execute(tx);
  return id;
}

/** Enqueues many jobs of one task, like `enqueue` for each: a fixed number of statements for any number of jobs. */
export async function enqueueMany<T extends Task>(
  tx: Transaction,
  task: T,
  requests: readonly { payload: TaskPayloads[T]; options: EnqueueOptions }[],
): Promise<void> {
  if (requests.length === 0) return;
  const db = fromKysely(tx);
  const boss = new PgBoss({ db, schema: QUEUE_SCHEMA, supervise: false, schedule: false, migrate: false });
  const jobs = requests.map(({ payload, options }) => ({
    data: { task, payload },
    singletonKey: keyOf(task, options.key ?? randomUUID()),
    priority: options.priority ?? 0,
    ...(options.group !== undefined && { group: { id: options.group } }),
    ...(options.startAfterSeconds !== undefined && { startAfter: options.startAfterSeconds }),
  }));
  await boss.insert(QUEUE_NAME, jobs, { db });
  await sql`select pg_notify(${QUEUE_CHANNEL}, '')`.execute(tx);
}

/**
 * Aborts the running jobs of these pipelines when the transaction commits. One notification per pipeline: a payload is limited to
 * 8,000 bytes. A worker that misses it finishes the step, whose result is then not recorded.
 */
export async function abortJobs(tx: Transaction, pipelineIds: readonly string[]): Promise<void> {
  if (pipelineIds.length === 0) return;
  await sql`select pg_notify(${CANCELLED_CHANNEL}, id) from unnest(${pipelineIds}::text[]) as id`.execute(tx);
}

/** Returns the key of a job in the queue, where all tasks share one space of keys. */
export function keyOf(task: Task, key: string): string {
  return `${task}:${key}`;
}

/**
 * Maximum number of attempts of a job that throw. With the pauses between them (2 to 4 s, doubled each time) a temporary error has one to two minutes
 * to end before the job fails for good.
 */
export const ATTEMPTS_MAX = 6;
const FIRST_PAUSE_SECONDS = 2;

/** pg-boss's limit for a job (at most 24 h): needed only if the time limits of the steps do not end the job. */
const RUN_SECONDS_MAX = 23 * 3600;

/** A waiting job must not be lost: pg-boss would drop it after 14 days. */
const WAIT_SECONDS_MAX = 10 * 365 * 24 * 3600;

/** Ended jobs are kept this long for later diagnosis. */
const KEEP_SECONDS = 3 * 24 * 3600;

/** Creates or updates the queue's tables. `migrate` calls it under its lock. */
export async function installQueue(url: string): Promise<void> {
  const boss = new PgBoss({ connectionString: url, schema: QUEUE_SCHEMA, max: 1, supervise: false, schedule: false });
  // The calls of pg-boss throw the relevant errors; an error event without a listener would end the process.
  boss.on('error', () => {});
  await boss.start();
  try {
    const options = {
      retryLimit: ATTEMPTS_MAX - 1,
      retryDelay: FIRST_PAUSE_SECONDS,
      retryBackoff: true,
      expireInSeconds: RUN_SECONDS_MAX,
      retentionSeconds: WAIT_SECONDS_MAX,
      deleteAfterSeconds: KEEP_SECONDS,
    };
    if ((await boss.getQueue(QUEUE_NAME)) === null) {
      // "short": one waiting job per key, any number of running ones.
      await boss.createQueue(QUEUE_NAME, { policy: 'short', ...options });
    } else {
      await boss.updateQueue(QUEUE_NAME, options);
    }
  } finally {
    await boss.stop({ graceful: false });
  }
}
