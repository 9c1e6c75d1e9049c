// The content of all organizations is in one store. To know a digest must not be enough to get the bytes.
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import type { ByteRange } from '../../src/content/content.ts';
import { memoryContent } from '../../src/content/memory.ts';
import { contentTarget } from '../../src/oci/content-target.ts';
import { copyArtifact } from '../../src/oci/copy.ts';
import { type Descriptor, MEDIA_TYPES } from '../../src/oci/descriptor.ts';
import { EMPTY_CONFIG, EMPTY_CONFIG_BYTES, once, putDocument } from '../../src/oci/manifest.ts';
import type { Source } from '../../src/oci/target.ts';

test('a base image cannot use a layer of another organization that its own registry does not have', async () => {
  const store = memoryContent();
  const secret = Buffer.from('a layer that another organization pushed, and nobody else may read'.repeat(1000));
  const { digest, size } = await store.put(once(secret));

  const hostile = memoryContent();
  await hostile.put(once(EMPTY_CONFIG_BYTES));
  const root: Descriptor = await putDocument(hostile, MEDIA_TYPES.manifest, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config: EMPTY_CONFIG,
    layers: [{ mediaType: MEDIA_TYPES.layer, digest, size }],
  });
  const asked: string[] = [];
  const source: Source = {
    resolve: async () => root,
    async fetch(descriptor) {
      asked.push(descriptor.digest);
      return Readable.from(await hostile.open(descriptor.digest));
    },
  };
  // Copies with the same options as the job `follow-base-image`.
  const copying = copyArtifact(source, contentTarget(store), root, { sourceMustHold: true });
  await expect(copying).rejects.toMatchObject({ name: 'RegistryError', side: 'source' });
  expect(asked).toContain(digest);

  // Other bytes instead of the layer must be rejected too.
  await expect(
    copyArtifact(
      { ...source, fetch: async (blob, range) => (blob.digest === digest ? guess(range) : source.fetch(blob)) },
      contentTarget(store),
      root,
      { sourceMustHold: true },
    ),
  ).rejects.toThrow();

  // If a registry has the layer, Larder reads only a part of it.
  await hostile.put(once(secret));
  const read: (ByteRange | undefined)[] = [];
  await copyArtifact(
    {
      ...source,
      fetch: async (blob, range) => {
        if (blob.digest === digest) read.push(range);
        return Readable.from(await hostile.open(blob.digest, range));
      },
    },
    contentTarget(store),
    root,
    { sourceMustHold: true },
  );
  expect(read).toEqual([{ start: expect.any(Number), end: expect.any(Number) }]);

  function guess({ start, end }: ByteRange = { start: 0, end: size - 1 }) {
    return Readable.from([Buffer.alloc((end ?? size - 1) - start + 1, 'a')], { objectMode: false });
  }
});
