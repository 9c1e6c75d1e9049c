// What the queue remembers of a job between its runs. It is stored as the output in the job's row, a column of pg-boss.
import { ATTEMPTS_MAX } from './queue.ts';

export type JobRecord = {
  /** Why the last run failed. */
  message?: string;
  /** How many child processes of the job's handler died. */
  crashes: number;
  /** How many workers died while they ran this job and no other. */
  losses: number;
  /**
   * True after a worker died while it ran this job, perhaps together with others. A suspect runs alone, so that the next death
   * of a worker identifies the job. Becomes false when the job succeeds or is postponed.
   */
  suspect: boolean;
};

/** The machine may have caused a single crash (a short lack of memory). A second crash is attributed to the job. */
export const CRASHES_MAX = 2;

/** Equal to the number of attempts, so that no job fails because an operator kills a worker once or twice. */
const LOSSES_MAX = ATTEMPTS_MAX;

/**
 * Reads the output in a job's row. It is empty before the first failure; if pg-boss ended the job at a time limit, pg-boss
 * wrote it.
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

/** Returns why a job must not run again, as a sentence for the pipeline. Returns undefined if it may run. */
export function findEndCause({ crashes, losses, message }: JobRecord): string | undefined {
  if (crashes >= CRASHES_MAX) return message ?? `a process of this step died ${crashes} times`;
  if (losses >= LOSSES_MAX) return `the worker process died ${losses} times while it ran this step and nothing else`;
  return undefined;
}
