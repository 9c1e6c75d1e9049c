// Enqueues jobs in the transaction that causes them. So a job exists only if the transaction commits.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { fromKysely, PgBoss } from 'pg-boss';
import type { Transaction } from './database.ts';
import type { Task, TaskPayloads } from './queue-tasks.ts';

/** The schema of the tables of pg-boss. */
export const QUEUE_SCHEMA = 'queue';

/** One queue has the jobs of all tasks, so that priorities apply across tasks. The data of a job contains its task. */
export const QUEUE_NAME = 'tasks';

/** Workers listen to this channel for new jobs. PostgreSQL delivers a notification when its transaction commits. */
export const QUEUE_CHANNEL = 'larder_tasks';

/**
 * The channel on which workers learn that a pipeline with a running job was cancelled. The payload is the id of the pipeline.
 */
export const CANCELLED_CHANNEL = 'larder_pipelines_cancelled';

/** The data in the row of a job. */
export type JobData<T extends Task = Task> = { task: T; payload: TaskPayloads[T] };

/**
 * Whether the data of a row has a task and a payload. They may be missing if another version of Larder or a person wrote the
 * row.
 */
export function isJobData(data: unknown): data is JobData {
  if (typeof data !== 'object' || data === null) return false;
  const { task, payload } = data as Record<string, unknown>;
  return typeof task === 'string' && typeof payload === 'object' && payload !== null;
}

export type EnqueueOptions = {
  /**
   * While a job of this task with this key waits, no second job is enqueued. A running job does not count, because it may
   * already have read the rows.
   */
  key?: string;
  /** Jobs with a higher value run first. The default is 0. */
  priority?: number;
  /**
   * The id of the organization that the job belongs to. While jobs of other groups wait, no group gets more than its share of
   * a worker's slots.
   */
  group?: string;
  startAfterSeconds?: number;
};

/** Enqueues a job and returns its id. Returns undefined if a job with the same key already waits. */
export async function enqueue<T extends Task>(
  tx: Transaction,
  task: T,
  payload: TaskPayloads[T],
  options: EnqueueOptions = {},
): Promise<string | undefined> {
  const db = fromKysely(tx);
  // This PgBoss is never started, so it has no connection and no timer. It only generates statements.
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

/** Enqueues many jobs of one task, each like `enqueue`. The number of statements does not depend on the number of jobs. */
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
 * Aborts the running jobs of these pipelines when the transaction commits. Sends one notification for each pipeline, because
 * a payload has at most 8,000 bytes. A worker that misses the notification finishes the step, but the result is not recorded.
 */
export async function abortJobs(tx: Transaction, pipelineIds: readonly string[]): Promise<void> {
  if (pipelineIds.length === 0) return;
  await sql`select pg_notify(${CANCELLED_CHANNEL}, id) from unnest(${pipelineIds}::text[]) as id`.execute(tx);
}

/** Returns the key that a job has in the queue. It contains the task, because the queue compares the keys of all tasks. */
export function keyOf(task: Task, key: string): string {
  return `${task}:${key}`;
}

/**
 * How many attempts of a job may throw. The pauses between them begin with 2 to 4 s and double each time. So the job fails
 * for good only if an error lasts for one to two minutes.
 */
export const ATTEMPTS_MAX = 6;
const FIRST_PAUSE_SECONDS = 2;

/**
 * The time limit of pg-boss for a job, in seconds. pg-boss allows at most 24 h. It only matters if the time limits of
 * Larder's own steps do not end the job.
 */
const RUN_SECONDS_MAX = 23 * 3600;

/** The time after which pg-boss drops a waiting job. Its default is 14 days, but a waiting job must not be lost. */
const WAIT_SECONDS_MAX = 10 * 365 * 24 * 3600;

/** How long pg-boss keeps jobs that have ended, so that operators can find the cause of faults. */
const KEEP_SECONDS = 3 * 24 * 3600;

/** Creates or updates the tables of the queue. `migrate` calls it under its lock. */
export async function installQueue(url: string): Promise<void> {
  const boss = new PgBoss({ connectionString: url, schema: QUEUE_SCHEMA, max: 1, supervise: false, schedule: false });
  // Without a listener, an error event would end the process. The event is ignored, because the calls of pg-boss throw the
  // same errors.
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
      // The policy "short" allows one waiting job for each key, and any number of running jobs.
      await boss.createQueue(QUEUE_NAME, { policy: 'short', ...options });
    } else {
      await boss.updateQueue(QUEUE_NAME, options);
    }
  } finally {
    await boss.stop({ graceful: false });
  }
}
