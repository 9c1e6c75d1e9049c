// If the package archive gets a newer version of a package that releases lock, the applications with this package are rebuilt
// once.
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { library, openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import type { PipelineTrigger } from '../contract/vocabulary.ts';
import { recordDiscovery } from './discovery.ts';
import { dropUnheldPackages, type LockedPackage, listHeldPackages, type PackageOffer } from './locked-packages.ts';

let catalog: TestCatalog;
let redis = '';
let nginx = '';
let products = library();

const SSL: LockedPackage = { name: 'libssl3', architecture: 'amd64', version: '3.0.15-1' };
const ZLIB: LockedPackage = { name: 'zlib1g', architecture: 'amd64', version: '1:1.2.13-1' };

beforeAll(async () => {
  catalog = await openTestCatalog();
  await catalog.baseMoves('base');
  const { application_ids } = await catalog.request(catalog.acme, ['redis', 'nginx']);
  [redis = '', nginx = ''] = application_ids;
  await catalog.finish(await catalog.openPipeline(redis), 'first', [SSL, ZLIB]);
  await catalog.finish(await catalog.openPipeline(nginx), 'first', [ZLIB]);
});
afterAll(() => catalog.drop());

/** Records a discovery that found these versions in the package archive. `triggers` are the triggers of the rebuilds. */
async function discover(offered: Record<string, string>, triggers: PipelineTrigger[] = [{ type: 'MAINTENANCE' }]) {
  const held = await listHeldPackages(catalog.db, 'debian-12');
  const offers = held.flatMap(({ id, name }): PackageOffer[] => {
    const version = offered[name];
    return version === undefined ? [] : [{ id, offered: version, triggers }];
  });
  return await catalog.write((tx) => recordDiscovery(tx, products, offers));
}

async function triggersOf(pipelineId: string): Promise<PipelineTrigger[] | undefined> {
  const row = await catalog.db
    .selectFrom('pipelines')
    .select('triggers')
    .where('id', '=', pipelineId)
    .executeTakeFirst();
  return row?.triggers;
}

test('lists the packages of the newest releases for an operating system', async () => {
  const held = await listHeldPackages(catalog.db, 'debian-12');
  expect(held.map(({ name, version, offered }) => [name, version, offered])).toEqual([
    ['libssl3', '3.0.15-1', null],
    ['zlib1g', '1:1.2.13-1', null],
  ]);
  expect(await listHeldPackages(catalog.db, 'debian-13')).toEqual([]);
});

test('an offer without triggers builds nothing', async () => {
  expect(await discover({ libssl3: SSL.version, zlib1g: ZLIB.version }, [])).toEqual({ pipelines: 0 });
});

test('a changed package rebuilds only the applications that contain it', async () => {
  expect(await discover({ libssl3: '3.0.16-1' }, [{ type: 'CVE_PATCH', context: 'CVE-2025-0001' }])).toEqual({
    pipelines: 1,
  });
  const pipeline = await catalog.openPipeline(redis);
  expect(await triggersOf(pipeline)).toEqual([{ type: 'CVE_PATCH', context: 'CVE-2025-0001' }]);
  expect(await catalog.openPipelines(nginx)).toEqual([]);
});

test('a recorded offer builds nothing, even if the plan did not take the package', async () => {
  const pipeline = await catalog.openPipeline(redis);
  expect(await discover({ libssl3: '3.0.16-1' })).toEqual({ pipelines: 0 });
  // Plans without the newer package, as if the recipe excluded it. So the plan equals the plan of the newest release.
  expect((await catalog.plan(pipeline, 'first')).outcome).toBe('UNCHANGED');
  expect(await discover({ libssl3: '3.0.16-1' })).toEqual({ pipelines: 0 });
  expect(await catalog.openPipelines(redis)).toEqual([]);
});

test('an application gets one pipeline with all triggers if several packages and versions change at once', async () => {
  const made = await catalog.write(async (tx) => {
    const held = await listHeldPackages(tx, 'debian-12');
    const offers = held.map(
      ({ id }, at): PackageOffer => ({
        id,
        offered: '9',
        triggers: [at === 0 ? { type: 'CVE_PATCH', context: 'CVE-2025-0002' } : { type: 'MAINTENANCE' }],
      }),
    );
    products = library({ redis: { version: '7.0.16' } });
    return await recordDiscovery(tx, products, offers);
  });
  expect(made).toEqual({ pipelines: 2 });
  expect(await triggersOf(await catalog.openPipeline(redis))).toEqual([
    { type: 'CVE_PATCH', context: 'CVE-2025-0002' },
    { type: 'MAINTENANCE' },
    { type: 'UPSTREAM_UPDATE' },
  ]);
  expect(await triggersOf(await catalog.openPipeline(nginx))).toEqual([{ type: 'MAINTENANCE' }]);
});

test('a release replaces the packages that were locked before, and unused packages are deleted', async () => {
  const moved = { ...SSL, version: '9' };
  await catalog.finish(await catalog.openPipeline(redis), 'second', [moved]);
  await catalog.finish(await catalog.openPipeline(nginx), 'second', [moved]);
  await catalog.write(dropUnheldPackages);
  const { rows } = await sql<{ version: string }>`select version from locked_packages`.execute(catalog.db);
  expect(rows).toEqual([{ version: '9' }]);
  expect(await discover({ libssl3: '9' }, [])).toEqual({ pipelines: 0 });
});

test('a removed application is not built again', async () => {
  await sql`update applications set removed_at = now() where id = ${nginx}`.execute(catalog.db);
  expect(await discover({ libssl3: '10' })).toEqual({ pipelines: 1 });
  expect(await catalog.openPipelines(nginx)).toEqual([]);
});
