// The hosted registry as a target of copies: the suite of all targets, and pushes of content that the store already has.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { basic, openTestRegistry, type TestRegistry } from '../../test/registry.ts';
import { testTarget } from '../../test/suites/target-conformance.ts';
import { memoryContent } from '../content/memory.ts';
import { contentTarget } from '../oci/content-target.ts';
import { copyArtifact } from '../oci/copy.ts';
import { type Descriptor, MEDIA_TYPES } from '../oci/descriptor.ts';
import { describeBytes, EMPTY_CONFIG, encodeDocument, once, readAtMost } from '../oci/manifest.ts';
import { hostedTarget } from './target.ts';

function targetOf(registry: TestRegistry, repository: string, organization_id: string | null = registry.acme.id) {
  return hostedTarget({ pool: registry.database.pool, content: registry.content, organization_id, repository });
}

testTarget('hosted registry', async () => {
  const registry = await openTestRegistry();
  return {
    target: targetOf(registry, 'acme/target'),
    neighbour: { target: targetOf(registry, 'acme/neighbour'), name: 'acme/neighbour' },
    close: registry.close,
  };
});

describe('rows over shared content', () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await openTestRegistry();
  });
  afterAll(() => registry.close());

  const never = async (): Promise<never> => {
    throw new Error('the content is in the store already');
  };

  async function hold(value: object): Promise<Descriptor> {
    const bytes = encodeDocument(value);
    await registry.content.put(once(bytes));
    return describeBytes(MEDIA_TYPES.manifest, bytes);
  }

  function artifact(name: string): object {
    return {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.manifest,
      artifactType: 'application/vnd.test',
      config: EMPTY_CONFIG,
      layers: [EMPTY_CONFIG],
      annotations: { name },
    };
  }

  test('a push of stored content reads nothing, and its image can be pulled', async () => {
    const manifest = await hold(artifact('held'));
    await registry.content.put(once(Buffer.from('{}')));
    const target = targetOf(registry, 'acme/containers/debian-12/redis');
    await target.push(EMPTY_CONFIG, never);
    await target.pushTagged?.(manifest, never, '7.0.15-debian-12-r0');
    const url = `${registry.url}/v2/acme/containers/debian-12/redis/manifests/7.0.15-debian-12-r0`;
    const pulled = await fetch(url, { headers: basic(registry.acme.tokens.VIEWER) });
    expect(pulled.headers.get('docker-content-digest')).toBe(manifest.digest);
  });

  test('a manifest with a missing blob is rejected and not visible', async () => {
    const target = targetOf(registry, 'acme/early');
    const manifest = await hold({ ...artifact('early'), layers: [describeBytes('application/x', randomBytes(9))] });
    await expect(target.push(manifest, never)).rejects.toMatchObject({
      code: 'MANIFEST_BLOB_UNKNOWN',
      temporary: false,
    });
    expect(await target.resolve(manifest.digest)).toBeUndefined();
  });

  /** Stores an index with one manifest, which has one layer. */
  async function image(name: string): Promise<{ manifest: Descriptor; index: Descriptor; layer: Descriptor }> {
    const layerBytes = randomBytes(20);
    const layer = describeBytes(MEDIA_TYPES.layer, layerBytes);
    await registry.content.put(once(layerBytes));
    await registry.content.put(once(Buffer.from('{}')));
    const manifest = await hold({ ...artifact(name), layers: [layer] });
    const indexBytes = encodeDocument({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [manifest] });
    await registry.content.put(once(indexBytes));
    return { manifest, index: describeBytes(MEDIA_TYPES.index, indexBytes), layer };
  }

  test('one statement makes a stored artifact visible, also when it is repeated', async () => {
    const asked: string[] = [];
    const pool = new Proxy(registry.database.pool, {
      get: (of, name) => {
        if (name !== 'query') return Reflect.get(of, name);
        return (query: { name: string }) => {
          asked.push(query.name);
          return of.query(query as never);
        };
      },
    });
    const options = { pool, content: registry.content, organization_id: registry.acme.id };
    const { manifest, index, layer } = await image('whole');
    const tags = ['1.0.0-debian-12-r0', '1.0', '1'];
    await targetOf(registry, 'acme/whole').push(EMPTY_CONFIG, never);
    const target = hostedTarget({ ...options, repository: 'acme/whole' });
    for (let times = 0; times < 2; times += 1)
      await copyArtifact(contentTarget(registry.content), target, index, { tags });
    expect(asked).toEqual(['registry_link_artifact', 'registry_link_artifact']);
    for (const tag of tags) expect(await target.resolve(tag)).toEqual(index);
    expect(await target.resolve(manifest.digest)).toEqual(manifest);
    expect(await target.exists(layer)).toBe(true);
    const uses = await registry.database.db
      .selectFrom('content_uses')
      .select('digest')
      .where('kind', '=', 'repository')
      .where('digest', 'in', [manifest.digest, index.digest, layer.digest])
      .execute();
    expect(uses).toHaveLength(3);
  });

  test('an artifact whose immutable tag names another one is rejected completely', async () => {
    const target = targetOf(registry, 'acme/rejected-whole');
    const [first, second] = [await image('one'), await image('two')];
    const copy = (root: Descriptor) =>
      copyArtifact(contentTarget(registry.content), target, root, { tags: ['2.0.0-debian-12-r0', 'latest'] });
    await copy(first.index);
    await expect(copy(second.index)).rejects.toMatchObject({ code: 'DENIED', side: 'target', temporary: false });
    expect(await target.resolve('latest')).toEqual(first.index);
    expect(await target.resolve(second.manifest.digest)).toBeUndefined();
  });

  test('an artifact that the store has in part is copied blob by blob', async () => {
    const source = memoryContent();
    const { manifest, layer } = await image('partly');
    const bytes = await readAtMost(await registry.content.open(manifest.digest), 1000);
    const layerBytes = await readAtMost(await registry.content.open(layer.digest), 1000);
    for (const part of [bytes, layerBytes, Buffer.from('{}')]) await source.put(once(part));
    await registry.content.delete(layer.digest);
    const target = targetOf(registry, 'acme/partly');
    await copyArtifact(contentTarget(source), target, manifest, { tags: ['v1'] });
    expect(await target.resolve('v1')).toEqual(manifest);
    expect(await registry.content.stat(layer.digest)).toBeDefined();
  });

  test('an immutable tag is not moved, and the next revision gets its own tag', async () => {
    const target = targetOf(registry, 'acme/immutable');
    const [first, second] = [await hold(artifact('first')), await hold(artifact('second'))];
    await target.push(EMPTY_CONFIG, async () => once(Buffer.from('{}')));
    for (const manifest of [first, second]) {
      await target.push(manifest, never);
    }
    await target.tag(first, '1.2.3-debian-12-r0');
    await target.tag(first, '1.2.3-debian-12-r0');
    await expect(target.tag(second, '1.2.3-debian-12-r0')).rejects.toMatchObject({
      code: 'DENIED',
      side: 'target',
      temporary: false,
    });
    await target.tag(second, '1.2.3-debian-12-r1');
    expect(await target.resolve('1.2.3-debian-12-r0')).toEqual(first);
  });

  test('names outside the namespace are rejected, in both directions', async () => {
    const bytes = randomBytes(10);
    const blob = describeBytes('application/octet-stream', bytes);
    for (const target of [
      targetOf(registry, 'rival/app'),
      targetOf(registry, 'base/debian'),
      targetOf(registry, 'acme/app', null),
    ]) {
      await expect(target.push(blob, async () => once(bytes))).rejects.toMatchObject({ code: 'DENIED' });
    }
    await targetOf(registry, 'base/debian', null).push(blob, async () => once(bytes));
    expect(await targetOf(registry, 'base/debian').exists(blob)).toBe(true);
  });

  test('a descriptor with another size than the content is rejected', async () => {
    const { digest } = await registry.content.put(once(randomBytes(10)));
    const target = targetOf(registry, 'acme/sizes');
    await expect(target.push({ mediaType: 'application/x', digest, size: 11 }, never)).rejects.toMatchObject({
      code: 'SIZE_INVALID',
    });
  });

  test('a push renews the age of content, so that no sweep deletes it before its row exists', async () => {
    const { digest, size } = await registry.content.put(once(randomBytes(10)));
    const before = (await registry.content.stat(digest))?.touchedAt.getTime() ?? Number.NaN;
    await expect.poll(() => Date.now()).toBeGreaterThan(before);
    await targetOf(registry, 'acme/touched').push({ mediaType: 'application/x', digest, size }, never);
    expect((await registry.content.stat(digest))?.touchedAt.getTime()).toBeGreaterThan(before);
  });
});
