// Customizations from upload to release: which applications they affect, the order in which they apply, failures, and all
// statuses.
import { Value } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  archive,
  digestOf,
  nobody,
  openTestCatalog,
  type TestCatalog,
  type TestOrganization,
} from '../../test/catalog.ts';
import { CustomizationDetailed, CustomizationDetailedPage } from '../contract/customization.ts';
import { failPhase } from '../pipelines/phases.ts';
import { findPlanInputs } from '../pipelines/plan-inputs.ts';
import { createWave } from '../pipelines/waves.ts';
import { getApplication } from './applications.ts';
import { deleteCustomization, updateCustomization } from './customization-changes.ts';
import { getCustomization, listCustomizations } from './customizations.ts';
import { getFile } from './files.ts';
import { getPipeline } from './pipelines.ts';
import { getRelease, listReleases } from './releases.ts';

const page = { page: 1, page_size: 20, left_out: false };

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
});
afterAll(() => catalog.drop());

/** Rebuilds these applications. Their plans keep all inputs except customizations. */
const rebuild = (application_ids: string[]) =>
  catalog.write((tx) => createWave(tx, { cause: 'REBUILD', application_ids, triggers: MANUAL, keep_pins: true }));
const MANUAL = [{ type: 'MANUAL_RUN' as const }];

const read = (id: string, of: TestOrganization = catalog.acme) =>
  getCustomization(catalog.db, of.principal, { catalog_id: of.catalog_id, customization_id: id });
const status = async (id: string) => (await read(id)).status;
const update = (id: string, text: string) =>
  catalog.write((tx) =>
    updateCustomization(tx, catalog.acme.principal, {
      catalog_id: catalog.acme.catalog_id,
      customization_id: id,
      file: archive(text),
    }),
  );
const remove = (id: string) =>
  catalog.write((tx) =>
    deleteCustomization(tx, catalog.acme.principal, { catalog_id: catalog.acme.catalog_id, customization_id: id }),
  );
const fail = (
  pipeline_id: string,
  cause: 'CUSTOMIZATION_BUILD_ERROR' | 'TEST_ERROR' | 'DISTRIBUTION_ERROR' | 'BUILD_ERROR',
  customization?: { id: string; version: number },
) =>
  catalog.write((tx) =>
    failPhase(tx, {
      pipeline_id,
      phase: cause === 'DISTRIBUTION_ERROR' ? 'DISTRIBUTION' : 'PACKAGING',
      cause,
      message: 'install.sh line 3',
      files: [{ digest: digestOf(`log ${pipeline_id}`), size: 9, mime_type: 'build_log', filename: 'build.log' }],
      ...(customization && { customization }),
    }),
  );
const stackOf = async (pipelineId: string) => {
  const inputs = await findPlanInputs(catalog.db, pipelineId);
  return inputs?.customizations.map(({ name, version }) => `${name} v${version}`);
};

