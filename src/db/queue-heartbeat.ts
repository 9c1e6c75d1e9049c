// Says that a worker's jobs live, and gives back the jobs of workers that say so no more.
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { giveBackLost, LOST_AFTER_SECONDS, type TakenJob, touchJobs } from './queue-rows.ts';

/** How often a worker says that its jobs live, and looks for jobs whose worker does not. */
const BEAT_MS = 1_500;

export type HeldJob = {
  job: TakenJob;
  abort: AbortController;
  /** Another worker has it: this one may not say anything about it any more. */
  lost: boolean;
};

export type BeatOptions = {
  held: ReadonlySet<HeldJob>;
  onError: (error: unknown) => void;
  signal: AbortSignal;
};

/** Beats until the signal is aborted. After a failure of the database other workers get time to beat: they had the same failure. */
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

/** A job that is no longer ours was taken over while this process stood still: its handler is aborted and its end ignored. */
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
