// Finds the image of a platform in an index.
import { expect, test } from 'vitest';
import { type Descriptor, type Digest, type Index, type Manifest, MEDIA_TYPES, type Platform } from './descriptor.ts';
import { findPlatformImage } from './platform-image.ts';

const digest = (name: string): Digest => `sha256:${Buffer.from(name).toString('hex').padEnd(64, '0').slice(0, 64)}`;
const named = (name: string, mediaType: string, more: Partial<Descriptor> = {}): Descriptor => ({
  mediaType,
  digest: digest(name),
  size: 1,
  ...more,
});
const image = (name: string, platform?: Platform, more: Partial<Descriptor> = {}) =>
  named(name, MEDIA_TYPES.manifest, { ...(platform && { platform }), ...more });
const index = (name: string, platform?: Platform) => named(name, MEDIA_TYPES.index, platform && { platform });
const amd64 = { os: 'linux', architecture: 'amd64' };
const v = (variant: string) => ({ ...amd64, variant });

async function found(
  indexes: Record<string, Descriptor[]>,
  { root = index('root'), platform = amd64 }: { root?: Descriptor; platform?: Platform } = {},
) {
  const documents = new Map(
    Object.entries(indexes).map(([name, manifests]): [Digest, Index] => [
      digest(name),
      { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests },
    ]),
  );
  const read = async (descriptor: Descriptor): Promise<Manifest | Index | undefined> =>
    documents.get(descriptor.digest);
  return await findPlatformImage(root, platform, read);
}

test('returns a root that is an image itself', async () => {
  expect(await found({}, { root: image('alone') })).toEqual({
    image: image('alone'),
    chain: new Set([digest('alone')]),
  });
});

test.each<[string, Descriptor[], string]>([
  ['the plain variant before others', [image('3', v('v3')), image('2', v('v2')), image('plain', amd64)], 'plain'],
  ['v1 of amd64 as the plain variant', [image('3', v('v3')), image('1', v('v1'))], '1'],
  ['the lowest variant if none is plain', [image('4', v('v4')), image('3', v('v3'))], '3'],
  ['the first of two equal images', [image('a', amd64), image('b', amd64)], 'a'],
  ['an image with a platform before one without', [image('a'), image('b', amd64)], 'b'],
  ['an image without a platform if no other fits', [image('a', { ...amd64, os: 'windows' }), image('b')], 'b'],
  [
    'no attestation',
    [image('a', undefined, { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } }), image('b')],
    'b',
  ],
])('selects %s', async (_, manifests, expected) => {
  expect((await found({ root: manifests }))?.image.digest).toBe(digest(expected));
});

test('reads nested indexes, and skips missing ones and those of another platform', async () => {
  const answer = await found({
    root: [index('gone'), index('arm', { os: 'linux', architecture: 'arm64' }), index('a'), index('b')],
    arm: [image('wrong', amd64)],
    a: [image('3', v('v3'))],
    b: [index('a'), index('c')],
    c: [image('plain', amd64)],
  });
  expect(answer).toEqual({
    image: image('plain'),
    chain: new Set([digest('root'), digest('b'), digest('c'), digest('plain')]),
  });
});

test('returns undefined if no image fits', async () => {
  expect(await found({ root: [image('a', { os: 'linux', architecture: 's390x' })] })).toBeUndefined();
});

test('rejects too many and too deeply nested indexes', async () => {
  const many = Array.from({ length: 70 }, (_, at) => index(`i${at}`));
  const wide = Object.fromEntries(many.map((_, at) => [`i${at}`, []]));
  await expect(found({ root: many, ...wide })).rejects.toThrow('more than 64 indexes');
  const deep = Object.fromEntries(many.map((_, at) => [`i${at}`, [index(`i${at + 1}`)]]));
  await expect(found({ root: [index('i0')], ...deep })).rejects.toThrow('nested deeper than 8');
});
