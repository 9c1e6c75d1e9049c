// Revisions are counted for each repository and version, over all registries. No revision is given twice, even to concurrent
// calls.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { createRegistry } from '../catalog/registries.ts';
import { reserveRevision } from './revisions.ts';

let catalog: TestCatalog;
let first = '';
let second = '';
let other = '';

beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
  const { application_ids } = await catalog.request(catalog.acme, ['redis', 'nginx']);
  first = await catalog.openPipeline(application_ids[0] ?? '');
  second = await catalog.openPipeline(application_ids[1] ?? '');
  const made = await catalog.write((tx) =>
    createRegistry(
      tx,
      catalog.acme.principal,
      { name: 'other', description: '', provider: 'OCI', url: 'https://other.example', access_secret: 's' },
      { seal: () => Buffer.from('sealed') },
    ),
  );
  other = made.id;
});
afterAll(() => catalog.drop());

const reserve = (pipeline_id: string, registries: string[], options: { version?: string; above?: number } = {}) =>
  catalog.write((tx) =>
    reserveRevision(tx, {
      pipeline_id,
      version: options.version ?? '1.0',
      repositories: registries.map((registry_id) => ({ registry_id, repository: 'containers/debian-12/shared' })),
      ...(options.above !== undefined && { above: options.above }),
    }),
  );

describe('a revision', () => {
  test('starts at 0, is given to one pipeline, and is the same for a second call', async () => {
    expect(await reserve(first, [catalog.acme.registry_id])).toBe(0);
    expect(await reserve(first, [catalog.acme.registry_id])).toBe(0);
    expect(await reserve(second, [catalog.acme.registry_id])).toBe(1);
  });

  test('is higher than one that turned out to be taken', async () => {
    expect(await reserve(first, [catalog.acme.registry_id], { above: 4 })).toBe(5);
    expect(await reserve(first, [catalog.acme.registry_id], { above: 4 })).toBe(5);
  });

  test('is free in every registry of the pipeline', async () => {
    await catalog.pool.query('update pipelines set revision = null');
    expect(await reserve(second, [other, catalog.acme.registry_id])).toBe(6);
    await catalog.pool.query('update pipelines set revision = null');
    expect(await reserve(first, [other])).toBe(7);
    expect(await reserve(second, [other], { version: '1.1' })).toBe(0);
  });

  test('is never given to two concurrent pipelines, in any order of the registries', async () => {
    await catalog.pool.query('update pipelines set revision = null');
    const given = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const pipeline = index % 2 === 0 ? first : second;
        const registries = [catalog.acme.registry_id, other];
        return await reserve(pipeline, index % 4 < 2 ? registries : registries.reverse());
      }),
    );
    expect(new Set(given).size).toBe(2);
  });

  test('is not given to a pipeline that has ended', async () => {
    await catalog.pool.query(`update pipelines set status = 'CANCELLED' where id = $1`, [first]);
    expect(await reserve(first, [other])).toBeUndefined();
  });
});
