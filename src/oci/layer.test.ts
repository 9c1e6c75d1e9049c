// Layers are reproducible, are written as streams, and are accepted by the real tar and gzip.
import { execFileSync } from 'node:child_process';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { chunksOf, digestOf } from '../../test/suites/content-conformance.ts';
import type { ContentStore } from '../content/content.ts';
import { memoryContent } from '../content/memory.ts';
import { ArchiveMeter } from '../tar/archive-meter.ts';
import type { TarInput } from '../tar/entry.ts';
import { readListing } from '../tar/listing.ts';
import type { ListingEntry } from '../tar/listing-entry.ts';
import { writeTar } from '../tar/write.ts';
import { type Digest, MEDIA_TYPES } from './descriptor.ts';
import { mergedListing, writeLayer, writeLayerFromTar } from './layer.ts';
import { EXPANSION_LIMITS } from './layer-limits.ts';
import { listLayer } from './layer-listing.ts';

const FOLDER: TarInput = { header: { path: 'etc', type: 'folder', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 1 } };

function file(path: string, text: string | Buffer): TarInput {
  const bytes = Buffer.from(text);
  return { header: { path, type: 'file', mode: 0o644, uid: 0, gid: 0, size: bytes.length, mtime: 1 }, body: [bytes] };
}

function link(path: string, target: string): TarInput {
  return { header: { path, type: 'symlink', mode: 0o777, uid: 0, gid: 0, size: 0, mtime: 1, target } };
}

async function gathered(entries: AsyncIterable<ListingEntry>): Promise<ListingEntry[]> {
  const found: ListingEntry[] = [];
  for await (const entry of entries) found.push(entry);
  return found;
}

async function linesOf(store: ContentStore, listing: Digest): Promise<ListingEntry[]> {
  return await gathered(readListing(await store.open(listing)));
}

describe('writeLayer', () => {
  it('writes the same layer for the same entries', async () => {
    const layers = await Promise.all(
      [memoryContent(), memoryContent()].map((store) => writeLayer(store, [FOLDER, file('etc/motd', 'hello')])),
    );
    expect(layers[0]).toEqual(layers[1]);
    expect(layers[0]?.diff_id).toBe('sha256:b38ef089e5e1fff6eb6c9ebce5acb35827878ebdaa1e459102e9b331f7897f13');
  });

  it('returns the diffID, size and listing of the layer', async () => {
    const store = memoryContent();
    const built = await writeLayer(store, [FOLDER, file('etc/motd', 'hello'), link('etc/issue', 'motd')]);
    const packed = await buffer(await store.open(built.descriptor.digest));
    expect(built.descriptor).toEqual({ mediaType: MEDIA_TYPES.layer, digest: digestOf(packed), size: packed.length });
    expect(built.diff_id).toBe(digestOf(gunzipSync(packed)));
    expect(built.tar_size).toBe(gunzipSync(packed).length);
    expect(packed.readUInt32LE(4), 'time in the gzip header').toBe(0);
    expect(await linesOf(store, built.listing)).toEqual([
      { path: 'etc', type: 'folder', mode: 0o755, uid: 0, gid: 0, size: 0 },
      { path: 'etc/motd', type: 'file', mode: 0o644, uid: 0, gid: 0, size: 5, digest: digestOf(Buffer.from('hello')) },
      { path: 'etc/issue', type: 'symlink', mode: 0o777, uid: 0, gid: 0, size: 0, target: 'motd' },
    ]);
    const names = execFileSync('tar', ['-tz'], { input: packed, encoding: 'utf8' });
    expect(names).toBe('etc/\netc/motd\netc/issue\n');
  });

  it('streams a large layer', async () => {
    const store = memoryContent();
    const large = Buffer.alloc(24_000_000, 'larder keeps what was made. ');
    const built = await writeLayer(store, [file('large', large)]);
    const packed = await buffer(await store.open(built.descriptor.digest));
    expect(digestOf(gunzipSync(packed))).toBe(built.diff_id);
    expect((await linesOf(store, built.listing))[0]?.digest).toBe(digestOf(large));
  });

  it.each([10, 9_000_000])('stores nothing if the entries fail after %i bytes', async (size) => {
    const store = memoryContent();
    async function* entries() {
      yield file('whole', Buffer.alloc(size));
      throw new Error('source is gone');
    }
    await expect(writeLayer(store, entries())).rejects.toThrow('source is gone');
    for await (const info of store.list()) {
      expect.unreachable(info.digest);
    }
  });
});

