// Larder's registry client with its hosted registry: the suite of all targets, and the capabilities that only this registry
// has.
import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryContent } from '../src/content/memory.ts';
import { createEgress, type Egress } from '../src/egress/egress.ts';
import { contentTarget } from '../src/oci/content-target.ts';
import { copyArtifact } from '../src/oci/copy.ts';
import { type Descriptor, MEDIA_TYPES } from '../src/oci/descriptor.ts';
import { describeBytes, once, putDocument } from '../src/oci/manifest.ts';
import { openRegistry } from '../src/oci/remote/remote-repository.ts';
import { startFaultyProxy } from './faulty-proxy.ts';
import { openTestRegistry, type TestRegistry } from './registry.ts';
import { testTarget } from './suites/target-conformance.ts';

const TYPE = 'application/octet-stream';
const retry = { tries: 4, firstWaitMs: 5 };

function credentialsOf(server: TestRegistry) {
  return { username: 'anyone', password: server.acme.tokens.EDITOR };
}

testTarget('hosted registry over HTTP', async () => {
  const server = await openTestRegistry();
  const egress = createEgress({ allow: ['127.0.0.1'] });
  const registry = openRegistry({ url: server.url, credentials: credentialsOf(server), egress, retry });
  return {
    target: registry.repository('acme/target'),
    neighbour: { target: registry.repository('acme/neighbour'), name: 'acme/neighbour' },
    async close() {
      egress.close();
      await server.close();
    },
  };
});

describe('client and hosted registry', () => {
  let server: TestRegistry;
  let egress: Egress;
  beforeAll(async () => {
    server = await openTestRegistry();
    egress = createEgress({ allow: ['127.0.0.1'] });
  });
  afterAll(async () => {
    egress.close();
    await server.close();
  });

  it('continue a broken upload after the bytes that the registry has', async () => {
    const proxy = await startFaultyProxy(server.url);
    const registry = openRegistry({ url: proxy.url, credentials: credentialsOf(server), egress, retry });
    const bytes = randomBytes(12_000_000);
    const blob = describeBytes(TYPE, bytes);
    let cuts = 3;
    const begins: number[] = [];
    proxy.fault = ({ method, headers }) => {
      if (method !== 'PATCH') {
        return undefined;
      }
      begins.push(Number(headers['content-range']?.split('-')[0]));
      return cuts-- > 0 ? { cutRequestAfter: 3_000_000 } : undefined;
    };
    const repository = registry.repository('acme/resumed');
    await repository.push(blob, async () => once(bytes));
    expect(begins).toEqual(begins.toSorted((a, b) => a - b));
    expect(begins.at(-1)).toBeGreaterThan(0);
    expect(
      proxy.seen.filter((line) => line.startsWith('POST')),
      'one rejected, one upload',
    ).toHaveLength(2);
    proxy.fault = () => undefined;
    expect((await buffer(await repository.fetch(blob))).equals(bytes)).toBe(true);
    await proxy.stop();
  });

  it('need three requests for a customized image after the first: mount, config, manifest', async () => {
    const store = memoryContent();
    const requests: string[] = [];
    const registry = openRegistry({
      url: server.url,
      credentials: credentialsOf(server),
      egress,
      onRequest: ({ method, status }) => requests.push(`${method} ${status}`),
    });
    const layerOf = async (size: number): Promise<Descriptor> => {
      const { digest } = await store.put(once(randomBytes(size)));
      return { mediaType: MEDIA_TYPES.layer, digest, size };
    };
    const imageOf = async (layers: Descriptor[], name: string) => {
      const config = await putDocument(store, MEDIA_TYPES.config, { architecture: 'amd64', os: 'linux', name });
      const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config, layers };
      return await putDocument(store, MEDIA_TYPES.manifest, manifest);
    };
    const [base, files] = [await layerOf(100_000), await layerOf(50_000)];
    const source = contentTarget(store);
    await copyArtifact(source, registry.repository('acme/first'), await imageOf([base, files], 'first'));
    await copyArtifact(source, registry.repository('acme/redis'), await imageOf([base], 'redis'));
    requests.length = 0;
    await copyArtifact(source, registry.repository('acme/redis'), await imageOf([base, files], 'customized'), {
      tags: ['7.0-r1'],
      isPresent: (digest) => digest === base.digest,
      mountFrom: (digest) => (digest === files.digest ? 'acme/first' : undefined),
    });
    expect(requests).toEqual(['POST 201', 'POST 201', 'PUT 201']);
  });
});
