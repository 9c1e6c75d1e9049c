// Writes plans to content and reads them, and lists the contents that a plan needs.
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import type { ContentStore } from '../content/content.ts';
import type { Digest } from '../contract/vocabulary.ts';
import { packagingOf } from '../packaging/packagings.ts';
import { canonicalJson } from '../plan/canonical-json.ts';
import { type Plan, readStoredPlan } from '../plan/plan.ts';

/** Puts a plan into content; equal plans are one content. */
export async function writePlan(content: ContentStore, plan: Plan): Promise<Digest> {
  const { digest } = await content.put(Readable.from([Buffer.from(canonicalJson(plan))]));
  return digest;
}

/** Reads what `writePlan` wrote. Throws StoredValueError. */
export async function readPlan(content: ContentStore, digest: Digest): Promise<Plan> {
  return readStoredPlan(await json(await content.open(digest)), digest);
}

/** Returns a stored plan; undefined if it or a content that it names is missing, because then nothing can be built from it. */
export async function findKeptPlan(content: ContentStore, digest: Digest): Promise<Plan | undefined> {
  const plan = await findPlan(content, digest);
  return plan && (await isHeld(content, packagingOf(plan).contents(plan))) ? plan : undefined;
}

/** Like `findKeptPlan`, for a plan whose customizations are planned again: their contents are not needed. */
export async function findKeptProductPlan(content: ContentStore, digest: Digest): Promise<Plan | undefined> {
  const plan = await findPlan(content, digest);
  return plan && (await isHeld(content, packagingOf(plan).contents({ ...plan, customizations: [] })))
    ? plan
    : undefined;
}

/** Returns the plan alone; undefined if it is missing. */
export async function findPlan(content: ContentStore, digest: Digest): Promise<Plan | undefined> {
  return (await content.touch(digest)) ? await readPlan(content, digest) : undefined;
}

/** Lists the missing contents. `touch` keeps the others from being swept before their uses are recorded. */
export async function listMissing(content: ContentStore, digests: readonly Digest[]): Promise<Digest[]> {
  const missing: Digest[] = [];
  for (const digest of new Set(digests)) if (!(await content.touch(digest))) missing.push(digest);
  return missing;
}

async function isHeld(content: ContentStore, digests: readonly Digest[]): Promise<boolean> {
  return (await listMissing(content, digests)).length === 0;
}
