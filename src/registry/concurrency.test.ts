// Concurrent requests for the same names. Every visible artifact is complete, and immutable tags never move.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { descriptorOf, digestOf, openTestRegistry, type TestRegistry, testImage } from '../../test/registry.ts';
import { clientOf, type TestClient } from '../../test/registry-client.ts';
import { MEDIA_TYPES } from '../oci/descriptor.ts';

let registry: TestRegistry;
let client: TestClient;

beforeAll(async () => {
  registry = await openTestRegistry();
  client = clientOf(registry);
});
afterAll(() => registry.close());

const images = Array.from({ length: 8 }, (_, n) => testImage(`concurrent-${n}`));

test('exactly one of eight concurrent pushes to an immutable tag succeeds', async () => {
  for (const image of images) {
    await client.pushImage('acme/race', image.digest, image);
  }
  const tag = '1.0.0-debian-12-r0';
  const answers = await Promise.all(images.map((image) => client.putManifest('acme/race', tag, image.manifest)));
  const winners = images.filter((_, n) => answers[n]?.status === 201);
  expect(answers.map(({ status }) => status).toSorted()).toEqual([201, ...Array(7).fill(403)]);
  expect(await (await client.call('GET', `/v2/acme/race/manifests/${tag}`)).text()).toBe(winners[0]?.manifest);
});

test('eight concurrent pushes to a rolling tag succeed, and the tag names one of the images', async () => {
  const answers = await Promise.all(images.map((image) => client.putManifest('acme/race', 'latest', image.manifest)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
  const text = await (await client.call('GET', '/v2/acme/race/manifests/latest')).text();
  expect(images.map(({ manifest }) => manifest)).toContain(text);
});

test('eight concurrent pushes of one blob to a new repository succeed', async () => {
  const bytes = Buffer.alloc(300_000, 'same');
  await Promise.all(images.map(() => client.pushBlob('acme/new/at/once', bytes)));
  const blob = await client.call('GET', `/v2/acme/new/at/once/blobs/${digestOf(bytes)}`);
  expect(Buffer.from(await blob.arrayBuffer()).equals(bytes)).toBe(true);
});

/** Returns a generator of random numbers. The same seed gives the same numbers, so that a failure can be repeated. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/**
 * Pulls a manifest and returns how many of its parts are missing. Returns undefined if its tag or digest was deleted or moved
 * during the pull.
 */
async function pullWhole(name: string, reference: string): Promise<number | undefined> {
  const response = await client.call('GET', `/v2/${name}/manifests/${reference}`);
  if (response.status === 404) {
    return undefined;
  }
  const manifest = (await response.json()) as {
    config?: { digest: string };
    layers?: { digest: string }[];
    manifests?: { digest: string }[];
  };
  const parts = [
    ...[manifest.config, ...(manifest.layers ?? [])].flatMap((part) => (part ? [`blobs/${part.digest}`] : [])),
    ...(manifest.manifests ?? []).map(({ digest }) => `manifests/${digest}`),
  ];
  const missing: string[] = [];
  for (const part of parts) {
    if ((await client.call('HEAD', `/v2/${name}/${part}`)).status !== 200) {
      missing.push(part);
    }
  }
  const stillThere = (await client.call('HEAD', `/v2/${name}/manifests/${reference}`)).headers.get(
    'docker-content-digest',
  );
  return stillThere === response.headers.get('docker-content-digest') ? missing.length : undefined;
}

test('during pushes, deletes and mounts, everything that a name refers to is complete', async () => {
  const name = 'acme/churn';
  const pool = images.slice(0, 4);
  const index = (of: typeof pool) =>
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.index,
      manifests: of.map(({ manifest }) => descriptorOf(manifest, MEDIA_TYPES.manifest)),
    });
  await client.pushImage(name, 'seed', testImage('seed'));
  const act = async (pick: (below: number) => number) => {
    const image = pool[pick(pool.length)] ?? testImage('none');
    switch (pick(8)) {
      case 0:
        return await client.call('DELETE', `/v2/${name}/manifests/${image.digest}`);
      case 1:
        return await client.call('DELETE', `/v2/${name}/blobs/${digestOf(image.layer)}`);
      case 2:
        return await client.call('DELETE', `/v2/${name}/manifests/tag-${pick(3)}`);
      case 3:
        return await client.putManifest(name, `tag-${pick(3)}`, index(pool.slice(0, 2)), MEDIA_TYPES.index);
      case 4:
        return await client.call('DELETE', `/v2/${name}/manifests/${digestOf(index(pool.slice(0, 2)))}`);
      case 5:
        return await client.call('POST', `/v2/${name}/blobs/uploads/?mount=${digestOf(image.layer)}&from=acme/race`);
      default:
        await client.pushBlob(name, image.config);
        await client.pushBlob(name, image.layer);
        return await client.putManifest(name, `tag-${pick(3)}`, image.manifest);
    }
  };
  let incomplete = 0;
  let looked = 0;
  const worker = async (seed: number) => {
    const pick = generator(seed);
    for (let step = 0; step < 60; step += 1) {
      expect((await act(pick)).status).toBeLessThan(500);
      const missing = await pullWhole(name, `tag-${pick(3)}`);
      incomplete += missing ?? 0;
      looked += missing === undefined ? 0 : 1;
    }
  };
  await Promise.all([1, 2, 3, 4, 5, 6].map(worker));
  expect(incomplete).toBe(0);
  expect(looked).toBeGreaterThan(50);
  const { rows } = await registry.database.pool.query(
    `select m.digest from repository_manifests m, unnest(m.refers_to) part
     where not exists (select from repository_blobs b where b.repository_id = m.repository_id and b.digest = part)
       and not exists (select from repository_manifests c where c.repository_id = m.repository_id and c.digest = part)
     union all
     select digest from (select repository_id, digest from repository_blobs union all select repository_id, digest from repository_manifests) held
     where not exists (select from content_uses u where u.digest = held.digest and u.kind = 'repository' and u.id = held.repository_id::text)
     union all
     select digest from content_uses u where kind = 'repository'
       and not exists (select from repository_blobs b where b.digest = u.digest and b.repository_id::text = u.id)
       and not exists (select from repository_manifests m where m.digest = u.digest and m.repository_id::text = u.id)`,
  );
  expect(rows).toEqual([]);
});
