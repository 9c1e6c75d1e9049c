// The record of a job. It contains what the queue stores about the job between its runs. The column `output` of the job's row
// in pg-boss's table contains the record.
import { ATTEMPTS_MAX } from './queue.ts';

export type JobRecord = {
  /** Why the last run failed. */
  message?: string;
  /** How many times a child process of the job's handler died. */
  crashes: number;
  /** How many workers died while they ran only this job. */
  losses: number;
  /**
   * True after a worker died while it ran this job, perhaps together with other jobs. A suspect runs alone. So if a worker
   * dies again, this job is the cause. Becomes false when the job succeeds or is postponed.
   */
  suspect: boolean;
};

/**
 * How many crashes fail a job for good. A single crash may be caused by the machine, for example by a short lack of memory. A
 * second crash is attributed to the job.
 */
export const CRASHES_MAX = 2;

/**
 * How many deaths of workers fail a job for good. Equal to the number of attempts, so that a job does not fail if an operator
 * kills a worker once or twice.
 */
const LOSSES_MAX = ATTEMPTS_MAX;

/**
 * Reads the output in a job's row. Before the first failure, the output is empty. If pg-boss ended the job at a time limit,
 * pg-boss wrote the output.
 */
export function readRecord(output: unknown): JobRecord {
  const { message, crashes, losses, suspect } = (output ?? {}) as Record<string, unknown>;
  return {
    ...(typeof message === 'string' && { message }),
    crashes: readCount(crashes),
    losses: readCount(losses),
    suspect: suspect === true,
  };
}

function readCount(value: unknown): number {
  return Number.isSafeInteger(value) ? (value as number) : 0;
}

/** Returns the reason why a job must not run again, as a sentence for the pipeline. Returns undefined if the job may run. */
export function findEndCause({ crashes, losses, message }: JobRecord): string | undefined {
  if (crashes >= CRASHES_MAX) return message ?? `a process of this step died ${crashes} times`;
  if (losses >= LOSSES_MAX) return `the worker process died ${losses} times while it ran this step and nothing else`;
  return undefined;
}
