// Lists and single resources: filters, orders, pages, links and the schemas of the contract. No organization sees another one's
// resources.
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf, nobody, openTestCatalog, type TestCatalog, type TestOrganization } from '../../test/catalog.ts';
import { CatalogApplicationsPage } from '../contract/application.ts';
import { CatalogsPage } from '../contract/catalog.ts';
import { ApplicationOfferingPage } from '../contract/offering.ts';
import { OperatingSystemPage } from '../contract/operating-system.ts';
import { PipelinesPage } from '../contract/pipeline.ts';
import { ProductBranch } from '../contract/product.ts';
import { ReleasesPage } from '../contract/release.ts';
import { createWave } from '../pipelines/waves.ts';
import { getApplication, listApplications } from './applications.ts';
import { getCatalog, listCatalogs } from './catalogs.ts';
import { getFile } from './files.ts';
import { getOffering, listOfferings } from './offerings.ts';
import { getOperatingSystem, listOperatingSystems } from './operating-systems.ts';
import { getPipeline, listPipelines } from './pipelines.ts';
import { getProductBranch } from './products.ts';
import { getRelease, listReleases } from './releases.ts';

let catalog: TestCatalog;
let applications: string[] = [];
let releases: string[] = [];
const page = { page: 1, page_size: 20 };

beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('first');
  applications = (await catalog.request(catalog.acme, ['redis', 'nginx', 'postgresql'])).application_ids;
  for (const id of applications.slice(0, 2)) {
    releases.push(...(await catalog.finish(await catalog.openPipeline(id))).release_ids);
  }
  await catalog.write((tx) =>
    createWave(tx, {
      cause: 'REBUILD',
      application_ids: [applications[0] ?? ''],
      triggers: [{ type: 'CVE_PATCH', context: 'CVE-1' }],
      keep_pins: false,
    }),
  );
  releases = [
    ...releases,
    ...(await catalog.finish(await catalog.openPipeline(applications[0] ?? ''), 'patched')).release_ids,
  ];
});
afterAll(() => catalog.drop());

function fits(schema: TSchema, value: unknown): void {
  expect([...Value.Errors(schema, value)]).toEqual([]);
}

const gone = { code: 'NOT_FOUND' };

describe('catalogs', () => {
  const list = (query: Partial<Parameters<typeof listCatalogs>[2]> = {}, of: TestOrganization = catalog.acme) =>
    listCatalogs(catalog.db, of.principal, { order_field: 'CREATED_AT', order_direction: 'DESC', ...page, ...query });

  test('of other organizations are neither listed nor found', async () => {
    const all = await list();
    fits(CatalogsPage, all);
    expect(all.items).toMatchObject([
      { id: catalog.acme.catalog_id, name: 'DefaultCatalog', owned: true, shared: false },
    ]);
    expect((await list({ shared: true })).items).toEqual([]);
    expect((await list({ owned: false })).total_size).toBe(0);
    for (const order_field of ['NAME', 'NAMESPACE', 'ORGANIZATION_NAME', 'UPDATED_AT'] as const) {
      expect((await list({ order_field, order_direction: 'ASC' })).items).toHaveLength(1);
    }
    const foreign = { catalog_id: catalog.acme.catalog_id };
    await expect(getCatalog(catalog.db, catalog.rival.principal, foreign)).rejects.toMatchObject(gone);
    await expect(getCatalog(catalog.db, catalog.acme.principal, { catalog_id: 'x' })).rejects.toMatchObject(gone);
    expect(await getCatalog(catalog.db, catalog.acme.principal, foreign)).toEqual(all.items[0]);
  });
});

