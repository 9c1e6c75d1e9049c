// Manifests: equal values have equal bytes, and invalid documents are rejected.
import { describe, expect, it } from 'vitest';
import { MEDIA_TYPES } from './descriptor.ts';
import {
  describeBytes,
  EMPTY_CONFIG,
  EMPTY_CONFIG_BYTES,
  encodeDocument,
  once,
  parseManifest,
  readManifestBytes,
} from './manifest.ts';

const BASE = { schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config: EMPTY_CONFIG, layers: [EMPTY_CONFIG] };

describe('encodeDocument', () => {
  it('depends on the value and not on the order of its keys', () => {
    const one = encodeDocument({ b: [{ y: 1, x: undefined, z: null }], a: 'ü' });
    expect(one.toString()).toBe('{"a":"ü","b":[{"y":1,"z":null}]}');
    expect(encodeDocument({ a: 'ü', b: [{ z: null, y: 1 }] })).toEqual(one);
  });

  it('returns the empty config of the specification', () => {
    expect(describeBytes(MEDIA_TYPES.empty, EMPTY_CONFIG_BYTES)).toEqual(EMPTY_CONFIG);
    expect(encodeDocument({})).toEqual(EMPTY_CONFIG_BYTES);
  });
});

describe('parseManifest', () => {
  const parse = (value: unknown, mediaType?: string) => parseManifest(Buffer.from(JSON.stringify(value)), mediaType);

  it('reads manifests and indexes, and keeps unknown fields', () => {
    expect(parse({ ...BASE, future: 1 })).toMatchObject({ future: 1, layers: [EMPTY_CONFIG] });
    const index = { schemaVersion: 2, manifests: [EMPTY_CONFIG] };
    expect(parse(index)).toEqual({ ...index, mediaType: MEDIA_TYPES.index });
    expect(
      parse({ ...index, mediaType: MEDIA_TYPES.dockerManifestList }, MEDIA_TYPES.dockerManifestList),
    ).toBeDefined();
    expect(parse({ ...BASE, mediaType: undefined }, MEDIA_TYPES.manifest).mediaType).toBe(MEDIA_TYPES.manifest);
  });

  it.each([
    ['a list', [1]],
    ['null', null],
    ['schema 1', { ...BASE, schemaVersion: 1 }],
    ['another media type', { ...BASE, mediaType: 'text/plain' }],
    ['no config', { ...BASE, config: undefined }],
    ['layers that are not a list', { ...BASE, layers: {} }],
    ['a negative size', { ...BASE, layers: [{ ...EMPTY_CONFIG, size: -1 }] }],
    ['a size that is not a number', { ...BASE, layers: [{ ...EMPTY_CONFIG, size: '2' }] }],
    ['a fractional size', { ...BASE, layers: [{ ...EMPTY_CONFIG, size: 1.5 }] }],
    ['a digest that is a path', { ...BASE, config: { ...EMPTY_CONFIG, digest: 'sha256:../../x' } }],
    ['another algorithm', { ...BASE, config: { ...EMPTY_CONFIG, digest: `md5:${'0'.repeat(32)}` } }],
    ['a subject that is not a descriptor', { ...BASE, subject: 'x' }],
    ['a manifest with manifests', { ...BASE, manifests: [] }],
    ['an index with layers', { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [], layers: [] }],
    ['an index with null', { schemaVersion: 2, manifests: [null] }],
    ['annotations that are not text', { ...BASE, annotations: { a: 1 } }],
    ['an artifact type that is not text', { ...BASE, artifactType: {} }],
    ['an invalid platform', { schemaVersion: 2, manifests: [{ ...EMPTY_CONFIG, platform: { os: ['linux'] } }] }],
    ['a media type of 256 characters', { ...BASE, config: { ...EMPTY_CONFIG, mediaType: 'a'.repeat(256) } }],
    ['10,000 layers', { ...BASE, layers: Array(10_000).fill(EMPTY_CONFIG) }],
    ['10,000 manifests', { schemaVersion: 2, manifests: Array(10_000).fill(EMPTY_CONFIG) }],
    ['a thousand nested lists', { ...BASE, extra: JSON.parse(`${'['.repeat(1000)}${']'.repeat(1000)}`) }],
  ])('rejects %s', (_what, value) => {
    expect(() => parse(value)).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID' }));
  });

  it('rejects a manifest that was announced as an index', () => {
    expect(() => parse(BASE, MEDIA_TYPES.index)).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID' }));
  });

  it('rejects bytes that are not UTF-8, and a document that is too large', () => {
    const invalid = Buffer.from([0x22, 0xff, 0x22]);
    expect(() => parseManifest(invalid)).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID' }));
    const large = Buffer.alloc(4 * 1024 * 1024 + 1, ' ');
    expect(() => parseManifest(large)).toThrow(expect.objectContaining({ code: 'MANIFEST_TOO_LARGE' }));
  });
});

describe('readManifestBytes', () => {
  it('rejects bytes that do not match the digest', async () => {
    const bytes = encodeDocument(BASE);
    const descriptor = describeBytes(MEDIA_TYPES.manifest, bytes);
    expect(await readManifestBytes(once(bytes), descriptor)).toEqual(bytes);
    const other = readManifestBytes(once(Buffer.from('{}')), descriptor);
    await expect(other).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' });
  });
});
