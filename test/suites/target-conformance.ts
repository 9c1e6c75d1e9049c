// The suite that every target of a copy must pass. The test of each kind of target runs it.
import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Descriptor, type Manifest, MEDIA_TYPES } from '../../src/oci/descriptor.ts';
import { describeBytes, EMPTY_CONFIG, EMPTY_CONFIG_BYTES, encodeDocument, once } from '../../src/oci/manifest.ts';
import type { Target } from '../../src/oci/target.ts';

type Opened = {
  target: Target;
  /** Another repository of the same registry, and its name. Absent if the target has no repositories. */
  neighbour?: { target: Target; name: string };
  close?: () => Promise<void>;
};

/** Declares the suite for one kind of target. `open` returns an empty target. */
export function testTarget(kind: string, open: () => Promise<Opened>): void {
  describe(`target: ${kind}`, () => {
    let opened: Opened;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.close?.());
    describe('blobs', () => testBlobs(() => opened));
    describe('manifests', () => testManifests(() => opened));
    describe('referrers', () => testReferrers(() => opened));
  });
}

const TYPE = 'application/octet-stream';

function testBlobs(opened: () => Opened): void {
  it.each([0, 1, 2, 1000, 100_000, 5_000_000])('stores a blob of %i bytes and returns it', async (size) => {
    const { target } = opened();
    const bytes = randomBytes(size);
    const blob = describeBytes(TYPE, bytes);
    expect(await target.exists(blob)).toBe(false);
    await target.push(blob, async () => once(bytes));
    expect(await target.exists(blob)).toBe(true);
    expect((await buffer(await target.fetch(blob))).equals(bytes)).toBe(true);
    await target.push(blob, async () => once(bytes));
  });

  it('returns ranges of a blob', async () => {
    const { target } = opened();
    const blob = describeBytes(TYPE, Buffer.from('0123456789'));
    await target.push(blob, async () => once(Buffer.from('0123456789')));
    const ranges = [{ start: 2, end: 4 }, { start: 7 }, { start: 8, end: 99 }];
    const parts = await Promise.all(ranges.map(async (range) => String(await buffer(await target.fetch(blob, range)))));
    expect(parts).toEqual(['234', '789', '89']);
  });

  it.each([100, 200_000, 5_000_000])('rejects %i bytes that do not have the digest', async (size) => {
    const { target } = opened();
    const blob = { ...describeBytes(TYPE, randomBytes(size)) };
    await expect(target.push(blob, async () => once(Buffer.alloc(size)))).rejects.toThrow();
    expect(await target.exists(blob)).toBe(false);
  });

  it('rejects fewer and more bytes than the descriptor says', async () => {
    const { target } = opened();
    const bytes = randomBytes(90_000);
    const blob = describeBytes(TYPE, bytes);
    for (const wrong of [bytes.subarray(1), Buffer.concat([bytes, bytes])]) {
      await expect(target.push(blob, async () => once(wrong))).rejects.toThrow();
    }
    expect(await target.exists(blob)).toBe(false);
  });

  it('stores nothing of a source that breaks', async () => {
    const { target } = opened();
    const bytes = randomBytes(90_000);
    const blob = describeBytes(TYPE, bytes);
    async function* broken() {
      yield bytes.subarray(0, 40_000);
      throw new Error('the source is gone');
    }
    await expect(target.push(blob, async () => broken())).rejects.toThrow('the source is gone');
    expect(await target.exists(blob)).toBe(false);
  });

  it('returns no stream for a blob that it does not have', async () => {
    const { target } = opened();
    const fetched = async () => buffer(await target.fetch(describeBytes(TYPE, randomBytes(10))));
    await expect(fetched()).rejects.toThrow();
  });

  it('mounts a blob of another repository, and rejects one that the repository does not have', async () => {
    const { target, neighbour } = opened();
    const bytes = randomBytes(100);
    const [held, absent] = [describeBytes(TYPE, bytes), describeBytes(TYPE, randomBytes(100))];
    if (neighbour === undefined) {
      expect(await target.mount(absent, 'elsewhere')).toBe('rejected');
      return;
    }
    await neighbour.target.push(held, async () => once(bytes));
    expect(await target.mount(held, neighbour.name)).toBe('mounted');
    expect(await buffer(await target.fetch(held))).toEqual(bytes);
    expect(await target.mount(absent, neighbour.name)).toBe('rejected');
  });

  it('stores a blob whose mount was rejected', async () => {
    const { target } = opened();
    const bytes = randomBytes(5_000_000);
    const blob = describeBytes(TYPE, bytes);
    expect(await target.mount(blob, 'nobody/knows')).toBe('rejected');
    await target.push(blob, async () => once(bytes));
    expect(await target.exists(blob)).toBe(true);
  });
}

