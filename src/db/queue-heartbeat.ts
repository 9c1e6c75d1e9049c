// Heartbeats of a worker's jobs; gives back the jobs of workers whose heartbeats stopped.
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { giveBackLost, LOST_AFTER_SECONDS, type TakenJob, touchJobs } from './queue-rows.ts';

/** How often a worker sends heartbeats for its jobs, and looks for jobs without heartbeats. */
const BEAT_MS = 1_500;

export type HeldJob = {
  job: TakenJob;
  abort: AbortController;
  /** Another worker has the job: this worker must not write to it any more. */
  lost: boolean;
};

export type BeatOptions = {
  held: ReadonlySet<HeldJob>;
  onError: (error: unknown) => void;
  signal: AbortSignal;
};

/**
 * Sends heartbeats until the signal is aborted, and gives back lost jobs; not directly after a failure of the database, so that
 * other workers, which had the same failure, can send their heartbeats first.
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

/** Sends the heartbeats. If another worker took a job over while this process stood still, aborts its handler and ignores its result. */
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