describe('a customization', () => {
  let redis = '';
  let id = '';
  beforeAll(async () => {
    const { application_ids } = await catalog.request(catalog.acme, ['redis']);
    redis = application_ids[0] ?? '';
    await catalog.finish(await catalog.openPipeline(redis));
  });

  test('is CREATED, affects the application, and keeps its pins', async () => {
    await catalog.clearJobs();
    id = await catalog.customize(catalog.acme, 'ca', {
      product_key: 'redis',
      branch: '7.0',
      base_image_id: catalog.base,
    });
    const customization = await read(id);
    expect(customization.status).toBe('CREATED');
    expect(customization).toMatchObject({
      version: 'v1',
      global: false,
      created_by: 'acme-owner',
      filter: { product_key: 'redis', branch: '7.0', base_image: { name: 'Debian 12' }, product: { key: 'redis' } },
      affected_releasables: [{ application_id: redis, status: 'PENDING', registry: { id: catalog.acme.registry_id } }],
      succeeded_releases: [],
      failed_releases: [],
    });
    expect(customization.pending_releases).toHaveLength(1);
    expect(customization.pending_releases[0]?.id).toBe(customization.affected_releasables[0]?.latest_release?.id);
    const pipeline = await catalog.openPipeline(redis);
    expect(await catalog.waiting('plan-pipeline')).toEqual([pipeline]);
    expect(await findPlanInputs(catalog.db, pipeline)).toMatchObject({
      keep_pins: true,
      previous: { version: '7.0.15' },
    });
    const shown = await getPipeline(catalog.db, catalog.acme.principal, {
      catalog_id: catalog.acme.catalog_id,
      pipeline_id: pipeline,
    });
    expect(shown).toMatchObject({ triggers: [{ type: 'MANUAL_RUN' }], customization: { id, version: 'v1' } });
  });

  test('is STARTED when a pipeline begins, and SUCCEEDED with the release that contains it', async () => {
    const pipeline = await catalog.openPipeline(redis);
    await catalog.plan(pipeline);
    expect(await status(id)).toBe('PROCESSING_CREATE_STARTED');
    // The plan of the open pipeline is already stored, so `rebuild` makes a new pipeline, which runs all steps.
    await rebuild([redis]);
    const made = await catalog.finish(await catalog.openPipeline(redis));
    const customization = await read(id);
    expect(customization.status).toBe('PROCESSING_CREATE_SUCCEEDED');
    expect(customization.affected_releasables[0]?.status).toBe('SUCCEEDED');
    expect(customization.succeeded_releases.map((release) => release.id)).toEqual(made.release_ids);
    expect(customization.pending_releases).toEqual([]);
    expect(customization._links.succeeded_releases).toEqual([
      { href: `/v1/catalogs/${catalog.acme.catalog_id}/releases/${made.release_ids[0]}` },
    ]);
    const application = await getApplication(catalog.db, catalog.acme.principal, {
      catalog_id: catalog.acme.catalog_id,
      application_id: redis,
    });
    expect(application.customization).toMatchObject({ id, version: 'v1', artifact: { filename: 'ca.tar.gz' } });
    expect(application._links.customization?.href).toBe(`/v1/catalogs/${catalog.acme.catalog_id}/customizations/${id}`);
  });

  test('has an archive that is a file of its catalog only', async () => {
    const { artifact } = await read(id);
    const file = { catalog_id: catalog.acme.catalog_id, digest: artifact.id, filename: artifact.filename };
    expect(await getFile(catalog.db, catalog.acme.principal, file)).toEqual({
      digest: digestOf('archive ca'),
      filename: 'ca.tar.gz',
      mime_type: 'application/gzip',
      size: 100,
    });
    const foreign = { ...file, catalog_id: catalog.rival.catalog_id };
    await expect(getFile(catalog.db, catalog.rival.principal, foreign)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(getFile(catalog.db, catalog.rival.principal, file)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('gets version 2 by a PATCH with an archive; a PATCH with a name starts no pipeline', async () => {
    await catalog.write((tx) =>
      updateCustomization(tx, catalog.acme.principal, {
        catalog_id: catalog.acme.catalog_id,
        customization_id: id,
        name: 'company CA',
      }),
    );
    expect(await read(id)).toMatchObject({ name: 'company CA', status: 'PROCESSING_CREATE_SUCCEEDED', version: 'v1' });
    expect(await catalog.openPipelines(redis)).toEqual([]);
    await update(id, 'ca2');
    expect(await read(id)).toMatchObject({ version: 'v2', status: 'UPDATED', artifact: { filename: 'ca2.tar.gz' } });
    const [release] = (await catalog.finish(await catalog.openPipeline(redis))).release_ids;
    expect(await status(id)).toBe('PROCESSING_UPDATE_SUCCEEDED');
    const shown = await getRelease(catalog.db, catalog.acme.principal, {
      catalog_id: catalog.acme.catalog_id,
      release_id: release ?? '',
      expand_relationships: false,
    });
    expect(shown.customizations).toMatchObject([{ id, version: 'v2' }]);
  });

  test('with a failing script is FAILED with its log, and later patches are built without it', async () => {
    await update(id, 'broken');
    const broken = await catalog.openPipeline(redis);
    await catalog.plan(broken);
    await fail(broken, 'CUSTOMIZATION_BUILD_ERROR', { id, version: 3 });
    const failed = await read(id);
    expect(failed.status).toBe('PROCESSING_UPDATE_FAILED');
    expect(failed.affected_releasables[0]).toMatchObject({
      status: 'FAILED',
      failure: {
        cause: 'CUSTOMIZATION_BUILD_ERROR',
        description: 'install.sh line 3',
        source_url: expect.stringContaining('/files/') as unknown,
      },
    });
    expect(failed.failed_releases).toHaveLength(1);
    expect(failed.failed_releases[0]?.release.customizations).toMatchObject([{ id, version: 'v2' }]);
    expect(await catalog.openPipelines(redis)).toEqual([]);
    await catalog.baseMoves('patched');
    const patch = await catalog.openPipeline(redis);
    expect(await stackOf(patch)).toEqual(['company CA v2']);
    await catalog.finish(patch);
    const after = await read(id);
    expect(after.status).toBe('PROCESSING_UPDATE_FAILED');
    expect(after.affected_releasables[0]?.failure?.description).toContain('do not contain this version');
    await update(id, 'mended');
    const mended = await catalog.openPipeline(redis);
    expect(await stackOf(mended)).toEqual(['company CA v4']);
    await catalog.finish(mended);
    expect(await status(id)).toBe('PROCESSING_UPDATE_SUCCEEDED');
  });

  test('with a failed distribution has the cause UNKNOWN, and is SUCCEEDED with the next release', async () => {
    await update(id, 'unlucky');
    const unlucky = await catalog.openPipeline(redis);
    await catalog.plan(unlucky);
    await fail(unlucky, 'DISTRIBUTION_ERROR');
    expect((await read(id)).affected_releasables[0]?.failure).toMatchObject({
      cause: 'UNKNOWN',
      description: 'Distribution failed: install.sh line 3',
    });
    await catalog.baseMoves('patched again');
    const next = await catalog.openPipeline(redis);
    expect(await stackOf(next)).toEqual(['company CA v5']);
    await catalog.finish(next);
    expect(await read(id)).toMatchObject({
      status: 'PROCESSING_UPDATE_SUCCEEDED',
      affected_releasables: [{ status: 'SUCCEEDED' }],
    });
  });

  test('can be read after its DELETE, which rebuilds the application without it', async () => {
    await remove(id);
    const deleted = await read(id);
    expect(deleted).toMatchObject({ status: 'DELETED', removed_by: 'acme-owner' });
    expect(deleted.pending_releases).toHaveLength(1);
    const pipeline = await catalog.openPipeline(redis);
    expect(await stackOf(pipeline)).toEqual([]);
    await catalog.plan(pipeline);
    expect(await status(id)).toBe('PROCESSING_DELETE_STARTED');
    await rebuild([redis]);
    const made = await catalog.finish(await catalog.openPipeline(redis));
    expect(await read(id)).toMatchObject({
      status: 'PROCESSING_DELETE_SUCCEEDED',
      succeeded_releases: [{ id: made.release_ids[0], customizations: [] }],
    });
    const rejection = {
      code: 'DELETED',
      message: expect.stringContaining(`already deleted, at ${deleted.removed_at}`),
    };
    await expect(remove(id)).rejects.toMatchObject(rejection);
    await expect(update(id, 'late')).rejects.toMatchObject(rejection);
  });

  test('is returned as the contract says', async () => {
    expect([...Value.Errors(CustomizationDetailed, await read(id))]).toEqual([]);
    const all = await listCustomizations(catalog.db, catalog.acme.principal, {
      catalog_id: catalog.acme.catalog_id,
      active: false,
      global: false,
      ...page,
    });
    expect([...Value.Errors(CustomizationDetailedPage, all)]).toEqual([]);
  });
});

describe('several customizations', () => {
  let nginx = '';
  beforeAll(async () => {
    const { application_ids } = await catalog.request(catalog.acme, ['nginx']);
    nginx = application_ids[0] ?? '';
    await catalog.finish(await catalog.openPipeline(nginx));
  });

  test('apply in the order global, base image, product, branch, and within each the older first', async () => {
    const filters = [
      ['branch', { product_key: 'nginx', branch: '1.22' }],
      ['product', { product_key: 'nginx' }],
      ['base', { base_image_id: catalog.base }],
      ['global', undefined],
      ['product younger', { product_key: 'nginx' }],
      ['other base', { base_image_id: catalog.baseTrixie }],
    ] as const;
    const made: string[] = [];
    for (const [name, filter] of filters)
      made.push(await catalog.customize(catalog.acme, name, filter && { ...filter }));
    const pipeline = await catalog.openPipeline(nginx);
    expect(await stackOf(pipeline)).toEqual(['global v1', 'base v1', 'product v1', 'product younger v1', 'branch v1']);
    const { release_ids } = await catalog.finish(pipeline);
    const release = await getRelease(catalog.db, catalog.acme.principal, {
      catalog_id: catalog.acme.catalog_id,
      release_id: release_ids[0] ?? '',
      expand_relationships: true,
    });
    expect(release.customizations?.map((part) => part.id)).toEqual([made[3], made[2], made[1], made[4], made[0]]);
    expect(release).toMatchObject({ dependencies: [], dependants: [] });
    const application = await getApplication(catalog.db, catalog.acme.principal, {
      catalog_id: catalog.acme.catalog_id,
      application_id: nginx,
    });
    expect(application.customization?.id).toBe(made[0]);
    expect(await status(made[5] ?? '')).toBe('CREATED');
  });

  test('fail alone: a broken one does not make the others of its pipeline fail', async () => {
    const good = await catalog.customize(catalog.acme, 'good', { product_key: 'nginx' });
    const bad = await catalog.customize(catalog.acme, 'bad', { product_key: 'nginx' });
    const both = await catalog.openPipeline(nginx);
    expect(await status(good)).toBe('CREATED');
    await catalog.plan(both);
    await fail(both, 'CUSTOMIZATION_BUILD_ERROR', { id: bad, version: 1 });
    expect(await status(bad)).toBe('PROCESSING_CREATE_FAILED');
    const successor = await catalog.openPipeline(nginx);
    const stack = await stackOf(successor);
    expect(stack).toContain('good v1');
    expect(stack).not.toContain('bad v1');
    const { inputs } = await catalog.plan(successor);
    expect(inputs.left_out).toEqual([{ id: bad, version: 1 }]);
    expect((await read(bad)).affected_releasables[0]?.failure?.description).toContain('do not contain this version');
    await rebuild([nginx]);
    await catalog.finish(await catalog.openPipeline(nginx));
    expect(await status(good)).toBe('PROCESSING_CREATE_SUCCEEDED');
    expect(await status(bad)).toBe('PROCESSING_CREATE_FAILED');
  });

  test('stay SUCCEEDED if a later version of the base image breaks them', async () => {
    const { catalog_id, principal } = catalog.acme;
    const globals = { catalog_id, active: true, global: true, ...page };
    const [first] = (await listCustomizations(catalog.db, principal, globals)).items;
    await catalog.baseMoves('worse');
    const pipeline = await catalog.openPipeline(nginx);
    await catalog.plan(pipeline);
    await fail(pipeline, 'CUSTOMIZATION_BUILD_ERROR', { id: first?.id ?? '', version: 1 });
    expect(await catalog.openPipelines(nginx)).toEqual([]);
    const touch = (await read(first?.id ?? '')).affected_releasables.find((one) => one.application_id === nginx);
    expect(touch?.status).toBe('SUCCEEDED');
  });
});

describe('an application that is requested after a customization', () => {
  test('gets global customizations, and is released without one that breaks it', async () => {
    const global = await catalog.customize(catalog.rival, 'everywhere');
    expect(await status2(global)).toBe('CREATED');
    const { application_ids } = await catalog.request(catalog.rival, ['redis', 'nginx']);
    const [redis = '', nginx = ''] = application_ids;
    await catalog.finish(await catalog.openPipeline(redis));
    expect((await read(global, catalog.rival)).affected_releasables).toMatchObject([
      { application_id: redis, status: 'SUCCEEDED' },
    ]);
    const broken = await catalog.openPipeline(nginx);
    await catalog.plan(broken);
    await fail(broken, 'CUSTOMIZATION_BUILD_ERROR', { id: global, version: 1 });
    expect(await status2(global)).toBe('PROCESSING_CREATE_FAILED');
    const without = await catalog.openPipeline(nginx);
    expect(await stackOf(without)).toEqual([]);
    await catalog.finish(without);
    const whole = { minimal_info: false, expand_relationships: false };
    const asked = { catalog_id: catalog.rival.catalog_id, application_id: nginx, ...whole };
    const { items } = await listReleases(catalog.db, catalog.rival.principal, { ...asked, ...page });
    expect(items).toMatchObject([{ customizations: [] }]);
  });

  const status2 = async (id: string) => (await read(id, catalog.rival)).status;

  test('is affected before its first release, without a latest release', async () => {
    const { application_ids } = await catalog.request(catalog.rival, ['postgresql']);
    const id = await catalog.customize(catalog.rival, 'early', { base_image_id: catalog.base });
    const touch = (await read(id, catalog.rival)).affected_releasables.find(
      (one) => one.application_id === application_ids[0],
    );
    expect(touch?.status).toBe('PENDING');
    expect(touch?.latest_release).toBeUndefined();
    const pipeline = await catalog.openPipeline(application_ids[0] ?? '');
    expect(await findPlanInputs(catalog.db, pipeline)).toMatchObject({ keep_pins: false });
  });
});

describe('the list of customizations', () => {
  test('is filtered, paged, and ordered newest first', async () => {
    const list = (query: Partial<Parameters<typeof listCustomizations>[2]>) =>
      listCustomizations(catalog.db, catalog.acme.principal, {
        catalog_id: catalog.acme.catalog_id,
        active: false,
        global: false,
        ...page,
        ...query,
      });
    const all = await list({});
    const times = all.items.map((item) => item.created_at);
    expect(times).toEqual(times.toSorted().reverse());
    expect((await list({ active: true })).total_size).toBe(all.total_size - 1);
    expect((await list({ global: true })).items.every((item) => item.global)).toBe(true);
    expect((await list({ global: true })).items.every((item) => item.filter === undefined)).toBe(true);
    expect((await list({ product_key: 'nginx', branch: '1.22' })).items.map((item) => item.name)).toEqual(['branch']);
    expect((await list({ base_image_id: catalog.baseTrixie })).total_size).toBe(1);
    const second = await list({ page: 2, page_size: 2 });
    expect(second).toMatchObject({ page: 2, page_size: 2, total_pages: Math.ceil(all.total_size / 2) });
    expect(second.items.map((item) => item.id)).toEqual(all.items.slice(2, 4).map((item) => item.id));
    await expect(list({ base_image_id: nobody() })).rejects.toMatchObject({ code: 'INVALID' });
    await expect(list({ catalog_id: catalog.rival.catalog_id })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(list({ catalog_id: 'nonsense' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
