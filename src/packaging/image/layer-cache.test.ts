// The cache of layers. Concurrent builds share one layer, and any different input gives another layer.
import { describe, expect, test } from 'vitest';
import { inspect, packed, rootfs } from '../../../test/fixtures/customization.ts';
import { chunked } from '../../../test/fixtures/tar.ts';
import { memoryContent } from '../../content/memory.ts';
import type { Digest } from '../../oci/descriptor.ts';
import { type BuiltLayer, writeLayer } from '../../oci/layer.ts';
import { openBuildLog } from '../../sandbox/build-log.ts';
import { exclusiveBy, keyedLocks } from '../../sandbox/exclusive.ts';
import type { ListingEntry } from '../../tar/listing-entry.ts';
import { buildFilesLayer } from './customization-layer.ts';
import { cachedLayer, type LayerCache } from './layer-cache.ts';

const log = openBuildLog({ write: () => undefined });
const INPUTS = { kind: 'test', archive: 'one' };

function memoryCache(): LayerCache {
  const layers = new Map<Digest, BuiltLayer>();
  return { get: async (key) => layers.get(key), set: async (key, layer) => void layers.set(key, layer) };
}

function openContext() {
  const content = memoryContent();
  const header = { path: 'a', type: 'file' as const, mode: 0o644, uid: 0, gid: 0, size: 1, mtime: 0 };
  const make = () => writeLayer(content, [{ header, body: [Buffer.from('a')] }]);
  const exclusive = exclusiveBy(keyedLocks());
  return { context: { cache: memoryCache(), content, exclusive, log, step: 'test' }, make };
}

describe('concurrent builds of one layer', () => {
  test('build it once, and later builds find it', async () => {
    const { context, make } = openContext();
    let builds = 0;
    const build = async () => {
      builds += 1;
      return await make();
    };
    const layers = await Promise.all(Array.from({ length: 8 }, () => cachedLayer(context, INPUTS, build)));
    layers.push(await cachedLayer(context, INPUTS, build));
    expect(new Set(layers.map((layer) => layer?.diff_id)).size).toBe(1);
    expect(builds).toBe(1);
  });

  test('build it again after a failure, which only the failed build throws', async () => {
    const { context, make } = openContext();
    const failing = cachedLayer(context, INPUTS, async () => await Promise.reject(new Error('ended')));
    const others = [cachedLayer(context, INPUTS, make), cachedLayer(context, INPUTS, make)];
    await expect(failing).rejects.toThrow('ended');
    expect((await Promise.all(others)).every((layer) => layer !== undefined)).toBe(true);
  });

  test('do not delay builds with other inputs', async () => {
    const { context, make } = openContext();
    const { promise, resolve } = Promise.withResolvers<BuiltLayer | undefined>();
    const held = cachedLayer(context, INPUTS, () => promise);
    expect(await cachedLayer(context, { ...INPUTS, archive: 'two' }, make)).toBeDefined();
    resolve(undefined);
    expect(await held).toBeUndefined();
  });
});

test('a layer whose content was deleted is built again', async () => {
  const { context, make } = openContext();
  const first = await cachedLayer(context, INPUTS, make);
  await context.content.delete(first?.descriptor.digest ?? 'sha256:');
  let builds = 0;
  await cachedLayer(context, INPUTS, async () => {
    builds += 1;
    return await make();
  });
  expect(builds).toBe(1);
});

/** Returns the inputs that identify a files layer in the cache. */
async function keyOf(
  wanted: { text?: string; epoch?: number; below?: ListingEntry[] } = {},
): Promise<{ inputs: object; diffId: string | undefined }> {
  const content = memoryContent();
  const entries = [rootfs('lib/company', { content: wanted.text ?? 'acme' })];
  const { digest: archive } = await content.put(chunked(await packed(entries)));
  let inputs: object = {};
  const { layer } = await buildFilesLayer({
    content,
    archive,
    inspection: await inspect(entries),
    below: new Map((wanted.below ?? []).map((one) => [one.path, one])),
    epoch: wanted.epoch ?? 1_700_000_000,
    readBelow: async () => undefined,
    reuse: async (given, make) => {
      inputs = given;
      return await make();
    },
  });
  return { inputs, diffId: layer?.diff_id };
}

describe('the key of a files layer', () => {
  const link: ListingEntry = { path: 'lib', type: 'symlink', mode: 0o777, uid: 0, gid: 0, size: 0, target: 'usr/lib' };
  const folder = (path: string, mode = 0o755): ListingEntry => ({
    path,
    type: 'folder',
    mode,
    uid: 0,
    gid: 0,
    size: 0,
  });

  test('is the same for images that differ only in other folders', async () => {
    const one = await keyOf({ below: [folder('lib')] });
    const other = await keyOf({ below: [folder('lib'), folder('srv', 0o700)] });
    expect(other).toEqual(one);
  });

  test.each([
    ['another archive', { text: 'other', below: [folder('lib')] }],
    ['another time', { epoch: 1_600_000_000, below: [folder('lib')] }],
    ['another mode of a parent folder', { below: [folder('lib', 0o700)] }],
    ['a link in the path', { below: [link, folder('usr'), folder('usr/lib')] }],
  ])('changes with %s, and so does the layer', async (_why, wanted) => {
    const one = await keyOf({ below: [folder('lib')] });
    const other = await keyOf(wanted);
    expect(other.inputs).not.toEqual(one.inputs);
    expect(other.diffId).not.toBe(one.diffId);
  });
});
