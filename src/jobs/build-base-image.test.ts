// Two workers that start together: one builds a base image of Larder's own, the other waits for it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { memoryContent } from '../content/memory.ts';
import { type JobContext, JobPostponed } from '../db/queue-worker.ts';
import { buildBaseImage } from './build-base-image.ts';
import type { WorkerResources } from './worker-resources.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
});
afterAll(() => catalog.drop());

test('each base image is built by one worker at a time, and by the next when that one ended', async () => {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<never>();
  let builds = 0;
  const archives = {
    open: async () => {
      builds += 1;
      begun.resolve();
      return await ended.promise;
    },
  };
  const workspace = { probe: { mode: 'userns' } };
  const { db, pool } = catalog;
  const resources = { db, pool, content: memoryContent(), archives, workspace } as unknown as WorkerResources;
  const context = { signal: new AbortController().signal } as JobContext;
  const build = (base_image_id = catalog.base) => buildBaseImage(resources, { base_image_id }, context);
  const first = build();
  await begun.promise;
  await expect(build()).rejects.toBeInstanceOf(JobPostponed);
  expect(builds).toBe(1);
  const other = build(catalog.baseTrixie);
  other.catch(() => {});
  await expect.poll(() => builds).toBe(2);
  ended.reject(new Error('the archive is away'));
  await expect(first).rejects.toThrow('the archive is away');
  await expect(other).rejects.toThrow('the archive is away');
  await expect(build()).rejects.toThrow('the archive is away');
});
