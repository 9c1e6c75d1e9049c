// Runs the jobs of the queue. Takes jobs when slots are free, sends heartbeats, takes over the jobs of dead workers, and
// gives back jobs that it cannot finish.
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { PgBoss } from 'pg-boss';
import { JobCrashed, JobDeclined, JobPostponed } from './job-errors.ts';
import { CRASHES_MAX, findEndCause } from './job-record.ts';
import {
  ATTEMPTS_MAX,
  CANCELLED_CHANNEL,
  isJobData,
  type JobData,
  keyOf,
  QUEUE_CHANNEL,
  QUEUE_NAME,
  QUEUE_SCHEMA,
} from './queue.ts';
import type { Handlers, JobContext, Queue, WorkOptions } from './queue-contract.ts';
import { type HeldJob, keepBeating } from './queue-heartbeat.ts';
import { type Listener, listenTo } from './queue-listener.ts';
import { failJobForGood, giveBackJob, type TakenJob, takeJob, writeRecord } from './queue-rows.ts';
import { findFreeKinds, findGroupsAtShare, GIVE_WAY_MS, type SlotKind, slotKindOf } from './queue-slots.ts';
import { SCHEDULES, type Task } from './queue-tasks.ts';
import { storableText } from './storable-text.ts';
import { withinMs } from './within-ms.ts';

export type { Handlers, JobContext, Queue, WorkOptions };
export { JobCrashed, JobDeclined, JobPostponed };

/** The pause before the next attempt after a crash. In this pause, the memory of the dead process becomes free. */
const CRASH_PAUSE_SECONDS = 3;

/** A worker that declined a job takes no job of its task for this long, so that it does not query all the time. */
const DECLINED_REST_MS = 5_000;

/** A suspect (job-record.ts) that ended early for another suspect is ready only after this time, so that the other is first. */
const GIVE_WAY_PAUSE_SECONDS = 60;

/** The pause between two polls. Only jobs whose start time has come and jobs whose notification was lost need a poll. */
const POLL_MS = 1_000;

/** The pause between two queries while the database does not respond. */
const FAILURE_PAUSE_MS = 1_000;

/** How long an aborted handler may take to end its sandbox. Then the job is given back even if the handler still runs. */
const ABORT_WAIT_MS = 5_000;

const DEFAULT_FINISH_MS = 3_000;

/** The limit of connections, for the worker's own statements, simultaneous heartbeats, and the maintenance of pg-boss. */
const CONNECTIONS = 4;
const CONNECTION_WAIT_MS = 5_000;

/** Opens the queue of a database that is already migrated. Runs no job until `work` is called. */
export async function openQueue(options: { url: string }): Promise<Queue> {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECTION_WAIT_MS,
    application_name: 'larder-queue',
  });
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  const boss = new PgBoss({
    db: { executeSql: (text, values) => pool.query(text, values) },
    schema: QUEUE_SCHEMA,
    migrate: false,
  });
  return new WorkingQueue(options.url, pool, boss);
}

type Running = HeldJob & {
  /** The start, in milliseconds of `performance.now`. */
  startedAt: number;
  /** True if the job was aborted so that a suspect can run alone. */
  gaveWay: boolean;
  /** True if the job's pipeline was cancelled. The job then counts as done, even if its handler throws. */
  cancelled: boolean;
  settled: Promise<void>;
};

class WorkingQueue implements Queue {
  readonly #url: string;
  readonly #pool: pg.Pool;
  readonly #boss: PgBoss;
  /**
   * Not a map by id, because a job can be in the set twice: if it was lost and taken again while its first handler still
   * runs.
   */
  readonly #running = new Set<Running>();
  /** Aborted at the end of `stop`. This ends every pause. */
  readonly #over = new AbortController();
  #handlers: Handlers | undefined;
  #options: WorkOptions = { concurrency: 1 };
  #loops: Promise<unknown>[] = [];
  #stopping = false;
  /**
   * The tasks of declined jobs, each with a time of `performance.now`. This worker takes no job of the task before that time.
   */
  readonly #restUntil = new Map<Task, number>();
  /** The kind of a suspect that waits until no job runs in this worker. Until then, the worker takes no job of any kind. */
  #suspectWaits: SlotKind | undefined;
  #wake = Promise.withResolvers<void>();
  #listener: Listener | undefined;
  #stopped: Promise<void> | undefined;

