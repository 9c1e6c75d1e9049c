// The time of a customization's layers. It is the newest time in the archive or, if the inspection has no such time, the time
// of the upload.
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { findCustomizationStack } from './customization-stack.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
});
afterAll(() => catalog.drop());

test('the epoch of a customization is the time of its archive, or of its upload for an old inspection', async () => {
  const { application_ids } = await catalog.request(catalog.acme, ['redis']);
  const pipeline = await catalog.openPipeline(application_ids[0] ?? '');
  await catalog.customize(catalog.acme, 'company CA');
  const keep = (epoch: string) =>
    sql`update customization_versions set inspection = inspection || ${epoch}::jsonb, created_at = '2026-11-28T00:00:01.6Z'`.execute(
      catalog.db,
    );
  const epochOf = async () =>
    (await findCustomizationStack(catalog.db, pipeline)).customizations.map(({ epoch }) => epoch);
  await keep('{}');
  expect(await epochOf()).toEqual([1_795_824_002]);
  await keep('{"epoch": 1700000000}');
  expect(await epochOf()).toEqual([1_700_000_000]);
});
