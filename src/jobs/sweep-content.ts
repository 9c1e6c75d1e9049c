// The sweeper. It deletes unused layers and artifacts, content that no row uses and that was untouched for a day, abandoned
// uploads, expired replays, and old audit events.
import { expireAuditEvents } from '../catalog/audit-events.ts';
import { expireReplays } from '../catalog/replays.ts';
import type { Config } from '../config/config.ts';
import type { ContentInfo, ContentStore } from '../content/content.ts';
import { findUnusedContent, lockForSweep } from '../content/content-uses.ts';
import { inTransaction } from '../db/database.ts';
import type { JobContext } from '../db/queue-worker.ts';
import { expireBuilt } from '../pipelines/built.ts';
import { expireUploads } from '../registry/uploads.ts';
import type { WorkerResources } from './worker-resources.ts';

/**
 * Content that was touched within this time is kept, because an upload or build records its uses of content only at its end.
 */
const UNTOUCHED_MS = 24 * 60 * 60_000;

/**
 * How many contents one transaction checks and deletes. The number is small, because transactions that record uses of content
 * wait for it.
 */
const BATCH_COUNT = 500;

type SweepResources = Pick<WorkerResources, 'content' | 'db' | 'log'> & { config: Pick<Config, 'auditDays'> };

export async function sweepContent(
  resources: SweepResources,
  _payload: Record<string, never>,
  context: JobContext,
): Promise<void> {
  const { config, content, db, log } = resources;
  // Read from this machine's clock, because the times of the files come from the same clock.
  const before = new Date(Date.now() - UNTOUCHED_MS);
  await expireUploads(db);
  await inTransaction(db, expireReplays);
  while (await inTransaction(db, expireBuilt)) context.signal.throwIfAborted();
  await expireAuditEvents(db, config.auditDays, context.signal);
  await content.uploads.expire(before);
  let count = 0;
  let bytes = 0;
  for await (const batch of untouched(content, before)) {
    context.signal.throwIfAborted();
    const deleted = await deleteUnused(resources, batch, before);
    count += deleted.length;
    bytes += deleted.reduce((sum, one) => sum + one.size, 0);
  }
  if (count > 0) log.info({ contents: count, bytes }, 'unused content deleted');
}

async function* untouched(content: ContentStore, before: Date): AsyncGenerator<ContentInfo[]> {
  let batch: ContentInfo[] = [];
  for await (const info of content.list()) {
    if (info.touchedAt < before) batch.push(info);
    if (batch.length < BATCH_COUNT) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function deleteUnused(
  { db, content }: SweepResources,
  batch: ContentInfo[],
  before: Date,
): Promise<ContentInfo[]> {
  return await inTransaction(db, async (tx) => {
    await lockForSweep(tx);
    const unused = new Set(
      await findUnusedContent(
        tx,
        batch.map((one) => one.digest),
      ),
    );
    const deleted = batch.filter((one) => unused.has(one.digest));
    for (const { digest } of deleted) await content.delete(digest, { untouchedSince: before });
    return deleted;
  });
}
