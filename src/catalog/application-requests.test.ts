// Application requests: why they are rejected, which applications they add and remove, and their status.
import { Value } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nobody, openTestCatalog, type TestCatalog, type TestOrganization } from '../../test/catalog.ts';
import { CatalogApplicationRequest, CatalogApplicationRequestPage } from '../contract/application-request.ts';
import { startPhase } from '../pipelines/phases.ts';
import {
  createApplicationRequest,
  getApplicationRequest,
  listApplicationRequests,
  listRequestsOfApplication,
} from './application-requests.ts';
import { createRegistry, deleteRegistry } from './registries.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
});
afterAll(() => catalog.drop());

const read = (id: string, of: TestOrganization = catalog.acme) =>
  getApplicationRequest(catalog.db, of.principal, { catalog_id: of.catalog_id, application_request_id: id });
const list = (query: Partial<Parameters<typeof listApplicationRequests>[2]> = {}) =>
  listApplicationRequests(catalog.db, catalog.acme.principal, {
    catalog_id: catalog.acme.catalog_id,
    request_type: 'add',
    order_field: 'REQUESTED_AT',
    order_direction: 'DESC',
    page: 1,
    page_size: 20,
    ...query,
  });
const removal = (ids: string[]) =>
  catalog.write((tx) =>
    createApplicationRequest(tx, catalog.acme.principal, {
      kind: 'DELETION',
      catalog_id: catalog.acme.catalog_id,
      name: 'away',
      application_ids: ids,
    }),
  );
const newRegistry = (of: TestOrganization, name: string) =>
  catalog.write((tx) =>
    createRegistry(
      tx,
      of.principal,
      { name, description: '', provider: 'OCI', url: 'https://registry.example', access_secret: 's' },
      { seal: (plaintext, row) => Buffer.from(`${row.row_id}${plaintext}`) },
    ),
  );

