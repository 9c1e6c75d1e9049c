// Enqueues jobs in the transaction that needs them: a job exists once that transaction commits, and only then.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { fromKysely, PgBoss } from 'pg-boss';
import type { Transaction } from './database.ts';
import type { Task, TaskPayloads } from './queue-tasks.ts';

/** pg-boss's tables live in a schema of their own, beside ours. */
export const QUEUE_SCHEMA = 'queue';

/** One queue for every kind of task, so that priority is checked over all of them; the kind is in the job's data. */
export const QUEUE_NAME = 'tasks';

/** Workers listen here; a notification is delivered when the transaction commits. */
export const QUEUE_CHANNEL = 'larder_tasks';

/** Workers listen here for pipelines that were cancelled while a job of theirs runs; the payload is a pipeline's id. */
export const CANCELLED_CHANNEL = 'larder_pipelines_cancelled';

/** What a job row holds. */
export type JobData<T extends Task = Task> = { task: T; payload: TaskPayloads[T] };

/** Whether a row's data names a task and a payload: a row of another version, or one written by hand, may not. */
export function isJobData(data: unknown): data is JobData {
  if (typeof data !== 'object' || data === null) return false;
  const { task, payload } = data as Record<string, unknown>;
  return typeof task === 'string' && typeof payload === 'object' && payload !== null;
}

export type EnqueueOptions = {
  /** Of two waiting jobs of one task with one key the second is dropped: the first will do its work. A running one is not counted, since it may have read the rows already. */
  key?: string;
  /** Higher goes first; 0 when not given. */
  priority?: number;
  /** Whose work it is, an organization's id: while others wait, no group takes more than its share of a worker. */
  group?: string;
  startAfterSeconds?: number;
};

/** Answers the id of the new job, or undefined when one with that key waits already. */
export async function enqueue<T extends Task>(
  tx: Transaction,
  task: T,
  payload: TaskPayloads[T],
  options: EnqueueOptions = {},
): Promise<string | undefined> {
  const db = fromKysely(tx);
  // An instance that is never started holds no connection and no timer: it only spells the statements.
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

/** Enqueues many jobs of one task, as `enqueue` does each: a fixed number of statements, however many they are. */
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
 * Aborts the running jobs of these pipelines when the transaction commits. One notification each: a payload is limited to
 * 8,000 bytes. A worker that misses it works to the end of the step, whose result is then not recorded.
 */
export async function abortJobs(tx: Transaction, pipelineIds: readonly string[]): Promise<void> {
  if (pipelineIds.length === 0) return;
  await sql`select pg_notify(${CANCELLED_CHANNEL}, id) from unnest(${pipelineIds}::text[]) as id`.execute(tx);
}

/** Keys are told apart by task. */
export function keyOf(task: Task, key: string): string {
  return `${task}:${key}`;
}

/**
 * Thrown attempts of one job. With the pauses between them (2 to 4 s, doubled each time) a temporary error has one to two
 * minutes to pass before the job fails for good.
 */
export const ATTEMPTS_MAX = 6;
const FIRST_PAUSE_SECONDS = 2;

/** Jobs end in the time limits of their own steps; pg-boss's limit is the last net, and 24 h its ceiling. */
const RUN_SECONDS_MAX = 23 * 3600;

/** A waiting job is a promise to somebody: pg-boss would drop it after 14 days. */
const WAIT_SECONDS_MAX = 10 * 365 * 24 * 3600;

/** Ended jobs are kept this long for whoever asks what happened. */
const KEEP_SECONDS = 3 * 24 * 3600;

/** Makes or brings up to date the queue's tables. Called by `migrate`, under its lock. */
export async function installQueue(url: string): Promise<void> {
  const boss = new PgBoss({ connectionString: url, schema: QUEUE_SCHEMA, max: 1, supervise: false, schedule: false });
  // Its calls throw what matters; an unheard error event would end the process.
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
      // "short": one waiting job a key, any number of running ones.
      await boss.createQueue(QUEUE_NAME, { policy: 'short', ...options });
    } else {
      await boss.updateQueue(QUEUE_NAME, options);
    }
  } finally {
    await boss.stop({ graceful: false });
  }
}