describe('operating systems and offerings', () => {
  test('are listed, filtered, and returned by id', async () => {
    const systems = await listOperatingSystems(catalog.db, catalog.acme.principal, page);
    fits(OperatingSystemPage, systems);
    expect(systems.items.map((item) => item.name)).toEqual(['Debian 12', 'Debian 13']);
    const [bookworm, trixie] = systems.items;
    const filtered = await listOperatingSystems(catalog.db, catalog.acme.principal, {
      name: '13',
      statuses: ['ACTIVE'],
      ...page,
    });
    expect(filtered.items).toEqual([trixie]);
    const one = { operating_system_id: bookworm?.id ?? '' };
    expect(await getOperatingSystem(catalog.db, catalog.acme.principal, one)).toEqual(bookworm);
    await expect(
      getOperatingSystem(catalog.db, catalog.acme.principal, { operating_system_id: nobody() }),
    ).rejects.toMatchObject(gone);
    const list = (query: Partial<Parameters<typeof listOfferings>[2]>) =>
      listOfferings(catalog.db, catalog.acme.principal, {
        order_field: 'PRODUCT_NAME',
        order_direction: 'ASC',
        ...page,
        ...query,
      });
    const all = await list({});
    fits(ApplicationOfferingPage, all);
    expect(all.items.map((item) => item.product.name)).toEqual(['NGINX', 'PostgreSQL', 'Redis']);
    expect((await list({ order_direction: 'DESC', page_size: 1, page: 2 })).items[0]?.product.name).toBe('PostgreSQL');
    expect((await list({ operating_system_id: bookworm?.id ?? '' })).total_size).toBe(3);
    expect((await list({ operating_system_id: trixie?.id ?? '' })).total_size).toBe(0);
    expect((await list({ operating_system_name: 'Debian 12' })).total_size).toBe(3);
    expect((await list({ product_name: 'GIN' })).total_size).toBe(1);
    expect((await list({ product_name: '%' })).total_size).toBe(0);
    expect((await list({ product_key: 'redis', branch: '7.0', packaging_types: ['CONTAINER_IMAGE'] })).total_size).toBe(
      1,
    );
    expect((await list({ packaging_types: ['OVA', 'HELM_CHART'] })).total_size).toBe(0);
    expect((await list({ statuses: ['HIDDEN'] })).total_size).toBe(0);
    expect((await list({ catalog_id: catalog.acme.catalog_id })).total_size).toBe(3);
    await expect(list({ catalog_id: catalog.rival.catalog_id })).rejects.toMatchObject({
      violations: [{ field: 'catalog_id' }],
    });
    await expect(list({ operating_system_id: nobody() })).rejects.toMatchObject({ code: 'INVALID' });
    for (const order_field of ['PRODUCT_KEY', 'STATUS', 'BRANCH', 'PACKAGING_TYPE'] as const) {
      expect((await list({ order_field })).items).toHaveLength(3);
    }
    const offering = { offering_id: all.items[0]?.id ?? '' };
    expect(await getOffering(catalog.db, catalog.acme.principal, offering)).toEqual(all.items[0]);
    await expect(getOffering(catalog.db, catalog.acme.principal, { offering_id: nobody() })).rejects.toMatchObject(
      gone,
    );
  });

  test("return the branch that an application's product link names", async () => {
    const of = { product_id_or_key: 'redis', branch_id_or_key: '7.0' };
    const flags = { only_built_versions: true, only_supported: false, only_eligible: false };
    const read = (query: Partial<Parameters<typeof getProductBranch>[2]>) =>
      getProductBranch(catalog.db, catalog.acme.principal, { ...of, ...flags, ...query });
    const branch = await read({ packaging: 'CONTAINER_IMAGE', distro: 'debian-12' });
    fits(ProductBranch, branch);
    expect(branch).toMatchObject({
      product: { key: 'redis' },
      branch: {
        key: '7.0',
        latest_discovered_version: { version: '7.0.15' },
        end_of_life_at: '2028-06-30T00:00:00.000Z',
      },
      versions: [{ platforms: [{ platform: { distro: { key: 'debian-12' } } }] }],
    });
    expect(
      await read({ product_id_or_key: branch.product.product_id, branch_id_or_key: branch.branch.branch_id }),
    ).toEqual(await read({}));
    expect((await read({ distro: 'debian-13' })).versions).toEqual([]);
    expect((await read({ packaging: 'OVA' })).versions).toEqual([]);
    expect((await read({ only_supported: true, only_eligible: true })).versions).toHaveLength(1);
    await expect(read({ branch_id_or_key: '8.0' })).rejects.toMatchObject(gone);
  });
});

