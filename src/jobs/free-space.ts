// Measures the free space of the disks to which jobs write. Jobs wait while space is low. A step that failed because a disk
// was full is postponed.
import { statfs } from 'node:fs/promises';
import { FREE_SHARE_MIN } from '../content/content.ts';
import { outOfSpaceCode, saysOutOfSpace } from '../content/out-of-space.ts';
import { JobPostponed } from '../db/queue-worker.ts';
import type { WorkerResources } from './worker-resources.ts';

const SPACE_WAIT_SECONDS = 60;

/**
 * The pause between two measurements during a step. A disk that fills at full speed needs about a second from the limit to
 * full. So a measurement finds the disk nearly full before that.
 */
const MEASURE_INTERVAL_MS = 250;

type Disks = Pick<WorkerResources, 'content'> & { workspace?: { directory?: string } };

/** Throws JobPostponed while a disk is nearly full. */
export async function waitForSpace(disks: Disks): Promise<void> {
  const shares = await freeShares(disks);
  for (const [name, share] of Object.entries(shares)) {
    if (share === undefined || share >= FREE_SHARE_MIN) continue;
    // Rounds down. Otherwise a share just below the limit would be shown as equal to the limit.
    const percent = Math.floor(share * 1000) / 10;
    throw new JobPostponed(
      SPACE_WAIT_SECONDS,
      `the ${name}'s disk has ${percent} % left; builds wait until it has 5 %`,
    );
  }
}

/**
 * Runs a step that writes to the disks. Throws JobPostponed if the system reported a full disk. Also throws it if a program
 * of the step reported a full disk while a disk was nearly full.
 */
export async function withSpace<T>(disks: Disks, act: () => Promise<T>): Promise<T> {
  const watch = watchSpace(disks);
  try {
    return await act();
  } catch (error) {
    throw (await watch.explains(error)) ? postponedForSpace(error) : error;
  } finally {
    watch.stop();
  }
}

/**
 * Replaces an error that a full disk caused by JobPostponed. Returns any other error unchanged. The queue does not count a
 * postponed attempt.
 */
export function postponedForSpace(error: unknown): unknown {
  if (error instanceof JobPostponed) return error;
  const code = outOfSpaceCode(error) ?? 'ENOSPC';
  return new JobPostponed(
    SPACE_WAIT_SECONDS,
    `a disk was full during this step (${code}); the job waits until there is space`,
  );
}

function watchSpace(disks: Disks): { explains(error: unknown): Promise<boolean>; stop(): void } {
  let low = false;
  const measure = async () => {
    const shares = Object.values(await freeShares(disks));
    low ||= shares.some((share) => share !== undefined && share < FREE_SHARE_MIN);
  };
  const timer = setInterval(() => void measure(), MEASURE_INTERVAL_MS);
  return {
    async explains(error) {
      if (outOfSpaceCode(error) !== undefined) return true;
      if (!saysOutOfSpace(error)) return false;
      await measure();
      return low;
    },
    stop: () => clearInterval(timer),
  };
}

async function freeShares({ content, workspace }: Disks): Promise<Record<string, number | undefined>> {
  // If the free space of a disk cannot be measured, jobs do not wait. If the disk has a fault, the step fails with its own
  // error.
  const store = await content.freeShare().catch(() => undefined);
  const work = workspace?.directory === undefined ? undefined : await shareOf(workspace.directory);
  return { 'content store': store, 'work folder': work };
}

async function shareOf(directory: string): Promise<number | undefined> {
  const found = await statfs(directory).catch(() => undefined);
  return found && found.bavail / (found.blocks - found.bfree + found.bavail);
}
