// Checks of base images in the queue. For each cause, at most one check of a base image waits.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { enqueueBaseImageCheck, enqueueBaseImageChecks } from './base-image-check-jobs.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
});
afterAll(() => catalog.drop());

test('a requested check is enqueued once, in addition to a waiting check after new credentials', async () => {
  const { principal, registry_id } = catalog.acme;
  const { organization_id } = principal;
  const made = await catalog.pool.query<{ id: string }>(
    `insert into base_images (organization_id, registry_id, operating_system_id, source, name, key, container_image)
    select $1, $2, id, 'REGISTRY', 'golden', 'golden', 'golden:1' from operating_systems limit 1 returning id`,
    [organization_id, registry_id],
  );
  const id = made.rows[0]?.id ?? '';
  for (let count = 0; count < 2; count++) {
    await catalog.write((tx) => enqueueBaseImageChecks(tx, { id: registry_id, organization_id }));
    await catalog.write((tx) => enqueueBaseImageCheck(tx, { id, organization_id }));
  }
  const { rows } = await catalog.pool.query(
    `select data -> 'payload' as payload from queue.job where data -> 'payload' ->> 'base_image_id' = $1 order by created_on`,
    [id],
  );
  const payloads = rows.map(({ payload }) => payload);
  expect(payloads).toEqual([{ base_image_id: id }, { base_image_id: id, requested: true }]);
});
