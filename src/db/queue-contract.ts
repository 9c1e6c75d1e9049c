// The interface of a worker's queue: handlers of tasks, and callbacks for the ends of jobs.
import type { JobPostponed } from './job-errors.ts';
import type { JobData } from './queue.ts';
import type { Task, TaskPayloads } from './queue-tasks.ts';

export type JobContext = {
  id: string;
  /** From 1. */
  attempt: number;
  /** Whether this is the last attempt: after a thrown error the job fails for good. */
  isLast: boolean;
  /** Aborted when the worker stops, when another worker took the job over, and when the job's pipeline was cancelled. */
  signal: AbortSignal;
};

/** If the handler returns, the job is done, whatever the result; if it throws, the job is retried after a pause. */
export type Handlers = { [T in Task]: (payload: TaskPayloads[T], context: JobContext) => Promise<void> };

export type WorkOptions = {
  /** Concurrent jobs of this process, in addition to outside tasks (OUTSIDE_SLOTS). */
  concurrency: number;
  /** The time after which an outside job is given back while a job waits that must run alone; default GIVE_WAY_MS. */
  giveWayMs?: number;
  /**
   * Called when no attempt follows: the last one threw or lost its worker, or a process of the job died for the last time
   * (JobCrashed). Records the failure. Called again if this process dies meanwhile.
   */
  onExhausted?: (job: JobData, error: unknown) => Promise<void>;
  /** Called for each attempt that threw, and for errors between jobs (a lost database). */
  onError?: (error: unknown, job?: JobData) => void;
  /** Called for each attempt that its handler postponed, with the reason. */
  onPostponed?: (postponed: JobPostponed, job: JobData) => void;
};

export type Queue = {
  /** Starts taking jobs. */
  work(handlers: Handlers, options: WorkOptions): Promise<void>;
  /** Waits until no job is ready or active, for tests. Ignores jobs that are scheduled for later. */
  drain(): Promise<void>;
  /** Takes no more jobs, waits `finishMs` for the running ones, aborts the rest and gives them back at once. */
  stop(options?: { finishMs?: number }): Promise<void>;
};