describe('writeLayerFromTar', () => {
  it('maps and omits entries', async () => {
    const store = memoryContent();
    const tar = writeTar([FOLDER, file('etc/motd', 'hello'), file('tmp/x', 'x')]);
    const built = await writeLayerFromTar(store, tar, {
      mapEntry: (header) => (header.path.startsWith('tmp') ? undefined : { ...header, uid: 7 }),
    });
    expect((await linesOf(store, built.listing)).map(({ path, uid }) => [path, uid])).toEqual([
      ['etc', 7],
      ['etc/motd', 7],
    ]);
  });

  it('writes canonical names for real tar archives', async () => {
    const store = memoryContent();
    const tar = execFileSync('tar', ['-c', '-C', import.meta.dirname, './layer.ts']);
    const built = await writeLayerFromTar(store, chunksOf(tar, 1000));
    expect((await linesOf(store, built.listing))[0]?.path).toBe('layer.ts');
  });
});

describe('listLayer', () => {
  const tar = execFileSync('tar', ['-c', '--format=gnu', '-C', import.meta.dirname, 'layer.ts', 'copy.ts']);
  const forms = { gzip: gzipSync(tar), zstd: zstdCompressSync(tar), plain: tar };

  it.each(Object.entries(forms))('reads %s', async (_form, packed) => {
    const store = memoryContent();
    const { digest, size } = await store.put(chunksOf(packed, 7000));
    const descriptor = { mediaType: MEDIA_TYPES.dockerLayer, digest, size };
    const listing = await gathered(listLayer(store, descriptor, { diffId: digestOf(tar) }));
    expect(listing.map(({ path }) => path)).toEqual(['layer.ts', 'copy.ts']);
    const other = gathered(listLayer(store, descriptor, { diffId: digestOf(packed.subarray(1)) }));
    await expect(other).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' });
  });

  it.each([
    ['a cut gzip', forms.gzip.subarray(0, 900)],
    ['a cut zstd', forms.zstd.subarray(0, 900)],
    ['a cut tar', tar.subarray(0, 900)],
    ['an HTML page', Buffer.from('<html>')],
  ])('rejects %s', async (_form, packed) => {
    const store = memoryContent();
    const { digest, size } = await store.put(chunksOf(packed, 7000));
    const listed = gathered(listLayer(store, { mediaType: MEDIA_TYPES.layer, digest, size }));
    await expect(listed).rejects.toThrow();
  });
});

describe('listLayer, bounded', () => {
  const tar = execFileSync('tar', ['-c', '-C', import.meta.dirname, 'layer.ts', 'copy.ts']);
  const limits = { entryCountMax: 10, folderCountMax: 10, namesBytesMax: 1000, contentBytesMax: 1_000_000 };

  it.each([
    ['bytes', { expansion: { ...EXPANSION_LIMITS, bytesMax: 5000 } }, 'LAYER_TOO_LARGE'],
    ['ratio', { expansion: { ...EXPANSION_LIMITS, ratioFreeBytes: 100, ratioMax: 2 } }, 'LAYER_TOO_LARGE'],
    ['entries', { meter: new ArchiveMeter({ ...limits, entryCountMax: 1 }) }, 'LIMIT'],
    ['declared bytes', { meter: new ArchiveMeter({ ...limits, contentBytesMax: 5000 }) }, 'LIMIT'],
    ['names', { meter: new ArchiveMeter({ ...limits, namesBytesMax: 10 }) }, 'LIMIT'],
  ])('ends at the limit of %s', async (_kind, options, code) => {
    for (const packed of [gzipSync(tar), zstdCompressSync(tar)]) {
      const store = memoryContent();
      const { digest, size } = await store.put(chunksOf(packed, 7000));
      const listed = gathered(listLayer(store, { mediaType: MEDIA_TYPES.layer, digest, size }, options));
      await expect(listed).rejects.toMatchObject({ code });
    }
  });
});

describe('mergedListing', () => {
  it('merges the listings of layers', async () => {
    const store = memoryContent();
    const lower = await writeLayer(store, [FOLDER, file('etc/motd', 'old'), file('etc/gone', 'x')]);
    const upper = await writeLayer(store, [file('etc/motd', 'new'), file('etc/.wh.gone', '')]);
    const merged = await mergedListing(store, [lower, upper]);
    expect([...merged.keys()]).toEqual(['etc', 'etc/motd']);
    expect(merged.get('etc/motd')?.digest).toBe(digestOf(Buffer.from('new')));
    const wrong = [{ ...lower, diff_id: upper.diff_id }];
    await expect(mergedListing(store, wrong)).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' });
  });
});