describe('a request to add', () => {
  test('is rejected with every invalid reference', async () => {
    const offering = catalog.offerings.get('redis') ?? '';
    const foreign = await newRegistry(catalog.rival, 'theirs');
    const gone = await newRegistry(catalog.acme, 'gone');
    await catalog.write((tx) => deleteRegistry(tx, catalog.acme.principal, { registry_id: gone.id }));
    const rejection = await catalog
      .write((tx) =>
        createApplicationRequest(tx, catalog.acme.principal, {
          kind: 'CREATION',
          catalog_id: catalog.acme.catalog_id,
          name: 'x',
          application_offering_ids: [nobody(), offering, 'nonsense', offering],
          base_image_id: nobody(),
          registry_ids: [catalog.acme.registry_id, foreign.id, gone.id],
        }),
      )
      .catch((error: unknown) => error);
    expect(rejection).toMatchObject({
      code: 'INVALID',
      violations: [
        { field: 'base_image_id' },
        { field: 'application_offering_ids[0]' },
        { field: 'application_offering_ids[2]' },
        { field: 'application_offering_ids[3]' },
        { field: 'registry_ids[1]' },
        { field: 'registry_ids[2]' },
      ],
    });
    expect((await list()).total_size).toBe(0);
  });

  test("is rejected for another operating system, a hidden offering, another organization's catalog", async () => {
    await expect(catalog.request(catalog.acme, ['redis'], { base_image_id: catalog.baseTrixie })).rejects.toMatchObject(
      {
        violations: [
          { field: 'application_offering_ids[0]', message: expect.stringContaining('operating system') as string },
        ],
      },
    );
    await catalog.pool.query(`update offerings set status = 'HIDDEN' where product_key = 'nginx'`);
    await expect(catalog.request(catalog.acme, ['nginx'])).rejects.toMatchObject({ code: 'INVALID' });
    await catalog.pool.query(`update offerings set status = 'ENABLED' where product_key = 'nginx'`);
    const elsewhere = { ...catalog.acme, catalog_id: catalog.rival.catalog_id };
    await expect(catalog.request(elsewhere, ['nginx'])).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('adds one application for each offering, on the hosted registry by default, and rejects a second one', async () => {
    const { request_id, application_ids } = await catalog.request(catalog.acme, ['redis', 'nginx']);
    const request = await read(request_id);
    expect(request).toMatchObject({
      status: 'PENDING',
      request_type: 'add',
      name: 'wanted',
      created_by: 'acme-owner',
      applications: [
        { product: { key: 'redis' }, status: 'SUPPORTED', registries: [{ id: catalog.acme.registry_id }] },
        { product: { key: 'nginx' }, processing_status: { status: 'PENDING' } },
      ],
    });
    expect(request.applications[0]?.base_image.container_image).toBe('127.0.0.1:8080/base/debian:12');
    expect(request.applications[0]?._links.product.href).toBe(
      '/v1/applications/product/redis/branch/7.0?packaging=CONTAINER_IMAGE&distro=debian-12',
    );
    expect(request.applications[0]?.end_of_life_at).toBe('2028-06-30T00:00:00.000Z');
    await expect(catalog.request(catalog.acme, ['redis'])).rejects.toMatchObject({
      violations: [{ message: expect.stringContaining('already') as string }],
    });
    const [redis = '', nginx = ''] = application_ids;
    const first = await catalog.openPipeline(redis);
    await catalog.write((tx) => startPhase(tx, { pipeline_id: first, phase: 'PACKAGING' }));
    expect((await read(request_id)).status).toBe('IN_PROGRESS');
    await catalog.finish(first);
    expect((await read(request_id)).status).toBe('IN_PROGRESS');
    await catalog.finish(await catalog.openPipeline(nginx));
    const done = await read(request_id);
    expect(done.status).toBe('COMPLETED');
    expect(done.applications[1]?.latest_release).toMatchObject({ version: '1.22.1', revision: '0' });
    expect([...Value.Errors(CatalogApplicationRequest, done)]).toEqual([]);
  });

  test('pushes to every registry that it names, in that order', async () => {
    const { id } = await newRegistry(catalog.acme, 'ours');
    const made = await catalog.request(catalog.acme, ['postgresql'], { registry_ids: [id, catalog.acme.registry_id] });
    expect((await read(made.request_id)).applications[0]?.registries?.map((registry) => registry.id)).toEqual([
      id,
      catalog.acme.registry_id,
    ]);
    const released = await catalog.finish(await catalog.openPipeline(made.application_ids[0] ?? ''));
    expect(released.release_ids).toHaveLength(2);
    await expect(
      catalog.write((tx) => deleteRegistry(tx, catalog.acme.principal, { registry_id: id })),
    ).rejects.toMatchObject({ code: 'IN_USE' });
  });
});

describe('a request to remove', () => {
  test('is rejected with each application that does not exist', async () => {
    const foreign = await catalog.request(catalog.rival, ['redis']);
    await expect(removal([nobody(), 'nonsense', foreign.application_ids[0] ?? ''])).rejects.toMatchObject({
      violations: [{ field: 'application_ids[0]' }, { field: 'application_ids[1]' }, { field: 'application_ids[2]' }],
    });
  });

  test('removes the application at once, and the offering can be requested again', async () => {
    const [{ applications: [redis] = [] } = {}] = (await list({ order_direction: 'ASC' })).items;
    const id = redis?.id ?? '';
    const request = await read((await removal([id])).id);
    expect(request).toMatchObject({
      request_type: 'remove',
      status: 'COMPLETED',
      applications: [{ id, status: 'REMOVED', removed_by: 'acme-owner' }],
    });
    await expect(removal([id])).rejects.toMatchObject({ code: 'INVALID' });
    const both = await listRequestsOfApplication(catalog.db, catalog.acme.principal, {
      catalog_id: catalog.acme.catalog_id,
      application_id: id,
    });
    expect(both.map((each) => each.request_type)).toEqual(['add', 'remove']);
    const removed = await listRequestsOfApplication(catalog.db, catalog.acme.principal, {
      catalog_id: catalog.acme.catalog_id,
      application_id: id,
      request_type: 'remove',
    });
    expect(removed).toHaveLength(1);
    const again = await catalog.request(catalog.acme, ['redis']);
    expect(again.application_ids).toEqual([expect.any(String)]);
    expect(again.application_ids).not.toContain(id);
    expect(await read(again.request_id)).toMatchObject({
      request_type: 'add',
      applications: [{ status: 'SUPPORTED' }],
    });
  });
});

describe('the list of requests', () => {
  test('filters by type and status, orders and pages', async () => {
    const all = await list();
    expect([...Value.Errors(CatalogApplicationRequestPage, all)]).toEqual([]);
    expect(all.total_size).toBe(3);
    expect((await list({ request_type: 'remove' })).total_size).toBe(1);
    expect((await list({ request_status: 'PENDING' })).items.map((item) => item.status)).toEqual(['PENDING']);
    expect((await list({ request_status: 'COMPLETED' })).total_size).toBe(2);
    const ascending = await list({ order_direction: 'ASC', page: 1, page_size: 2 });
    expect(ascending.total_pages).toBe(2);
    expect(ascending.items.map((item) => item.id)).toEqual(
      all.items
        .map((item) => item.id)
        .reverse()
        .slice(0, 2),
    );
    await expect(list({ catalog_id: catalog.rival.catalog_id })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('contains no requests of other organizations', async () => {
    const [request] = (await list()).items;
    await expect(read(request?.id ?? '', catalog.rival)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(
      getApplicationRequest(catalog.db, catalog.rival.principal, {
        catalog_id: catalog.acme.catalog_id,
        application_request_id: request?.id ?? '',
      }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(
      listRequestsOfApplication(catalog.db, catalog.rival.principal, {
        catalog_id: catalog.acme.catalog_id,
        application_id: request?.applications[0]?.id ?? '',
      }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
