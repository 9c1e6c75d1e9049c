// The slots of a worker. Some are for builds. Others are for outside tasks, which wait for servers outside of Larder.
import type { JobData } from './queue.ts';
import { OUTSIDE_TASKS } from './queue-tasks.ts';

export type SlotKind = 'INSIDE' | 'OUTSIDE';

/**
 * Slots for outside tasks in each worker, in addition to the slots for builds. Outside jobs mostly wait for servers. If all 8
 * copy, they use one core and some hundred MB of memory. With fewer slots, two organizations whose servers do not answer
 * could block all others.
 */
export const OUTSIDE_SLOTS = 8;

/**
 * If a job that must run alone is waiting, outside jobs that have run for longer than this are given back, because they may
 * run for hours. Most checks of registries and most messages end within 20 s, so they are not affected.
 */
export const GIVE_WAY_MS = 60_000;

/**
 * The group of jobs that belong to no organization: builds of shared base images, and jobs of the schedule. This group has
 * the share of one organization.
 */
const NO_GROUP = '';

type SlotJob = { data: JobData; groupId: string | null };

export function slotKindOf({ data }: Pick<SlotJob, 'data'>): SlotKind {
  return OUTSIDE_TASKS.has(data.task) ? 'OUTSIDE' : 'INSIDE';
}

/**
 * Returns the kinds that have a free slot. Outside tasks come first, because a distribution ends a pipeline and a build may
 * begin another one.
 */
export function findFreeKinds(jobs: readonly SlotJob[], concurrency: number): SlotKind[] {
  const kinds: SlotKind[] = ['OUTSIDE', 'INSIDE'];
  return kinds.filter((kind) => ofKind(jobs, kind).length < slotsOf(kind, concurrency));
}

/** Returns the groups that already use half of the slots of this kind. */
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
