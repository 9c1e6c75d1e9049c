// Release failures: from which pipeline a failure is read, which fields it has, and who can see it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf, nobody, openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import type { PhaseType } from '../contract/vocabulary.ts';
import { failPhase, startPhase } from '../pipelines/phases.ts';
import type { Principal } from './principal.ts';
import { getReleaseFailure } from './release-failures.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
}, 60_000);
afterAll(() => catalog.drop());

const failureOf = (product_key: string, changes: object = {}, principal: Principal = catalog.acme.principal) =>
  getReleaseFailure(catalog.db, principal, {
    ...{ catalog_id: catalog.acme.catalog_id, product_key, base_image_id: catalog.base },
    ...{ branch: product_key === 'redis' ? '7.0' : '1.22', packaging_type: 'CONTAINER_IMAGE' as const },
    ...changes,
  });

async function fail(pipeline_id: string, cause: 'BUILD_ERROR' | 'DISTRIBUTION_ERROR'): Promise<void> {
  const phase: PhaseType = 'PACKAGING';
  const files = [{ digest: digestOf('log'), size: 9, mime_type: 'build_log', filename: 'build.log' }];
  await catalog.write((tx) => startPhase(tx, { pipeline_id, phase }));
  await catalog.write((tx) => failPhase(tx, { pipeline_id, phase, cause, message: 'no space left', files }));
}

test('a release failure is that of the newest pipeline that ended, until a release is made', async () => {
  const { application_ids } = await catalog.request(catalog.acme, ['redis']);
  const application = application_ids[0] ?? '';
  await expect(failureOf('redis')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await fail(await catalog.openPipeline(application), 'BUILD_ERROR');
  expect(await failureOf('redis')).toEqual({
    description: 'no space left',
    source_url: `/v1/catalogs/${catalog.acme.catalog_id}/files/${digestOf('log').slice(7)}?filename=build.log`,
    error_date: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/),
    cause: 'BUILD_ERROR',
  });
  await catalog.baseMoves('second');
  expect(await failureOf('redis')).toMatchObject({ cause: 'BUILD_ERROR' });
  await catalog.finish(await catalog.openPipeline(application));
  await expect(failureOf('redis')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a failed distribution has the cause UNKNOWN instead of DISTRIBUTION_ERROR', async () => {
  const { application_ids } = await catalog.request(catalog.acme, ['nginx']);
  await fail(await catalog.openPipeline(application_ids[0] ?? ''), 'DISTRIBUTION_ERROR');
  const told = { description: 'Distribution failed: no space left', cause: 'UNKNOWN' };
  expect(await failureOf('nginx')).toMatchObject(told);
});

test('a release failure is returned only for its releasable', async () => {
  expect(await failureOf('nginx')).toBeDefined();
  for (const other of [
    { branch: '1.23' },
    { product_key: 'postgresql' },
    { packaging_type: 'HELM_CHART' as const },
    { base_image_id: catalog.baseTrixie },
    { catalog_id: catalog.rival.catalog_id },
  ]) {
    await expect(failureOf('nginx', other)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  }
  await expect(failureOf('nginx', {}, catalog.rival.principal)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(failureOf('nginx', { base_image_id: nobody() })).rejects.toMatchObject({
    code: 'INVALID',
    violations: [expect.objectContaining({ field: 'base_image_id' })],
  });
});