  constructor(url: string, pool: pg.Pool, boss: PgBoss) {
    this.#url = url;
    this.#pool = pool;
    this.#boss = boss;
  }

  async work(handlers: Handlers, options: WorkOptions): Promise<void> {
    if (this.#handlers) throw new Error('The queue has already started: work can be called once');
    this.#handlers = handlers;
    this.#options = options;
    this.#boss.on('error', (error) => this.#report(error));
    await this.#boss.start();
    await this.#schedule();
    this.#listener = await listenTo(this.#url, {
      [QUEUE_CHANNEL]: () => this.#wakeUp(),
      [CANCELLED_CHANNEL]: (pipelineId) => this.#cancel(pipelineId),
    });
    const onError = (error: unknown) => this.#report(error);
    const beating = keepBeating(this.#pool, { held: this.#running, onError, signal: this.#over.signal });
    this.#loops = [this.#takeJobs(), beating];
  }

  async drain(): Promise<void> {
    while (await this.#isBusy()) await this.#pause(50);
  }

  stop(options: { finishMs?: number } = {}): Promise<void> {
    this.#stopped ??= this.#stop(options.finishMs ?? DEFAULT_FINISH_MS);
    return this.#stopped;
  }

  async #stop(finishMs: number): Promise<void> {
    this.#stopping = true;
    this.#wakeUp();
    await this.#loops[0];
    const all = (): Promise<unknown> => Promise.all([...this.#running].map((running) => running.settled));
    await withinMs(all(), finishMs);
    for (const running of this.#running) running.abort.abort(new Error('The worker stops'));
    await withinMs(all(), ABORT_WAIT_MS);
    for (const { job, lost } of this.#running)
      if (!lost) await giveBackJob(this.#pool, job).catch((error) => this.#report(error));
    this.#over.abort();
    await this.#loops[1];
    await this.#listener?.close();
    await this.#boss.stop({ graceful: false }).catch((error) => this.#report(error));
    await this.#pool.end();
  }

  async #schedule(): Promise<void> {
    for (const [task, cron] of Object.entries(SCHEDULES) as [Task, string][]) {
      const singletonKey = keyOf(task, 'schedule');
      await this.#boss.schedule(QUEUE_NAME, cron, { task, payload: {} }, { key: task, singletonKey });
    }
  }

  /** Fills the free slots. Then waits for a notification, the end of a job, or the next poll. */
  async #takeJobs(): Promise<void> {
    while (!this.#stopping) {
      this.#wake = Promise.withResolvers();
      try {
        for (let job = await this.#takeNext(); job !== undefined; job = await this.#takeNext()) {
          if (isJobData(job.data)) this.#start(job);
          else await this.#reject(job);
        }
        await withinMs(this.#wake.promise, POLL_MS);
      } catch (error) {
        this.#report(error);
        await this.#pause(FAILURE_PAUSE_MS);
      }
    }
  }

  /** Fails a job with an unknown task. A retry would fail too, and no pipeline or other row waits for the job. */
  async #reject(job: TakenJob): Promise<void> {
    this.#report(new Error(`Job ${job.id} has no known task or no payload`));
    await failJobForGood(this.#pool, job);
  }

  #cancel(pipelineId: string): void {
    for (const running of this.#running) {
      const { payload } = running.job.data;
      if (!('pipeline_id' in payload) || payload.pipeline_id !== pipelineId) continue;
      running.cancelled = true;
      running.abort.abort(new Error('The pipeline was cancelled'));
    }
  }

  async #takeNext(): Promise<TakenJob | undefined> {
    if (this.#stopping || [...this.#running].some((running) => this.#isAlone(running))) return undefined;
    for (const kind of this.#kindsToTake()) {
      const isAwaited = kind === this.#suspectWaits;
      const job = (isAwaited && (await this.#take(kind, true))) || (await this.#take(kind, false));
      this.#suspectWaits = job === 'ALONE' ? kind : isAwaited ? undefined : this.#suspectWaits;
      if (job === 'ALONE') return this.#giveWay();
      if (job) return job;
    }
    return undefined;
  }

  /**
   * Whether this job must run alone, so that no other job may start. True for a suspect. False for an outside job that has
   * run for GIVE_WAY_MS, because it has not killed its worker in this time.
   */
  #isAlone(running: Running): boolean {
    return running.job.record.suspect && !this.#isLongOutside(running);
  }

  #isLongOutside({ job, startedAt }: Running): boolean {
    const limitMs = this.#options.giveWayMs ?? GIVE_WAY_MS;
    return slotKindOf(job) === 'OUTSIDE' && performance.now() - startedAt >= limitMs;
  }

  #kindsToTake(): SlotKind[] {
    const free = findFreeKinds(this.#runningJobs(), this.#options.concurrency);
    return free.sort((a, b) => Number(b === this.#suspectWaits) - Number(a === this.#suspectWaits));
  }

  #restingTasks(): Task[] {
    const now = performance.now();
    return [...this.#restUntil].filter(([, until]) => now < until).map(([task]) => task);
  }

  #runningJobs(): TakenJob[] {
    return [...this.#running].map(({ job }) => job);
  }

  /**
   * Takes a job, first from groups that use less than half of the slots. If only other groups have jobs, they may use all
   * slots for builds. They may not use all slots for outside tasks, because they could hold them for hours.
   */
  async #take(kind: SlotKind, onlySuspects: boolean): Promise<TakenJob | 'ALONE' | undefined> {
    const runsNothing = this.#running.size === 0;
    const ignoreGroups = findGroupsAtShare(kind, this.#runningJobs(), this.#options.concurrency);
    const taking = { kind, onlySuspects, runsNothing, ignoreTasks: this.#restingTasks() };
    const fair = await takeJob(this.#pool, { ...taking, ignoreGroups });
    if (fair || kind === 'OUTSIDE' || ignoreGroups.length === 0) return fair;
    return await takeJob(this.#pool, { ...taking, ignoreGroups: [] });
  }

  /** Aborts outside jobs that have run for longer than GIVE_WAY_MS, so that the suspect can run. */
  #giveWay(): undefined {
    for (const running of this.#running) {
      if (running.gaveWay || !this.#isLongOutside(running)) continue;
      running.gaveWay = true;
      running.abort.abort(new Error('A job that must run alone is waiting'));
    }
  }

  #start(job: TakenJob): void {
    const startedAt = performance.now();
    const state = { lost: false, cancelled: false, startedAt, gaveWay: false, settled: Promise.resolve() };
    const running: Running = { job, abort: new AbortController(), ...state };
    this.#running.add(running);
    running.settled = this.#run(running)
      .catch((error) => this.#report(error, job.data))
      .finally(() => {
        this.#running.delete(running);
        this.#wakeUp();
      });
  }

  async #run(running: Running): Promise<void> {
    const { job } = running;
    const endCause = findEndCause(job.record);
    if (endCause !== undefined) return await this.#exhaust(running, new JobCrashed(endCause));
    const attempt = job.retryCount + 1;
    try {
      await this.#handle(job.data, {
        id: job.id,
        attempt,
        isLast: attempt >= ATTEMPTS_MAX,
        signal: running.abort.signal,
      });
    } catch (error) {
      if (!running.cancelled) return await this.#failed(running, attempt, error);
    }
    await this.#write(running, () => this.#boss.complete(QUEUE_NAME, job.id));
  }

  async #handle<T extends Task>({ task, payload }: JobData<T>, context: JobContext): Promise<void> {
    const handler = this.#handlers?.[task];
    if (!handler) throw new Error(`No handler for the task ${task}`);
    await handler(payload, context);
  }

  async #failed(running: Running, attempt: number, error: unknown): Promise<void> {
    const { job } = running;
    if (running.lost) return;
    if (running.gaveWay) return await this.#gaveWay(running);
    if (running.abort.signal.aborted) return await this.#giveBack(running);
    if (error instanceof JobPostponed) return await this.#postponed(running, error);
    this.#report(error, job.data);
    job.record = { ...job.record, message: messageOf(error) };
    if (error instanceof JobCrashed) return await this.#crashed(running, error);
    if (attempt >= ATTEMPTS_MAX) return await this.#exhaust(running, error);
    await this.#write(running, () => this.#boss.fail(QUEUE_NAME, job.id, job.record));
  }

  /**
   * Gives back a job that was aborted for a suspect. The job is no longer a suspect itself, because it ran for long without
   * killing its worker. But if it has killed a worker while it ran alone, it stays a suspect.
   */
  async #gaveWay(running: Running): Promise<void> {
    const { job } = running;
    job.record = { ...job.record, suspect: job.record.suspect && job.record.losses > 0 };
    await this.#giveBack(running, job.record.suspect ? GIVE_WAY_PAUSE_SECONDS : 0);
  }

  async #postponed(running: Running, postponed: JobPostponed): Promise<void> {
    const { job } = running;
    this.#options.onPostponed?.(postponed, job.data);
    // A worker that declined the job has not run it, so a suspect stays a suspect.
    if (postponed instanceof JobDeclined) this.#restUntil.set(job.data.task, performance.now() + DECLINED_REST_MS);
    else job.record = { ...job.record, suspect: false };
    await this.#giveBack(running, postponed.seconds);
  }

  /**
   * Stores the last crash before it calls `onExhausted`. If this process dies during the call, the job must not run a third
   * time.
   */
  async #crashed(running: Running, error: JobCrashed): Promise<void> {
    const { job } = running;
    job.record = { ...job.record, crashes: job.record.crashes + 1 };
    if (job.record.crashes < CRASHES_MAX) return await this.#giveBack(running, CRASH_PAUSE_SECONDS);
    await this.#write(running, () => writeRecord(this.#pool, job));
    await this.#exhaust(running, error);
  }