describe('applications', () => {
  const list = (query: Partial<Parameters<typeof listApplications>[2]> = {}, of: TestOrganization = catalog.acme) =>
    listApplications(catalog.db, of.principal, {
      catalog_id: of.catalog_id,
      order_field: 'PRODUCT_NAME',
      order_direction: 'ASC',
      ...page,
      ...query,
    });
  const names = async (query: Parameters<typeof list>[0]) => (await list(query)).items.map((item) => item.product.name);

  test('are filtered and ordered', async () => {
    const all = await list();
    fits(CatalogApplicationsPage, all);
    expect(all).toMatchObject({ total_size: 3, total_pages: 1 });
    expect(await names({})).toEqual(['NGINX', 'PostgreSQL', 'Redis']);
    expect(await names({ product_name: 'postgres' })).toEqual(['PostgreSQL']);
    expect(await names({ product_key: 'redis' })).toEqual(['Redis']);
    expect(await names({ product_category: 'Database' })).toEqual(['PostgreSQL', 'Redis']);
    expect(await names({ packaging_type: 'OVA' })).toEqual([]);
    expect(await names({ base_image_ids: [catalog.base] })).toHaveLength(3);
    expect(await names({ base_image_ids: [catalog.baseTrixie] })).toEqual([]);
    expect(await names({ statuses: ['REMOVED'] })).toEqual([]);
    expect(await names({ trial: true })).toEqual([]);
    expect(await names({ fips_compliant: true })).toEqual([]);
    expect(await names({ stig_compliant: false, containers_non_root: true })).toHaveLength(3);
    expect(await names({ order_field: 'LATEST_RELEASE_VERSION' })).toEqual(['NGINX', 'Redis', 'PostgreSQL']);
    expect(await names({ order_field: 'LATEST_RELEASE_RELEASED_AT', order_direction: 'DESC' })).toEqual([
      'Redis',
      'NGINX',
      'PostgreSQL',
    ]);
    for (const order_field of [
      'BASE_IMAGE_NAME',
      'STATUS',
      'CREATED_AT',
      'CREATED_BY',
      'REMOVED_AT',
      'REMOVED_BY',
    ] as const) {
      expect(await names({ order_field })).toHaveLength(3);
    }
    expect(await names({ page: 2, page_size: 2 })).toEqual(['Redis']);
    expect(await names({ page: 9 })).toEqual([]);
    await expect(list({ base_image_ids: [catalog.base, nobody()] })).rejects.toMatchObject({
      violations: [{ field: 'base_image_ids' }],
    });
  });

  test('of other organizations are not found', async () => {
    expect((await list({}, catalog.rival)).items).toEqual([]);
    await expect(list({ catalog_id: catalog.rival.catalog_id })).rejects.toMatchObject(gone);
    const own = { catalog_id: catalog.acme.catalog_id, application_id: applications[0] ?? '' };
    expect((await getApplication(catalog.db, catalog.acme.principal, own)).id).toBe(own.application_id);
    await expect(getApplication(catalog.db, catalog.rival.principal, own)).rejects.toMatchObject(gone);
    const mixed = { ...own, catalog_id: catalog.rival.catalog_id };
    await expect(getApplication(catalog.db, catalog.rival.principal, mixed)).rejects.toMatchObject(gone);
    await expect(getApplication(catalog.db, catalog.acme.principal, mixed)).rejects.toMatchObject(gone);
  });
});

describe('releases', () => {
  const list = (query: Partial<Parameters<typeof listReleases>[2]> = {}) =>
    listReleases(catalog.db, catalog.acme.principal, {
      catalog_id: catalog.acme.catalog_id,
      minimal_info: false,
      expand_relationships: false,
      ...page,
      ...query,
    });

  test('are listed newest first, filtered, minimal or expanded', async () => {
    const all = await list();
    fits(ReleasesPage, all);
    expect(all.items.map((item) => item.id)).toEqual([releases[2], releases[1], releases[0]]);
    const redis = await list({ application_id: applications[0] ?? '', registry_id: catalog.acme.registry_id });
    expect(redis.items.map((item) => item.revision)).toEqual(['1', '0']);
    expect(redis.items.map((item) => item.latest_release?.id)).toEqual([releases[2], releases[2]]);
    const [newest] = redis.items;
    expect((await list({ content_digest: newest?.artifact.content_digest ?? digestOf('') })).items).toEqual([newest]);
    expect((await list({ repo_digest: newest?.artifact.repo_digest ?? digestOf('') })).items).toEqual([newest]);
    const minimal = await list({ minimal_info: true });
    expect(Object.keys(minimal.items[0] ?? {}).toSorted()).toEqual([
      '_links',
      'artifact',
      'id',
      'released_at',
      'revision',
      'version',
    ]);
    expect((await list({ expand_relationships: true })).items[0]).toMatchObject({ dependencies: [], dependants: [] });
    const types = ['HELM_CHART', 'OVA', 'CONTAINER_IMAGE'] as const;
    for (const type of types) {
      await catalog.pool.query('update applications set packaging_type = $1', [type]);
      expect((await list({})).items[0]).toMatchObject({ packaging_type: type, supports_customizations: true });
    }
    await expect(list({ application_id: nobody(), registry_id: nobody() })).rejects.toMatchObject({
      violations: [{ field: 'application_id' }, { field: 'registry_id' }],
    });
  });

  test('link to related releases, and embed them on request', async () => {
    await catalog.pool.query('insert into release_edges (release_id, depends_on_id) values ($1, $2)', [
      releases[1],
      releases[0],
    ]);
    const read = (release_id: string, expand_relationships: boolean) =>
      getRelease(catalog.db, catalog.acme.principal, {
        catalog_id: catalog.acme.catalog_id,
        release_id,
        expand_relationships,
      });
    const plain = await read(releases[1] ?? '', false);
    expect(plain).not.toHaveProperty('dependencies');
    expect(plain._links.dependencies).toEqual([
      { href: `/v1/catalogs/${catalog.acme.catalog_id}/releases/${releases[0]}` },
    ]);
    expect((await read(releases[1] ?? '', true)).dependencies).toMatchObject([{ id: releases[0] }]);
    expect((await read(releases[0] ?? '', true)).dependants).toMatchObject([{ id: releases[1] }]);
  });

  test('of other organizations are not found', async () => {
    const own = { catalog_id: catalog.acme.catalog_id, release_id: releases[0] ?? '', expand_relationships: true };
    const release = await getRelease(catalog.db, catalog.acme.principal, own);
    expect(release.artifact.url).toBe('127.0.0.1:8080/acme/containers/debian-12/redis:7.0.15-debian-12-r0');
    await expect(getRelease(catalog.db, catalog.rival.principal, own)).rejects.toMatchObject(gone);
    await expect(
      getRelease(catalog.db, catalog.rival.principal, { ...own, catalog_id: catalog.rival.catalog_id }),
    ).rejects.toMatchObject(gone);
    await expect(getRelease(catalog.db, catalog.acme.principal, { ...own, release_id: 'zz' })).rejects.toMatchObject(
      gone,
    );
    const file = release.platform_release_metadata?.[0]?.release_metadata[0];
    const asked = { catalog_id: own.catalog_id, digest: file?.id ?? '', filename: 'another name' };
    expect(await getFile(catalog.db, catalog.acme.principal, asked)).toMatchObject({ filename: 'build.log' });
    await expect(getFile(catalog.db, catalog.rival.principal, asked)).rejects.toMatchObject(gone);
    await expect(getFile(catalog.db, catalog.acme.principal, { ...asked, digest: 'zz' })).rejects.toMatchObject(gone);
  });
});

