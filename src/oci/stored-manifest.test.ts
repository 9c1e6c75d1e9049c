// Reads stored manifests and indexes, within the limits of an image. A manifest is rejected as an index, and an index as a
// manifest.
import { expect, it } from 'vitest';
import { memoryContent } from '../content/memory.ts';
import { type Descriptor, MEDIA_TYPES } from './descriptor.ts';
import { EMPTY_CONFIG, putDocument } from './manifest.ts';
import { readIndex, readManifest } from './stored-manifest.ts';

const layer: Descriptor = { ...EMPTY_CONFIG, mediaType: MEDIA_TYPES.layer };
const manifest = (layers: number) => ({ schemaVersion: 2, config: EMPTY_CONFIG, layers: Array(layers).fill(layer) });
const index = { schemaVersion: 2, manifests: [{ ...EMPTY_CONFIG, mediaType: MEDIA_TYPES.manifest }] };

async function stored(mediaType: string, document: object) {
  const content = memoryContent();
  return { content, descriptor: await putDocument(content, mediaType, document) };
}

it('reads a manifest of 127 layers and rejects one of 128', async () => {
  const { content, descriptor } = await stored(MEDIA_TYPES.manifest, manifest(127));
  expect((await readManifest(content, descriptor)).layers).toHaveLength(127);
  const more = await stored(MEDIA_TYPES.manifest, manifest(128));
  await expect(readManifest(more.content, more.descriptor)).rejects.toThrow(
    'the image has 128 layers, and at most 127',
  );
});

it('rejects an index as a manifest, and a manifest as an index', async () => {
  const { content, descriptor } = await stored(MEDIA_TYPES.index, index);
  expect((await readIndex(content, descriptor)).manifests).toEqual(index.manifests);
  await expect(readManifest(content, descriptor)).rejects.toThrow('found an index, expected the manifest of one image');
  const one = await stored(MEDIA_TYPES.manifest, manifest(1));
  await expect(readIndex(one.content, one.descriptor)).rejects.toThrow(
    'found the manifest of one image, expected an index',
  );
});

it('rejects a document of another type than announced, and does not open one that is too large', async () => {
  const { content, descriptor } = await stored(MEDIA_TYPES.index, { ...index, mediaType: MEDIA_TYPES.index });
  const announced = { ...descriptor, mediaType: MEDIA_TYPES.manifest };
  await expect(readManifest(content, announced)).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
  const large = { ...content, stat: async () => ({ size: 5_000_000, touchedAt: new Date() }) };
  await expect(readIndex(large, descriptor)).rejects.toMatchObject({ code: 'MANIFEST_TOO_LARGE' });
});
