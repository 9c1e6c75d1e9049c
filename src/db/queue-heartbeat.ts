// Sends heartbeats for the jobs of this worker, and gives back the jobs of other workers whose heartbeats have stopped.
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { giveBackLost, LOST_AFTER_SECONDS, type TakenJob, touchJobs } from './queue-rows.ts';

/**
 * The pause between two heartbeats of a worker. With each heartbeat, the worker also searches for jobs whose heartbeats have
 * stopped.
 */
const BEAT_MS = 1_500;

export type HeldJob = {
  job: TakenJob;
  abort: AbortController;
  /** True if another worker has taken over the job. Then this worker must not write to the job any more. */
  lost: boolean;
};

export type BeatOptions = {
  held: ReadonlySet<HeldJob>;
  onError: (error: unknown) => void;
  signal: AbortSignal;
};

/**
 * Sends heartbeats, and gives back jobs whose heartbeats have stopped, until the signal is aborted. After a failure of the
 * database, gives no job back for LOST_AFTER_SECONDS. Other workers had the same failure, and must first be able to send
 * heartbeats.
 */
export async function keepBeating(pool: pg.Pool, { held, onError, signal }: BeatOptions): Promise<void> {
  let othersMayBeatUntil = 0;
  while (!signal.aborted) {
    try {
      await touch(pool, held);
      if (performance.now() >= othersMayBeatUntil) await giveBackLost(pool);
    } catch (error) {
      onError(error);
      othersMayBeatUntil = performance.now() + LOST_AFTER_SECONDS * 1000;
    }
    await delay(BEAT_MS, undefined, { signal }).catch(() => {});
  }
}

/**
 * Sends the heartbeats. If another worker took over a job while this process was suspended, aborts the job's handler and
 * ignores its result.
 */
async function touch(pool: pg.Pool, held: ReadonlySet<HeldJob>): Promise<void> {
  const jobs = [...held];
  if (jobs.length === 0) return;
  const ours = await touchJobs(
    pool,
    jobs.map(({ job }) => job),
  );
  for (const one of jobs) {
    if (ours.has(one.job.id) || !held.has(one)) continue;
    one.lost = true;
    one.abort.abort(new Error('Another worker took the job over'));
  }
}
