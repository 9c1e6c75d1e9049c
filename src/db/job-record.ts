// What the queue remembers of a job between its runs. pg-boss keeps it in the job's row as its output.

export type JobRecord = {
  /** Why the last run did not end well, for operators who look at the rows. */
  message?: string;
  /** How many processes of the job's handler died. */
  crashes: number;
};

/** Reads a row's output, which is empty before the first failure and is pg-boss's own after one of its time limits. */
export function readRecord(output: unknown): JobRecord {
  const { message, crashes } = (output ?? {}) as Record<string, unknown>;
  return { ...(typeof message === 'string' && { message }), crashes: readCount(crashes) };
}

function readCount(value: unknown): number {
  return Number.isSafeInteger(value) ? (value as number) : 0;
}
