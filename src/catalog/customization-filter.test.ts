// A customization's filter must name an existing base image, product and branch, and match at least one released application.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nobody, openTestCatalog, type TestCatalog } from '../../test/catalog.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
});
afterAll(() => catalog.drop());

describe('a rejected filter', () => {
  const rejection = (filter: Parameters<TestCatalog['customize']>[2]) =>
    catalog.customize(catalog.acme, 'rejected', filter).catch((error: unknown) => error);

  test('names a base image, product or branch that does not exist', async () => {
    const foreign = await catalog.write((tx) =>
      tx
        .insertInto('base_images')
        .values({
          organization_id: catalog.rival.principal.organization_id,
          name: 'theirs',
          source: 'REGISTRY',
          container_image: 'a:b',
          operating_system_id: tx.selectFrom('operating_systems').select('id').where('key', '=', 'debian-12'),
        })
        .returning('id')
        .executeTakeFirstOrThrow(),
    );
    expect(await rejection({ base_image_id: foreign.id, product_key: 'nothing' })).toMatchObject({
      code: 'INVALID',
      violations: [{ field: 'filter.base_image_id' }, { field: 'filter.product_key' }],
    });
    expect(await rejection({ base_image_id: 'not-a-uuid' })).toMatchObject({ code: 'INVALID' });
    expect(await rejection({ branch: '7.0' })).toMatchObject({ violations: [{ field: 'filter.branch' }] });
    expect(await rejection({ product_key: 'redis', branch: '1' })).toMatchObject({
      violations: [{ field: 'filter.branch' }],
    });
  });

  test('names a product that has no released application yet', async () => {
    expect(await rejection({ product_key: 'postgresql' })).toMatchObject({ code: 'NOT_RELEASED' });
    const { application_ids } = await catalog.request(catalog.acme, ['postgresql']);
    expect(await rejection({ product_key: 'postgresql' })).toMatchObject({ code: 'NOT_RELEASED' });
    await catalog.finish(await catalog.openPipeline(application_ids[0] ?? ''));
    await expect(catalog.customize(catalog.acme, 'pg', { product_key: 'postgresql' })).resolves.toMatch(/-/);
    expect(await rejection({ product_key: 'postgresql', base_image_id: catalog.baseTrixie })).toMatchObject({
      code: 'NOT_RELEASED',
    });
  });

  test('is for a catalog that does not exist', async () => {
    const elsewhere = { ...catalog.acme, catalog_id: catalog.rival.catalog_id };
    await expect(catalog.customize(elsewhere, 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(catalog.customize({ ...catalog.acme, catalog_id: nobody() }, 'x')).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});
