// Retries with exponential waits and jitter. A wait is at least as long as the registry asks for. Permanent errors are not
// retried.
import { setTimeout as wait } from 'node:timers/promises';
import { RegistryError } from '../errors.ts';

export type RetryPolicy = {
  /** The most tries without progress between them, including the first try. */
  tries: number;
  /** The first wait in milliseconds. Each further wait is twice as long. */
  firstWaitMs: number;
};

/**
 * The waits between six tries take about 6 s together. This is enough for the restart or failover of a registry. After longer
 * outages, the job queue retries.
 */
export const DEFAULT_RETRY: RetryPolicy = { tries: 6, firstWaitMs: 200 };
const WAIT_MS_MAX = 10_000;
/**
 * If the registry asks for a longer wait than this, the error is thrown. The job queue then waits, and the worker is free for
 * other jobs.
 */
const RETRY_AFTER_MS_MAX = 60_000;

export type RetryOptions = { policy: RetryPolicy; signal?: AbortSignal };

/**
 * Returns the state of the retries of one operation. `pause` waits until the next try. It throws the error if the error is
 * permanent, or if `tries` tries without progress have failed. Received bytes are progress.
 */
export function startRetry({ policy, signal }: RetryOptions): {
  pause(error: unknown, progress: number): Promise<void>;
} {
  let failed = 0;
  let reached = 0;
  return {
    async pause(error, progress) {
      failed = progress > reached ? 1 : failed + 1;
      reached = Math.max(reached, progress);
      const ms = pauseAfter(error, failed, policy);
      if (ms === undefined || signal?.aborted) {
        throw error;
      }
      await wait(ms, undefined, signal === undefined ? {} : { signal });
    },
  };
}

/** Calls `attempt` until it succeeds. Throws the last error if the error is permanent or no try is left. */
export async function retrying<Answer>(
  attempt: () => Promise<Answer>,
  options: RetryOptions & { progress?: () => number },
): Promise<Answer> {
  const retry = startRetry(options);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      await retry.pause(error, options.progress?.() ?? 0);
    }
  }
}

/** Returns the milliseconds until the next try. Returns undefined if there is no next try. */
function pauseAfter(error: unknown, failed: number, policy: RetryPolicy): number | undefined {
  if (!(error instanceof RegistryError) || !error.temporary || failed >= policy.tries) {
    return undefined;
  }
  const asked = error.retryAfterMs ?? 0;
  if (asked > RETRY_AFTER_MS_MAX) {
    return undefined;
  }
  const most = Math.min(WAIT_MS_MAX, policy.firstWaitMs * 2 ** (failed - 1));
  // Half of the wait is random, so that clients that failed at the same time do not retry at the same time.
  return Math.max(asked, most / 2 + (Math.random() * most) / 2);
}
