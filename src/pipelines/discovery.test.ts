// Discovery stores and withdraws products and branches. A repetition changes nothing. Also tests the first rows of an
// installation.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digestOf, library, nobody, openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { sampleArtifact, sampleLayer, samplePin } from '../../test/stored-values.ts';
import {
  ensureDefaultCatalog,
  ensureHostedRegistry,
  ensureOperatingSystems,
  ensureSharedBaseImages,
  followPublicUrl,
} from '../catalog/initial-rows.ts';
import { listOfferings } from '../catalog/offerings.ts';
import { getRegistry } from '../catalog/registries.ts';
import { recordRegistryHealth } from '../catalog/registry-checks.ts';
import { findFollowedBaseImage, listFollowedBaseImages, recordBaseImageVersion } from './base-image-versions.ts';
import {
  findRegistryBlobs,
  recordArtifact,
  recordBuiltLayer,
  recordRegistryBlobs,
  useArtifact,
  useBuiltLayer,
} from './built.ts';
import { recordDiscovery } from './discovery.ts';

let catalog: TestCatalog;
beforeAll(async () => {
  catalog = await openTestCatalog();
});
afterAll(() => catalog.drop());

const offerings = async (query: Partial<Parameters<typeof listOfferings>[2]> = {}) =>
  (
    await listOfferings(catalog.db, catalog.acme.principal, {
      order_field: 'PRODUCT_KEY',
      order_direction: 'ASC',
      page: 1,
      page_size: 20,
      ...query,
    })
  ).items;

test('a product without a recipe is deprecated, and active again when the recipe returns', async () => {
  const all = library();
  await catalog.write((tx) => recordDiscovery(tx, all.slice(1)));
  expect((await offerings({ statuses: ['DEPRECATED'] })).map((item) => item.product.key)).toEqual(['redis']);
  await expect(catalog.request(catalog.acme, ['redis'])).rejects.toMatchObject({ code: 'INVALID' });
  await catalog.write((tx) => recordDiscovery(tx, all));
  expect(await offerings({ statuses: ['DEPRECATED'] })).toEqual([]);
});

test('a branch that left the archive cannot be requested there; without a query of the archive, offerings stay', async () => {
  const [redis, ...others] = library();
  if (!redis) throw new Error('no redis');
  const moved = { branch: '7.2', version: '7.2.1', purl: 'pkg:deb/debian/redis@7.2.1-1' };
  await catalog.write((tx) =>
    recordDiscovery(tx, [{ ...redis, found: [{ operating_system: 'debian-12', versions: [moved] }] }, ...others]),
  );
  const found = await offerings({ product_key: 'redis' });
  expect(found.map((item) => [item.branch, item.operating_systems.length])).toEqual([
    ['7.0', 0],
    ['7.2', 1],
  ]);
  await catalog.write((tx) => recordDiscovery(tx, [{ ...redis, found: [] }, ...others]));
  expect(await offerings({ product_key: 'redis' })).toEqual(found);
  await expect(
    catalog.write((tx) => recordDiscovery(tx, [{ ...redis, found: [{ operating_system: 'plan-9', versions: [] }] }])),
  ).rejects.toThrow(/plan-9/);
});

test('the first rows are written once', async () => {
  const again = await catalog.write(async (tx) => {
    await ensureOperatingSystems(tx, [
      { key: 'debian-12', name: 'Debian 12', distro: 'debian', version: '12', codename: 'bookworm' },
    ]);
    const images = await ensureSharedBaseImages(tx, [
      { name: 'Debian 12', description: '', container_image: 'base/debian:12', operating_system: 'debian-12' },
    ]);
    const made = await ensureDefaultCatalog(tx, catalog.acme.principal.organization_id);
    const registry = await ensureHostedRegistry(tx, catalog.acme.principal.organization_id, 'http://127.0.0.1:8080');
    return { images, catalog: made.id, registry: registry.id };
  });
  expect(again).toEqual({
    images: [catalog.base],
    catalog: catalog.acme.catalog_id,
    registry: catalog.acme.registry_id,
  });
});

test('hosted registries follow the public address', async () => {
  await catalog.write((tx) => followPublicUrl(tx, 'https://larder.example/'));
  const own = { registry_id: catalog.acme.registry_id };
  expect((await getRegistry(catalog.db, catalog.acme.principal, own)).url).toBe('https://larder.example/acme');
  await catalog.write((tx) =>
    ensureHostedRegistry(tx, catalog.acme.principal.organization_id, 'http://127.0.0.1:9090'),
  );
  expect((await getRegistry(catalog.db, catalog.acme.principal, own)).url).toBe('http://127.0.0.1:9090/acme');
  await catalog.write((tx) => recordRegistryHealth(tx, { ...own, unhealthy_cause: 'connection refused' }));
  expect(await getRegistry(catalog.db, catalog.acme.principal, own)).toMatchObject({
    healthy: false,
    unhealthy_cause: 'connection refused',
  });
});

test('a base image changes with its digest, also back to an earlier one', async () => {
  expect(await findFollowedBaseImage(catalog.db, catalog.base)).toMatchObject({
    source: 'ARCHIVE',
    container_image: 'base/debian:12',
    operating_system: { codename: 'bookworm' },
    registry: null,
    newest_digest: null,
  });
  expect(await catalog.baseMoves('a')).toBe('FIRST');
  expect(await catalog.baseMoves('b')).toBe('MOVED');
  expect(await catalog.baseMoves('a')).toBe('MOVED');
  expect(await findFollowedBaseImage(catalog.db, catalog.base)).toMatchObject({ newest_digest: digestOf('a') });
  expect(await listFollowedBaseImages(catalog.db)).toHaveLength(2);
  const nothing = { base_image_id: nobody(), digest: digestOf('a'), pin: samplePin(), contents: [] };
  expect(await catalog.write((tx) => recordBaseImageVersion(tx, nothing))).toBe('DELETED');
});

test('stores the last artifact of a plan, the first layer of a key, and the blobs of a registry', async () => {
  const plan_digest = digestOf('plan');
  expect(await catalog.write((tx) => useArtifact(tx, plan_digest))).toBeUndefined();
  for (const made of ['first', 'second']) {
    await catalog.write((tx) => recordArtifact(tx, { plan_digest, artifact: sampleArtifact(made), contents: [] }));
    await catalog.write((tx) => recordBuiltLayer(tx, { key: 'key', layer: sampleLayer(made), contents: [] }));
  }
  expect(await catalog.write((tx) => useArtifact(tx, plan_digest))).toEqual(sampleArtifact('second'));
  expect(await catalog.write((tx) => useBuiltLayer(tx, 'key'))).toEqual(sampleLayer('first'));
  const place = { registry_id: catalog.acme.registry_id, repository: 'containers/redis' };
  const blobs = [digestOf('x'), digestOf('y')];
  await catalog.write((tx) => recordRegistryBlobs(tx, place, [...blobs, ...blobs]));
  expect([...(await findRegistryBlobs(catalog.db, place, blobs))]).toEqual([
    [digestOf('x'), 'containers/redis'],
    [digestOf('y'), 'containers/redis'],
  ]);
  const other = { ...place, repository: 'containers/nginx' };
  await catalog.write((tx) => recordRegistryBlobs(tx, other, blobs));
  const found = async (repository: string) =>
    (await findRegistryBlobs(catalog.db, { ...place, repository }, blobs)).get(blobs[0] ?? 'sha256:');
  expect(await found('containers/redis')).toBe('containers/redis');
  expect(await found('containers/nginx')).toBe('containers/nginx');
  expect(await found('containers/another')).toBe('containers/nginx');
});
