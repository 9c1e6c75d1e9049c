// The state of a job that the queue keeps between its runs. pg-boss stores it in the job's row as its output.
import { ATTEMPTS_MAX } from './queue.ts';

export type JobRecord = {
  /** The reason why the last run failed. */
  message?: string;
  /** The number of processes of the job's handler that died. */
  crashes: number;
  /** The number of workers that died while they ran only this job. */
  losses: number;
  /**
   * True after a worker died while it ran this job, perhaps with others. A suspect runs alone, so that the next death of a worker
   * identifies the job. It becomes false when the job succeeds or is postponed.
   */
  suspect: boolean;
};

/** One crash may be caused by the machine (a short lack of memory); the second one is attributed to the job. */
export const CRASHES_MAX = 2;

/** Equal to the number of attempts: an operator who kills a worker once or twice makes no job fail. */
const LOSSES_MAX = ATTEMPTS_MAX;

/** Reads the output of a job's row: empty before the first failure, and written by pg-boss after one of its time limits. */
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

/** Returns why a job must not be run again, for the person who reads the pipeline; undefined if it may. */
export function findEndCause({ crashes, losses, message }: JobRecord): string | undefined {
  if (crashes >= CRASHES_MAX) return message ?? `a process of this step died ${crashes} times`;
  if (losses >= LOSSES_MAX) return `the worker process died ${losses} times while it ran this step and nothing else`;
  return undefined;
}
