// What the queue remembers of a job between its runs. pg-boss keeps it in the job's row as its output.
import { ATTEMPTS_MAX } from './queue.ts';

export type JobRecord = {
  /** Why the last run did not end well. */
  message?: string;
  /** How many processes of the job's handler died. */
  crashes: number;
  /** How many workers died while they ran this job and nothing else. */
  losses: number;
  /**
   * True after a worker died while it ran this job, perhaps beside others. A suspect runs alone, so that the next loss
   * says which job it was. It is no longer one when it ends well or is postponed.
   */
  suspect: boolean;
};

/** One crash may be the machine's (memory was short for a moment); a second one is the job's. */
export const CRASHES_MAX = 2;

/** As many as thrown attempts: an operator who kills a worker once or twice never fails a job. */
const LOSSES_MAX = ATTEMPTS_MAX;

/** Reads a row's output, which is empty before the first failure and is pg-boss's own after one of its time limits. */
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

/** Why a job must not be run again, in words for the person who reads the pipeline; undefined while it may. */
export function findVerdict({ crashes, losses, message }: JobRecord): string | undefined {
  if (crashes >= CRASHES_MAX) return message ?? `a process of this step died ${crashes} times`;
  if (losses >= LOSSES_MAX) return `the worker process died ${losses} times while it ran this step and nothing else`;
  return undefined;
}
