// Manifests: one value, one byte sequence; and nothing is taken for a manifest that is none.
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
  it('depends on the value and not on how it was made', () => {
    const one = encodeDocument({ b: [{ y: 1, x: undefined, z: null }], a: 'ü' });
    expect(one.toString()).toBe('{"a":"ü","b":[{"y":1,"z":null}]}');
    expect(encodeDocument({ a: 'ü', b: [{ z: null, y: 1 }] })).toEqual(one);
  });

  it('makes the empty config that all know', () => {
    expect(describeBytes(MEDIA_TYPES.empty, EMPTY_CONFIG_BYTES)).toEqual(EMPTY_CONFIG);
    expect(encodeDocument({})).toEqual(EMPTY_CONFIG_BYTES);
  });
});

describe('parseManifest', () => {
  const parse = (value: unknown, mediaType?: string) => parseManifest(Buffer.from(JSON.stringify(value)), mediaType);

  it('reads manifests and indexes, and keeps what it does not know', () => {
    expect(parse({ ...BASE, future: 1 })).toMatchObject({ future: 1, layers: [EMPTY_CONFIG] });
    const index = { schemaVersion: 2, manifests: [EMPTY_CONFIG] };
    expect(parse(index)).toEqual({ ...index, mediaType: MEDIA_TYPES.index });
    expect(
      parse({ ...index, mediaType: MEDIA_TYPES.dockerManifestList }, MEDIA_TYPES.dockerManifestList),
    ).toBeDefined();
    expect(parse({ ...BASE, mediaType: undefined }, MEDIA_TYPES.manifest).mediaType).toBe(MEDIA_TYPES.manifest);
  });

  it.each([
    ['no object', [1]],
    ['null', null],
    ['schema 1', { ...BASE, schemaVersion: 1 }],
    ['another media type', { ...BASE, mediaType: 'text/plain' }],
    ['no config', { ...BASE, config: undefined }],
    ['layers that are no list', { ...BASE, layers: {} }],
    ['a negative size', { ...BASE, layers: [{ ...EMPTY_CONFIG, size: -1 }] }],
    ['a size that is no number', { ...BASE, layers: [{ ...EMPTY_CONFIG, size: '2' }] }],
    ['a fractional size', { ...BASE, layers: [{ ...EMPTY_CONFIG, size: 1.5 }] }],
    ['a digest that is a path', { ...BASE, config: { ...EMPTY_CONFIG, digest: 'sha256:../../x' } }],
    ['another algorithm', { ...BASE, config: { ...EMPTY_CONFIG, digest: `md5:${'0'.repeat(32)}` } }],
    ['a subject that is none', { ...BASE, subject: 'x' }],
    ['both kinds at once', { ...BASE, manifests: [] }],
    ['an index with layers', { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [], layers: [] }],
    ['an index with a hole', { schemaVersion: 2, manifests: [null] }],
    ['annotations that are no texts', { ...BASE, annotations: { a: 1 } }],
    ['an artifact type that is no text', { ...BASE, artifactType: {} }],
    ['a platform that is none', { schemaVersion: 2, manifests: [{ ...EMPTY_CONFIG, platform: { os: ['linux'] } }] }],
    ['a media type without end', { ...BASE, config: { ...EMPTY_CONFIG, mediaType: 'a'.repeat(256) } }],
    ['10,000 layers', { ...BASE, layers: Array(10_000).fill(EMPTY_CONFIG) }],
    ['10,000 manifests', { schemaVersion: 2, manifests: Array(10_000).fill(EMPTY_CONFIG) }],
    ['a nesting without end', { ...BASE, extra: JSON.parse(`${'['.repeat(1000)}${']'.repeat(1000)}`) }],
  ])('rejects %s', (_what, value) => {
    expect(() => parse(value)).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID' }));
  });

  it('rejects what is announced as something else', () => {
    expect(() => parse(BASE, MEDIA_TYPES.index)).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID' }));
  });

  it('rejects what is no UTF-8, and what is too large', () => {
    const invalid = Buffer.from([0x22, 0xff, 0x22]);
    expect(() => parseManifest(invalid)).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID' }));
    const large = Buffer.alloc(4 * 1024 * 1024 + 1, ' ');
    expect(() => parseManifest(large)).toThrow(expect.objectContaining({ code: 'MANIFEST_TOO_LARGE' }));
  });
});

describe('readManifestBytes', () => {
  it('takes only the bytes of the digest', async () => {
    const bytes = encodeDocument(BASE);
    const descriptor = describeBytes(MEDIA_TYPES.manifest, bytes);
    expect(await readManifestBytes(once(bytes), descriptor)).toEqual(bytes);
    const other = readManifestBytes(once(Buffer.from('{}')), descriptor);
    await expect(other).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' });
  });
});
