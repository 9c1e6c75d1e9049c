// Checks registries: one on request, and on schedule those that are due.
import {
  type CheckedRegistry,
  claimDueRegistryChecks,
  claimRegistryCheck,
  enqueueDueBaseImages,
  followOperatingSystems,
  recordRegistryCapabilities,
  recordRegistryHealth,
} from '../catalog/registry-checks.ts';
import { rulesOf } from '../contract/registry-providers.ts';
import { inTransaction } from '../db/database.ts';
import { type JobContext, JobPostponed } from '../db/queue-worker.ts';
import { checkRegistry as look } from '../oci/remote/registry-check.ts';
import { probeRegistry } from '../oci/remote/registry-probe.ts';
import { expireDistribution, findExpiredDistributions } from '../pipelines/distributions.ts';
import type { Resources } from '../resources.ts';
import { credentialsOf, repositoryIn, splitRegistryUrl } from './registry-target.ts';

type Looking = Pick<Resources, 'db' | 'egress' | 'identity' | 'log'>;

/** Checks at a time in one run: a hundred registries that do not answer use no more of a worker than this. */
const LOOKS_AT_ONCE = 4;
/** Checks at a time for one organization, so that its unreachable registries do not delay checks of others. */
const LOOKS_OF_ONE_ORGANIZATION = 2;
/** Shorter than the interval of the schedule: runs do not overlap, and the next run checks the remaining registries. */
const TURN_MS_MAX = 240_000;
/** The check in progress may have started before the credentials changed, so the requested check follows it. */
const BUSY_SECONDS = 2;
/** Below the registry's path; a push is started there and cancelled, so the repository is never created. */
const TRIED_REPOSITORY = 'larder-check';

/** Checks one registry and records the result. */
export async function checkRegistry(resources: Looking, { registry_id }: { registry_id: string }): Promise<void> {
  const claimed = await inTransaction(resources.db, (tx) => claimRegistryCheck(tx, registry_id));
  if (claimed === 'BUSY') throw new JobPostponed(BUSY_SECONDS, 'the registry is being checked');
  if (claimed) await lookAndRecord(resources, claimed);
}

/** Checks all registries that are due, and enqueues checks of base images. */
export async function checkRegistries(
  resources: Looking,
  _payload: Record<string, never>,
  { signal }: Pick<JobContext, 'signal'>,
): Promise<void> {
  await inTransaction(resources.db, async (tx) => {
    await followOperatingSystems(tx);
    await enqueueDueBaseImages(tx);
  });
  for (const id of await inTransaction(resources.db, findExpiredDistributions)) {
    await inTransaction(resources.db, (tx) => expireDistribution(tx, id));
  }
  const end = performance.now() + TURN_MS_MAX;
  const claim = openFairClaims(resources);
  async function looker(): Promise<void> {
    while (!signal.aborted && performance.now() < end) {
      const claimed = await claim();
      if (!claimed) return;
      await lookAndRecord(resources, claimed.registry).finally(claimed.release);
    }
  }
  await Promise.all(Array.from({ length: LOOKS_AT_ONCE }, looker));
}

type FairClaim = { registry: CheckedRegistry; release: () => void };

/** Claims registries one after the other, skipping organizations at their limit of checks. */
function openFairClaims({ db }: Pick<Looking, 'db'>): () => Promise<FairClaim | undefined> {
  const looking = new Map<string, number>();
  let last: Promise<unknown> = Promise.resolve();
  async function claim(): Promise<FairClaim | undefined> {
    const busy = [...looking].filter(([, count]) => count >= LOOKS_OF_ONE_ORGANIZATION).map(([id]) => id);
    const [registry] = await inTransaction(db, (tx) => claimDueRegistryChecks(tx, 1, busy));
    if (!registry) return undefined;
    const { organization_id } = registry;
    const add = (count: number) => looking.set(organization_id, (looking.get(organization_id) ?? 0) + count);
    add(1);
    return { registry, release: () => void add(-1) };
  }
  return async () => {
    const claimed = last.then(claim);
    last = claimed.catch(() => {});
    return await claimed;
  };
}

async function lookAndRecord(resources: Looking, registry: CheckedRegistry): Promise<void> {
  const { db, egress, identity, log } = resources;
  const way = { url: splitRegistryUrl(registry.url).origin, egress, ...credentialsOf(registry, { identity, egress }) };
  const mayTry = registry.is_pushed_to && rulesOf(registry.provider).may_try_pushes;
  const repository = repositoryIn(registry.url, TRIED_REPOSITORY);
  const cause = await look({ ...way, ...(mayTry && { pushTo: repository }) });
  if (cause === undefined && mayTry && registry.is_unprobed) {
    const capabilities = await probeRegistry({ ...way, repository });
    await inTransaction(db, (tx) => recordRegistryCapabilities(tx, { registry_id: registry.id, capabilities }));
    log.info({ registry_id: registry.id, ...capabilities }, 'registry capabilities detected');
  }
  if (cause !== undefined) log.info({ registry_id: registry.id, cause }, 'a registry is unhealthy');
  const health = { registry_id: registry.id, ...(cause !== undefined && { unhealthy_cause: cause }) };
  await inTransaction(db, (tx) => recordRegistryHealth(tx, health));
}
