// Retries with exponential waits and jitter. A wait is at least as long as the registry asks for; permanent errors are not retried.
import { setTimeout as wait } from 'node:timers/promises';
import { RegistryError } from '../errors.ts';

export type RetryPolicy = {
  /** Limit of tries without progress in between, including the first try. */
  tries: number;
  /** The first wait, in milliseconds; each further wait is twice as long. */
  firstWaitMs: number;
};

/** Six tries wait some 6 s in total: enough for a registry's restart or a failover. Longer outages are left to the job queue. */
export const DEFAULT_RETRY: RetryPolicy = { tries: 6, firstWaitMs: 200 };
const WAIT_MS_MAX = 10_000;
/** If the registry asks for a longer wait than this, the error is thrown: the job queue waits without occupying a worker. */
const RETRY_AFTER_MS_MAX = 60_000;

export type RetryOptions = { policy: RetryPolicy; signal?: AbortSignal };

/**
 * Returns the state of one operation's retries. `pause` waits until the next try. It throws the error if the error is permanent, or if this
 * was the last of `tries` without progress (such as received bytes).
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

/** Calls `attempt` until it succeeds or a retry cannot help. Throws the last error. */
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

/** Returns the milliseconds until the next try; undefined if there is none. */
function pauseAfter(error: unknown, failed: number, policy: RetryPolicy): number | undefined {
  if (!(error instanceof RegistryError) || !error.temporary || failed >= policy.tries) {
    return undefined;
  }
  const asked = error.retryAfterMs ?? 0;
  if (asked > RETRY_AFTER_MS_MAX) {
    return undefined;
  }
  const most = Math.min(WAIT_MS_MAX, policy.firstWaitMs * 2 ** (failed - 1));
  // Half of the wait is random, so that clients whose requests failed at the same time do not retry at the same time.
  return Math.max(asked, most / 2 + (Math.random() * most) / 2);
}