  async #exhaust(running: Running, error: unknown): Promise<void> {
    const { job } = running;
    try {
      await this.#options.onExhausted?.(job.data, error);
    } catch (cause) {
      this.#report(cause, job.data);
      return await this.#giveBack(running, FAILURE_PAUSE_MS / 1000);
    }
    await this.#write(running, () => failJobForGood(this.#pool, job));
  }

  async #giveBack(running: Running, afterSeconds = 0): Promise<void> {
    await this.#write(running, () => giveBackJob(this.#pool, running.job, afterSeconds));
  }

  /**
   * Writes a result, and tries again while the database does not respond. Writes nothing if another worker has taken over the
   * job.
   */
  async #write(running: Running, write: () => Promise<unknown>): Promise<void> {
    while (!running.lost) {
      try {
        await write();
        return;
      } catch (error) {
        if (this.#over.signal.aborted) throw error;
        this.#report(error, running.job.data);
        await this.#pause(FAILURE_PAUSE_MS);
      }
    }
  }

  async #isBusy(): Promise<boolean> {
    if (this.#running.size > 0) return true;
    // Uses clock_timestamp, because now() is the time at which the statement began. A job that was given back after that
    // would not count as ready.
    const { rowCount } = await this.#pool.query(
      `select from ${QUEUE_SCHEMA}.job where name = '${QUEUE_NAME}'
         and (state = 'active' or (state in ('created', 'retry') and start_after <= clock_timestamp())) limit 1`,
    );
    return (rowCount ?? 0) > 0;
  }

  #wakeUp(): void {
    this.#wake.resolve();
  }

  /** Waits for `ms` milliseconds, or until the queue stops. */
  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#over.signal }).catch(() => {});
  }

  #report(error: unknown, job?: JobData): void {
    this.#options.onError?.(error, job);
  }
}

function messageOf(error: unknown): string {
  return storableText(error instanceof Error ? error.message : String(error));
}
