// Which slots of a worker are free, and for whom: builds have theirs, tasks that talk to outside servers have others.
import type { JobData } from './queue.ts';
import { OUTSIDE_TASKS } from './queue-tasks.ts';

export type SlotKind = 'INSIDE' | 'OUTSIDE';

/**
 * Jobs of outside tasks at a time in one worker, beside its builds. They mostly wait: 8 of them copy within one core and some
 * hundred MB of memory. Fewer would let two organizations with silent servers keep the others waiting.
 */
export const OUTSIDE_SLOTS = 8;

/**
 * An outside job may hold a worker for hours. While a job waits that has to run alone, one that has run for this time is given
 * back. Most looks at a registry and most messages are done within 20 s.
 */
export const GIVE_WAY_MS = 60_000;

/** Shared base images and the schedule's jobs belong to no organization; together they are held to the share of one. */
const NO_GROUP = '';

type SlotJob = { data: JobData; groupId: string | null };

export function slotKindOf({ data }: Pick<SlotJob, 'data'>): SlotKind {
  return OUTSIDE_TASKS.has(data.task) ? 'OUTSIDE' : 'INSIDE';
}

/** The kinds of slots of which some are free. */
export function findFreeKinds(jobs: readonly SlotJob[], concurrency: number): SlotKind[] {
  const kinds: SlotKind[] = ['INSIDE', 'OUTSIDE'];
  return kinds.filter((kind) => ofKind(jobs, kind).length < slotsOf(kind, concurrency));
}

/** The groups that have their half of the slots of a kind. */
export function findGroupsAtShare(kind: SlotKind, jobs: readonly SlotJob[], concurrency: number): string[] {
  const share = Math.ceil(slotsOf(kind, concurrency) / 2);
  const counts = new Map<string, number>();
  for (const { groupId } of ofKind(jobs, kind)) {
    const group = groupId ?? (kind === 'OUTSIDE' ? NO_GROUP : undefined);
    if (group !== undefined) counts.set(group, (counts.get(group) ?? 0) + 1);
  }
  return [...counts].filter(([, count]) => count >= share).map(([group]) => group);
}

function slotsOf(kind: SlotKind, concurrency: number): number {
  return kind === 'OUTSIDE' ? OUTSIDE_SLOTS : concurrency;
}

function ofKind(jobs: readonly SlotJob[], kind: SlotKind): SlotJob[] {
  return jobs.filter((job) => slotKindOf(job) === kind);
}
