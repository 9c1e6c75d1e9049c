// The filter of a customization: what it may name, and what must have been released before.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nobody, openTestCatalog, type TestCatalog } from '../../test/catalog.ts';

let house: TestCatalog;
beforeAll(async () => {
  house = await openTestCatalog();
  await house.baseMoves('first');
});
afterAll(() => house.drop());

describe('a refused filter', () => {
  const refusal = (filter: Parameters<TestCatalog['customize']>[2]) =>
    house.customize(house.acme, 'refused', filter).catch((error: unknown) => error);

  test('names what is not there', async () => {
    const foreign = await house.write((tx) =>
      tx
        .insertInto('base_images')
        .values({
          organization_id: house.rival.principal.organization_id,
          name: 'theirs',
          source: 'REGISTRY',
          container_image: 'a:b',
          operating_system_id: tx.selectFrom('operating_systems').select('id').where('key', '=', 'debian-12'),
        })
        .returning('id')
        .executeTakeFirstOrThrow(),
    );
    expect(await refusal({ base_image_id: foreign.id, product_key: 'nothing' })).toMatchObject({
      code: 'INVALID',
      violations: [{ field: 'filter.base_image_id' }, { field: 'filter.product_key' }],
    });
    expect(await refusal({ base_image_id: 'not-a-uuid' })).toMatchObject({ code: 'INVALID' });
    expect(await refusal({ branch: '7.0' })).toMatchObject({ violations: [{ field: 'filter.branch' }] });
    expect(await refusal({ product_key: 'redis', branch: '1' })).toMatchObject({
      violations: [{ field: 'filter.branch' }],
    });
  });

  test('names a product that has no released application yet', async () => {
    expect(await refusal({ product_key: 'postgresql' })).toMatchObject({ code: 'NOT_RELEASED' });
    const { application_ids } = await house.request(house.acme, ['postgresql']);
    expect(await refusal({ product_key: 'postgresql' })).toMatchObject({ code: 'NOT_RELEASED' });
    await house.finish(await house.openPipeline(application_ids[0] ?? ''));
    await expect(house.customize(house.acme, 'pg', { product_key: 'postgresql' })).resolves.toMatch(/-/);
    expect(await refusal({ product_key: 'postgresql', base_image_id: house.baseTrixie })).toMatchObject({
      code: 'NOT_RELEASED',
    });
  });

  test('is of a catalog that is not there', async () => {
    const elsewhere = { ...house.acme, catalog_id: house.rival.catalog_id };
    await expect(house.customize(elsewhere, 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(house.customize({ ...house.acme, catalog_id: nobody() }, 'x')).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});
