// The slots of a worker: some for builds, others for tasks that talk to outside servers.
import type { JobData } from './queue.ts';
import { OUTSIDE_TASKS } from './queue-tasks.ts';

export type SlotKind = 'INSIDE' | 'OUTSIDE';

/**
 * Concurrent jobs per worker that talk to outside servers, in addition to builds. They mostly wait: 8 of them, while they copy,
 * use one core and some hundred MB of memory. With fewer slots, two organizations with silent servers could block the others.
 */
export const OUTSIDE_SLOTS = 8;

/**
 * Outside jobs (tasks that talk to other servers) may run for hours. If a job must run alone, outside jobs that have run for
 * longer than this are given back. Most checks of a registry and most messages take less than 20 s.
 */
export const GIVE_WAY_MS = 60_000;

/** Shared base images and the schedule's jobs belong to no organization; together they get the share of one. */
const NO_GROUP = '';

type SlotJob = { data: JobData; groupId: string | null };

export function slotKindOf({ data }: Pick<SlotJob, 'data'>): SlotKind {
  return OUTSIDE_TASKS.has(data.task) ? 'OUTSIDE' : 'INSIDE';
}

/** Returns the kinds with a free slot. Outside slots are filled first, because a distribution ends a pipeline and a build may begin one. */
export function findFreeKinds(jobs: readonly SlotJob[], concurrency: number): SlotKind[] {
  const kinds: SlotKind[] = ['OUTSIDE', 'INSIDE'];
  return kinds.filter((kind) => ofKind(jobs, kind).length < slotsOf(kind, concurrency));
}

/** Returns the groups that use their half of the slots of a kind. */
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
