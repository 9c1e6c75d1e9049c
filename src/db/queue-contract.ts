// What a worker's queue is called with, and what it calls: handlers of tasks, and the ends of jobs.
import type { JobPostponed } from './job-errors.ts';
import type { JobData } from './queue.ts';
import type { Task, TaskPayloads } from './queue-tasks.ts';

export type JobContext = {
  id: string;
  /** From 1. */
  attempt: number;
  /** True when no attempt follows a thrown error. */
  isLast: boolean;
  /** Aborted when the worker stops, when it lost the job to another one, and when the job's pipeline was cancelled. */
  signal: AbortSignal;
};

/** A handler that returns has done the job, whatever its answer was; one that throws is tried again after a pause. */
export type Handlers = { [T in Task]: (payload: TaskPayloads[T], context: JobContext) => Promise<void> };

export type WorkOptions = {
  /** Jobs at a time in this process, beside those of outside tasks (OUTSIDE_SLOTS). */
  concurrency: number;
  /** After how long an outside job is given back while a job waits that has to run alone; GIVE_WAY_MS when not given. */
  giveWayMs?: number;
  /**
   * Called when no attempt follows: the last one has thrown or lost its worker, or a process of the job died for the last
   * time (JobCrashed). Records the failure for those who wait for the job. Called again if this process dies meanwhile.
   */
  onExhausted?: (job: JobData, error: unknown) => Promise<void>;
  /** Called for each attempt that threw and for what goes wrong between jobs (a lost database). */
  onError?: (error: unknown, job?: JobData) => void;
  /** Called for each attempt that cannot work yet, with the reason. */
  onPostponed?: (postponed: JobPostponed, job: JobData) => void;
};

export type Queue = {
  /** Begins to work. */
  work(handlers: Handlers, options: WorkOptions): Promise<void>;
  /** Waits until no job is ready or active, for tests. Jobs whose time has not come are left. */
  drain(): Promise<void>;
  /** Takes no more jobs, waits `finishMs` for the running ones, aborts the rest and gives them back at once. */
  stop(options?: { finishMs?: number }): Promise<void>;
};
