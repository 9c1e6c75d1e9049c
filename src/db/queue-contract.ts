// The interface of a worker's queue: the handlers of tasks, and callbacks that are called when a job ends.
import type { JobPostponed } from './job-errors.ts';
import type { JobData } from './queue.ts';
import type { Task, TaskPayloads } from './queue-tasks.ts';

export type JobContext = {
  id: string;
  /** The number of this attempt; the first is 1. */
  attempt: number;
  /** Whether this is the last attempt. If so and the handler throws, the job fails for good. */
  isLast: boolean;
  /** Aborted when the worker stops, when another worker took the job over, or when the job's pipeline was cancelled. */
  signal: AbortSignal;
};

/** The handler of each task. When it returns, the job is done; when it throws, the job runs again after a pause. */
export type Handlers = { [T in Task]: (payload: TaskPayloads[T], context: JobContext) => Promise<void> };

export type WorkOptions = {
  /** How many jobs run at a time, without those of outside tasks, for which there are OUTSIDE_SLOTS more. */
  concurrency: number;
  /** If a job that must run alone waits, outside jobs that have run for this long are given back. Default: GIVE_WAY_MS. */
  giveWayMs?: number;
  /**
   * Records the failure of a job that does not run again: its last attempt threw or lost its worker, or its child process died
   * too often (JobCrashed). Called again if this process dies meanwhile.
   */
  onExhausted?: (job: JobData, error: unknown) => Promise<void>;
  /** Called for each attempt that threw, with its job; also for errors outside of jobs, such as a lost database. */
  onError?: (error: unknown, job?: JobData) => void;
  /** Called for each attempt that was postponed, with the reason. */
  onPostponed?: (postponed: JobPostponed, job: JobData) => void;
};

export type Queue = {
  /** Begins to take jobs. */
  work(handlers: Handlers, options: WorkOptions): Promise<void>;
  /** Waits until no job is ready or running; for tests. Ignores jobs that become ready later. */
  drain(): Promise<void>;
  /**
   * Takes no more jobs, waits at most `finishMs` until the running ones have ended, then aborts the others and gives them back.
   */
  stop(options?: { finishMs?: number }): Promise<void>;
};
