// Writes plans to content and reads them, and lists the contents that a plan needs.
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import type { ContentStore } from '../content/content.ts';
import type { Digest } from '../contract/vocabulary.ts';
import { packagingOf } from '../packaging/packagings.ts';
import { canonicalJson } from '../plan/canonical-json.ts';
import { type Plan, readStoredPlan } from '../plan/plan.ts';

/** Stores a plan and returns its digest. Equal plans have equal digests. */
export async function writePlan(content: ContentStore, plan: Plan): Promise<Digest> {
  const { digest } = await content.put(Readable.from([Buffer.from(canonicalJson(plan))]));
  return digest;
}

/** Reads a plan that `writePlan` stored. Throws StoredValueError. */
export async function readPlan(content: ContentStore, digest: Digest): Promise<Plan> {
  return readStoredPlan(await json(await content.open(digest)), digest);
}

/** Returns a stored plan that can be built. Returns undefined if the plan or content that it names is missing. */
export async function findKeptPlan(content: ContentStore, digest: Digest): Promise<Plan | undefined> {
  const plan = await findPlan(content, digest);
  return plan && (await isHeld(content, packagingOf(plan).contents(plan))) ? plan : undefined;
}

/**
 * Like `findKeptPlan`, but also returns the plan if content of its customizations is missing, because the customizations are
 * planned again.
 */
export async function findKeptProductPlan(content: ContentStore, digest: Digest): Promise<Plan | undefined> {
  const plan = await findPlan(content, digest);
  return plan && (await isHeld(content, packagingOf(plan).contents({ ...plan, customizations: [] })))
    ? plan
    : undefined;
}

/** Returns a stored plan without checking the content that it names. Returns undefined if the plan is missing. */
export async function findPlan(content: ContentStore, digest: Digest): Promise<Plan | undefined> {
  return (await content.touch(digest)) ? await readPlan(content, digest) : undefined;
}

/**
 * Returns the digests whose content is missing. Touches the other contents, so that the sweeper (sweep-content.ts) does not
 * delete them before their use is recorded.
 */
export async function listMissing(content: ContentStore, digests: readonly Digest[]): Promise<Digest[]> {
  const missing: Digest[] = [];
  for (const digest of new Set(digests)) if (!(await content.touch(digest))) missing.push(digest);
  return missing;
}

async function isHeld(content: ContentStore, digests: readonly Digest[]): Promise<boolean> {
  return (await listMissing(content, digests)).length === 0;
}