describe('pipelines', () => {
  const list = (query: Partial<Parameters<typeof listPipelines>[2]> = {}) =>
    listPipelines(catalog.db, catalog.acme.principal, {
      catalog_id: catalog.acme.catalog_id,
      applications_only: false,
      order_field: 'STARTED_AT',
      order_direction: 'DESC',
      ...page,
      ...query,
    });

  test('are filtered and ordered', async () => {
    const all = await list();
    fits(PipelinesPage, all);
    expect(all.total_size).toBe(4);
    expect(all.items[0]).toMatchObject({ triggers: [{ type: 'CVE_PATCH', context: 'CVE-1' }], revision: '1' });
    expect((await list({ status: 'IN_PROGRESS' })).total_size).toBe(1);
    expect((await list({ release_id: releases[1] ?? '' })).items).toMatchObject([{ product: { key: 'nginx' } }]);
    expect(
      (await list({ application_id: applications[0] ?? '', registry_id: catalog.acme.registry_id })).total_size,
    ).toBe(2);
    expect((await list({ base_image_id: catalog.base })).total_size).toBe(4);
    expect((await list({ base_image_id: catalog.baseTrixie })).total_size).toBe(0);
    expect((await list({ packaging_type: 'OVA' })).total_size).toBe(0);
    expect((await list({ applications_only: true })).total_size).toBe(4);
    const byName = await list({ order_field: 'PRODUCT_NAME', order_direction: 'ASC' });
    expect(byName.items.map((item) => item.product.name)).toEqual(['NGINX', 'PostgreSQL', 'Redis', 'Redis']);
    const byDistribution = await list({ order_field: 'DISTRIBUTION_STARTED_AT' });
    expect(byDistribution.items.at(-1)?.status).toBe('IN_PROGRESS');
    for (const order_field of ['STATUS', 'PACKAGING_TYPE', 'REGISTRY_NAME', 'BASE_IMAGE_NAME'] as const) {
      expect((await list({ order_field })).items).toHaveLength(4);
    }
    expect((await list({ page: 2, page_size: 3 })).items).toHaveLength(1);
    await expect(list({ release_id: '0'.repeat(24) })).rejects.toMatchObject({ violations: [{ field: 'release_id' }] });
    await expect(list({ catalog_id: catalog.rival.catalog_id })).rejects.toMatchObject(gone);
    const own = { catalog_id: catalog.acme.catalog_id, pipeline_id: all.items[0]?.id ?? '' };
    expect(await getPipeline(catalog.db, catalog.acme.principal, own)).toEqual(all.items[0]);
    await expect(getPipeline(catalog.db, catalog.rival.principal, own)).rejects.toMatchObject(gone);
  });
});