/** Pushes an empty artifact with a name and a subject. */
async function pushArtifact(target: Target, name: string, subject?: Descriptor): Promise<Descriptor> {
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    artifactType: `application/vnd.test.${name.split(' ')[0]}`,
    config: EMPTY_CONFIG,
    layers: [EMPTY_CONFIG],
    annotations: { name },
    ...(subject !== undefined && { subject }),
  };
  await target.push(EMPTY_CONFIG, async () => once(EMPTY_CONFIG_BYTES));
  const bytes = encodeDocument(manifest);
  const descriptor = describeBytes(MEDIA_TYPES.manifest, bytes);
  await target.push(descriptor, async () => once(bytes));
  return descriptor;
}

function testManifests(opened: () => Opened): void {
  it('stores a manifest and an index of it, and tags them', async () => {
    const { target } = opened();
    const image = await pushArtifact(target, 'image');
    const index = encodeDocument({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [image] });
    const descriptor = describeBytes(MEDIA_TYPES.index, index);
    await target.push(descriptor, async () => once(index));
    await target.tag(descriptor, '1.0');
    await target.tag(image, 'image');
    expect(await target.resolve('1.0')).toEqual(descriptor);
    expect(await target.resolve('image')).toEqual(image);
    expect(await target.resolve(image.digest)).toEqual(image);
    expect(await target.exists(descriptor)).toBe(true);
    expect(await buffer(await target.fetch(descriptor))).toEqual(index);
  });

  it('moves a tag', async () => {
    const { target } = opened();
    const [older, newer] = [await pushArtifact(target, 'older'), await pushArtifact(target, 'newer')];
    await target.tag(older, 'latest');
    await target.tag(newer, 'latest');
    expect(await target.resolve('latest')).toEqual(newer);
  });

  it('stores a manifest under its tag in one request, if it can', async () => {
    const { target } = opened();
    const bytes = encodeDocument({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.index,
      manifests: [],
      annotations: { a: 'b' },
    });
    const descriptor = describeBytes(MEDIA_TYPES.index, bytes);
    await target.pushTagged?.(descriptor, async () => once(bytes), 'at-once');
    expect(await target.resolve('at-once')).toEqual(target.pushTagged && descriptor);
  });

  it('returns nothing for unknown tags and digests', async () => {
    const { target } = opened();
    expect(await target.resolve('unknown')).toBeUndefined();
    const absent = describeBytes(MEDIA_TYPES.manifest, randomBytes(10));
    expect(await target.resolve(absent.digest)).toBeUndefined();
    expect(await target.exists(absent)).toBe(false);
    await expect(target.tag(absent, 'absent')).rejects.toThrow();
  });

  it.each([
    ['bytes of another digest', Buffer.from('{"schemaVersion":2}')],
    ['more than 4 MiB', Buffer.alloc(4 * 1024 * 1024 + 1, ' ')],
    ['a document that is not a manifest', Buffer.from('{"schemaVersion":1}')],
  ])('rejects %s', async (_what, bytes) => {
    const { target } = opened();
    const named = bytes.toString().includes('2') ? randomBytes(bytes.length) : bytes;
    const descriptor = describeBytes(MEDIA_TYPES.manifest, named);
    await expect(target.push(descriptor, async () => once(bytes))).rejects.toThrow();
    expect(await target.resolve(descriptor.digest)).toBeUndefined();
  });
}

function testReferrers(opened: () => Opened): void {
  it('lists the referrers of a subject, by type', async () => {
    const { target } = opened();
    const subject = await pushArtifact(target, 'subject');
    expect(await target.referrers(subject.digest)).toEqual([]);
    const sbom = await pushArtifact(target, 'sbom', subject);
    const proof = await pushArtifact(target, 'proof', subject);
    const described = [sbom, proof].map((descriptor, index) => ({
      ...descriptor,
      artifactType: `application/vnd.test.${index === 0 ? 'sbom' : 'proof'}`,
      annotations: { name: index === 0 ? 'sbom' : 'proof' },
    }));
    await target.attach?.(subject.digest, described);
    const found = await target.referrers(subject.digest);
    expect(found.map(({ digest }) => digest).sort()).toEqual([sbom.digest, proof.digest].sort());
    expect(await target.referrers(subject.digest, 'application/vnd.test.proof')).toMatchObject([described[1]]);
  });

  it('loses none of several referrers that are pushed at the same time', async () => {
    const { target } = opened();
    const subject = await pushArtifact(target, 'busy subject');
    const names = Array.from({ length: 6 }, (_, index) => `note ${index}`);
    await Promise.all(
      names.map(async (name) => {
        const note = await pushArtifact(target, name, subject);
        await target.attach?.(subject.digest, [{ ...note, annotations: { name } }]);
      }),
    );
    const found = await target.referrers(subject.digest);
    expect(found.map(({ annotations }) => annotations?.['name']).sort()).toEqual(names);
  });
}
