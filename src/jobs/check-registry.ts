// Checks registries: one registry on request, and on schedule all registries that are due.
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
import { checkRegistry as findFault } from '../oci/remote/registry-check.ts';
import { probeRegistry } from '../oci/remote/registry-probe.ts';
import { expireDistribution, findExpiredDistributions } from '../pipelines/distributions.ts';
import type { Resources } from '../resources.ts';
import { credentialsOf, repositoryIn, splitRegistryUrl } from './registry-target.ts';

type CheckResources = Pick<Resources, 'db' | 'egress' | 'identity' | 'log'>;

/**
 * How many checks one run of the schedule makes at a time. The number is small, so that registries that do not answer leave
 * most of the worker to other jobs.
 */
const CHECKS_MAX = 4;
/**
 * How many checks of one organization's registries run at a time, so that its unreachable registries do not delay the checks
 * of other organizations.
 */
const CHECKS_PER_ORGANIZATION_MAX = 2;
/**
 * A run stops after this time. It is shorter than the interval of the schedule, so that runs do not overlap. The next run
 * checks the remaining registries.
 */
const RUN_MS_MAX = 240_000;
/**
 * If another check of the registry is running, a requested check is tried again after this time. It must still run, because
 * the running check may have started before the user changed the credentials.
 */
const BUSY_SECONDS = 2;
/**
 * The name of a repository below the registry's path. A check begins an upload to it and cancels the upload, so the
 * repository is never created.
 */
const CHECK_REPOSITORY = 'larder-check';

/** Checks one registry and records the result. */
export async function checkRegistry(
  resources: CheckResources,
  { registry_id }: { registry_id: string },
): Promise<void> {
  const claimed = await inTransaction(resources.db, (tx) => claimRegistryCheck(tx, registry_id));
  if (claimed === 'BUSY') throw new JobPostponed(BUSY_SECONDS, 'the registry is being checked');
  if (claimed) await checkAndRecord(resources, claimed);
}

/**
 * Checks all registries that are due, enqueues checks of base images that are due, and ends distributions that waited too long
 * for a registry.
 */
export async function checkRegistries(
  resources: CheckResources,
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
  const end = performance.now() + RUN_MS_MAX;
  const claim = openFairClaims(resources);
  async function checkNext(): Promise<void> {
    while (!signal.aborted && performance.now() < end) {
      const claimed = await claim();
      if (!claimed) return;
      await checkAndRecord(resources, claimed.registry).finally(claimed.release);
    }
  }
  await Promise.all(Array.from({ length: CHECKS_MAX }, checkNext));
}

type FairClaim = { registry: CheckedRegistry; release: () => void };

/**
 * Returns a function that claims a registry that is due. Skips organizations whose running checks have reached
 * CHECKS_PER_ORGANIZATION_MAX. The function returns undefined if there is no such registry.
 */
function openFairClaims({ db }: Pick<CheckResources, 'db'>): () => Promise<FairClaim | undefined> {
  const running = new Map<string, number>();
  let last: Promise<unknown> = Promise.resolve();
  async function claim(): Promise<FairClaim | undefined> {
    const busy = [...running].filter(([, count]) => count >= CHECKS_PER_ORGANIZATION_MAX).map(([id]) => id);
    const [registry] = await inTransaction(db, (tx) => claimDueRegistryChecks(tx, 1, busy));
    if (!registry) return undefined;
    const { organization_id } = registry;
    const add = (count: number) => running.set(organization_id, (running.get(organization_id) ?? 0) + count);
    add(1);
    return { registry, release: () => void add(-1) };
  }
  return async () => {
    const claimed = last.then(claim);
    last = claimed.catch(() => {});
    return await claimed;
  };
}

async function checkAndRecord(resources: CheckResources, registry: CheckedRegistry): Promise<void> {
  const { db, egress, identity, log } = resources;
  const connection = {
    url: splitRegistryUrl(registry.url).origin,
    egress,
    ...credentialsOf(registry, { identity, egress }),
  };
  const mayPush = registry.is_pushed_to && rulesOf(registry.provider).may_try_pushes;
  const repository = repositoryIn(registry.url, CHECK_REPOSITORY);
  const cause = await findFault({ ...connection, ...(mayPush && { pushTo: repository }) });
  if (cause === undefined && mayPush && registry.is_unprobed) {
    const capabilities = await probeRegistry({ ...connection, repository });
    await inTransaction(db, (tx) => recordRegistryCapabilities(tx, { registry_id: registry.id, capabilities }));
    log.info({ registry_id: registry.id, ...capabilities }, 'registry capabilities detected');
  }
  if (cause !== undefined) log.info({ registry_id: registry.id, cause }, 'a registry is unhealthy');
  const health = { registry_id: registry.id, ...(cause !== undefined && { unhealthy_cause: cause }) };
  await inTransaction(db, (tx) => recordRegistryHealth(tx, health));
}
