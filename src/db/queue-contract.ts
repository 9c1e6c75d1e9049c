// The interface of a worker's queue: the handlers of tasks, and callbacks for the end of jobs.
import type { JobPostponed } from './job-errors.ts';
import type { JobData } from './queue.ts';
import type { Task, TaskPayloads } from './queue-tasks.ts';

export type JobContext = {
  id: string;
  /** The number of this attempt, beginning with 1. */
  attempt: number;
  /** Whether this is the last attempt. If the handler throws then, the job fails for good. */
  isLast: boolean;
  /** Aborted when the worker stops, when another worker has taken over the job, or when the job's pipeline is cancelled. */
  signal: AbortSignal;
};

/** The handler of each task. When it returns, the job is done. When it throws, the job runs again after a pause. */
export type Handlers = { [T in Task]: (payload: TaskPayloads[T], context: JobContext) => Promise<void> };

export type WorkOptions = {
  /** How many jobs run at a time. Jobs of outside tasks do not count, because OUTSIDE_SLOTS more slots are for them. */
  concurrency: number;
  /**
   * If a job that must run alone is waiting, outside jobs that have run for this long are given back. The default is
   * GIVE_WAY_MS.
   */
  giveWayMs?: number;
  /**
   * Records the failure of a job that does not run again. Its last attempt threw or lost its worker, or its child process
   * died too often (JobCrashed). Called again if this process dies during the call.
   */
  onExhausted?: (job: JobData, error: unknown) => Promise<void>;
  /**
   * Called for each attempt that threw, with its job. Also called, without a job, for other errors such as a lost database.
   */
  onError?: (error: unknown, job?: JobData) => void;
  /** Called for each attempt that was postponed, with the reason. */
  onPostponed?: (postponed: JobPostponed, job: JobData) => void;
};

export type Queue = {
  /** Begins to take jobs. */
  work(handlers: Handlers, options: WorkOptions): Promise<void>;
  /** Waits until no job is ready or running. Ignores jobs that become ready later. For tests. */
  drain(): Promise<void>;
  /**
   * Takes no more jobs, and waits at most `finishMs` for the end of the running jobs. Then aborts the jobs that still run and
   * gives them back.
   */
  stop(options?: { finishMs?: number }): Promise<void>;
};
