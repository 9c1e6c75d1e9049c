// Names that are reserved for Larder. Clients cannot create repositories with such names, but may delete images that they
// pushed before the reservation.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf, openTestRegistry, type TestRegistry, testImage } from '../../test/registry.ts';
import { clientOf, type TestClient } from '../../test/registry-client.ts';
import { digestAt, errorOf, indexOf, pushBeforeReserved, pushRelease } from '../../test/registry-release.ts';
import { isReserved } from './names.ts';

let registry: TestRegistry;
let client: TestClient;

beforeAll(async () => {
  registry = await openTestRegistry();
  client = clientOf(registry);
});
afterAll(() => registry.close());

const own = testImage('own');

const RESERVED = [
  'acme/containers/golden/redis',
  'acme/charts/golden/redis',
  'acme/appliances/x',
  'acme/containers/a/b/c',
  'acme/charts-index',
];

async function isThere(name: string): Promise<boolean> {
  const { rows } = await registry.database.pool.query('select from repositories where name = $1', [name]);
  return rows.length > 0;
}

describe('a client', () => {
  test.each(RESERVED)('cannot push to %s, and the error gives the reason', async (name) => {
    await client.pushImage('acme/own/redis', 'v1', own);
    const mount = `/v2/${name}/blobs/uploads/?mount=${digestOf(own.layer)}&from=acme/own/redis`;
    const blob = `/v2/${name}/blobs/uploads/?digest=${digestOf('x')}`;
    for (const answer of [
      await client.call('POST', `/v2/${name}/blobs/uploads/`),
      await client.call('POST', mount),
      await client.call('POST', blob, { body: 'x' }),
      await client.putManifest(name, 'latest', own.manifest),
      await client.putManifest(name, own.digest, own.manifest),
    ]) {
      const { status, code, message } = await errorOf(answer);
      expect([status, code]).toEqual([403, 'DENIED']);
      expect(message).toContain(`${name} is a reserved name`);
      expect(message).toContain('acme/own/');
    }
    expect(await isThere(name)).toBe(false);
  });

  test.each([
    'acme/containers',
    'acme/container/x',
    'acme/my/containers/x',
    'acme/chartsmuseum/x',
    'acme/own/containers',
    'acme/charts-index/x',
  ])('can push to %s', async (name) => {
    expect(isReserved(name)).toBe(false);
    await client.pushImage(name, 'v1', own);
  });

  test('can push no version to a repository from before the reservation, and can delete its content', async () => {
    const name = 'acme/containers/golden/nginx';
    await pushBeforeReserved(registry, client, { name, tag: 'v1', image: testImage('earlier') });
    const { digest } = testImage('earlier');
    expect(await errorOf(await client.putManifest(name, 'v2', testImage('earlier').manifest))).toMatchObject({
      status: 403,
      code: 'DENIED',
    });
    expect(await digestAt(client, name, 'v1')).toBe(digest);
    expect((await client.call('DELETE', `/v2/${name}/manifests/v1`)).status).toBe(202);
    expect((await client.call('DELETE', `/v2/${name}/manifests/${digest}`)).status).toBe(202);
  });

  test('does not block a release with an earlier push', async () => {
    const name = 'acme/containers/golden/memcached';
    await pushBeforeReserved(registry, client, { name, tag: 'latest', image: testImage('squatter') });
    const image = testImage('released');
    await pushRelease(registry, { name, image, tags: ['1.6.18-debian-12-r0', 'latest'] });
    expect(await digestAt(client, name, 'latest')).toBe(digestOf(indexOf(image)));
    expect((await client.call('DELETE', `/v2/${name}/manifests/latest`)).status).toBe(403);
  });
});
