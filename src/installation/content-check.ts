// The functions of the operator's commands for the content folder. They find missing and damaged contents. If the old folder
// is lost, they mark a new folder as the installation's.
import { finished } from 'node:stream/promises';
import { sql } from 'kysely';
import { ContentMismatch } from '../content/content-errors.ts';
import { type ContentNeed, listContentNeeds, type NeedingRelease } from '../content/content-needs.ts';
import { listUsedDigests } from '../content/content-uses.ts';
import { type ContentReader, readDiskContent } from '../content/disk.ts';
import { OPERATOR } from '../db/audit-trail.ts';
import { type Database, inTransaction } from '../db/database.ts';
import type { Digest } from '../oci/descriptor.ts';
import { adoptContentFolder, requireNotForeign } from './content-folder.ts';
import { withOperatorDatabase } from './operator-database.ts';

/** How many digests are checked between two queries. */
const PAGE_COUNT = 1_000;

/** MISSING: the folder does not have the content. DAMAGED: the bytes of the content do not match its digest. */
export type BadContent = ContentNeed & { state: 'MISSING' | 'DAMAGED' };

export type ContentReport = {
  directory: string;
  /** The number of contents that the database knows. */
  known: number;
  bad: BadContent[];
  /** The releases that need any of the missing or damaged contents. */
  releases: NeedingRelease[];
};

/**
 * Checks all contents that the database knows. With `bytes`, reads each content and compares it with its digest. Changes
 * nothing.
 */
export function checkContent({ bytes }: { bytes: boolean }): Promise<ContentReport> {
  return withOperatorDatabase('content check', async (db, { contentDirectory: directory }) => {
    await requireNotForeign(db, directory);
    const store = readDiskContent(directory);
    const bad: BadContent[] = [];
    let known = 0;
    for await (const page of pages(db)) {
      known += page.length;
      const states = new Map<Digest, BadContent['state']>();
      for (const digest of page) {
        const state = await stateOf(store, digest, bytes);
        if (state !== undefined) states.set(digest, state);
      }
      const needs = await listContentNeeds(db, [...states.keys()]);
      for (const need of needs) bad.push({ ...need, state: states.get(need.digest) ?? 'MISSING' });
    }
    const releases = new Map(bad.flatMap((one) => one.releases).map((release) => [release.id, release]));
    return { directory, known, bad, releases: [...releases.values()] };
  });
}

async function* pages(db: Database): AsyncGenerator<Digest[]> {
  let after: Digest | undefined;
  for (;;) {
    const page = await listUsedDigests(db, { count: PAGE_COUNT, ...(after !== undefined && { after }) });
    if (page.length === 0) return;
    yield page;
    after = page.at(-1);
  }
}

async function stateOf(store: ContentReader, digest: Digest, bytes: boolean): Promise<BadContent['state'] | undefined> {
  if ((await store.stat(digest)) === undefined) return 'MISSING';
  if (!bytes) return undefined;
  try {
    // At the end of a complete read, the store compares the bytes with the digest.
    await finished((await store.open(digest)).resume());
    return undefined;
  } catch (error) {
    if (error instanceof ContentMismatch) return 'DAMAGED';
    throw error;
  }
}

/**
 * Marks the configured folder as the content folder of this installation, even if its content is lost. Returns the path of
 * the folder.
 */
export function adoptContent(): Promise<string> {
  return withOperatorDatabase('content adopt', async (db, { contentDirectory }) => {
    await adoptContentFolder(db, contentDirectory);
    await inTransaction(db, async (tx) => {
      await sql`
        insert into audit_events (organization_id, actor_name, action, subject_kind)
        select id, ${OPERATOR}, 'adoptContent', 'installation' from organizations`.execute(tx);
    });
    return contentDirectory;
  });
}
