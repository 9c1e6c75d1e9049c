// Attacks with the layers of a registered image: when the image is pinned, and when its layers are extracted for a sandbox.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { createGzip, createZstdCompress, gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { overlayEntries } from '../../src/packaging/image/layer-entries.ts';
import type { TarHeader, TarInput } from '../../src/tar/entry.ts';
import type { ListingEntry } from '../../src/tar/listing-entry.ts';
import { readTar } from '../../src/tar/read.ts';
import { writeTar } from '../../src/tar/write.ts';
import { DEBIAN_FILES, DPKG_STATUS_FILE } from '../debian-files.ts';
import { archiveOf, entry } from '../fixtures/tar.ts';
import {
  digestOf,
  type HostileLayer,
  headerOnly,
  layerOf,
  layerWith,
  measuredPin,
  NAME,
  pin,
  rejectionOf,
} from './hostile-images.ts';

const file = (path: string, more: Partial<TarHeader> = {}): TarInput => entry(path, { content: '', ...more });
const rejectedWith = async (entries: TarInput[]) =>
  rejectionOf({ layers: [await layerWith([...DEBIAN_FILES, ...entries])] });

describe('a layer is rejected if an entry', () => {
  it.each([
    ['is beneath 6,000 folders', [entry('d/'.repeat(6000))], 'the path is longer than 4096 bytes'],
    ['is beneath 200 folders', [entry('d/'.repeat(200))], 'the path is deeper than 128 folders'],
    ['has a name of 5,000 bytes', [file('x'.repeat(5000))], 'the path is longer than 4096 bytes'],
    ['has a name that no file system accepts', [file('x'.repeat(300))], 'a name in the path is longer than 255 bytes'],
    [
      'is a link to a very long path',
      [file('l', { type: 'symlink', target: 'x/'.repeat(5000) })],
      'the target of the link is longer',
    ],
    ['is a hard link to itself', [file('l', { type: 'hardlink', target: 'l' })], 'it is a hard link to itself'],
    [
      'belongs to a user that no sandbox has',
      [file('a', { uid: 100_000 })],
      'ids above 65535 do not exist in a sandbox',
    ],
    ['belongs to a user that no system has', [file('a', { uid: 2 ** 50 })], 'no user or group has the number'],
    ['is a whiteout without a name', [file('etc/.wh.')], 'the whiteout does not name a file'],
    ['is a whiteout of the folder above', [file('etc/.wh...')], 'the whiteout does not name a file'],
    ['is below a whiteout', [file('etc/.wh.x/y')], 'the path is below a whiteout'],
  ])('%s', async (_attempt, entries, reason) => {
    expect(await rejectedWith(entries)).toContain(reason);
  });

  const header = (size: number) => layerOf(headerOnly({ path: 'disk', size }));
  const raw = (path: string, patch: (block: Buffer) => void) => layerOf(headerOnly({ path }, patch));
  const pax = (key: string, value: string) => `${key.length + value.length + 5} ${key}=${value}\n`;
  const extended = (records: string) =>
    layerOf(Buffer.concat([withBody('x', Buffer.from(records)), headerOnly({ path: 'a' })]));
  it.each([
    ['has a petabyte of holes', header(2 ** 50), 'disk: with it, the files have more than'],
    [
      'has a size below zero',
      raw('a', (block) => block.fill(0xff, 124, 136)),
      "the header's size is not a valid number",
    ],
    [
      'is sparse, and has a map that is not valid',
      raw('a', (block) => block.write('S', 156) + block.write('9', 386)),
      "sparse file's map is",
    ],
    ['is sparse, and does not state its size', extended('22 GNU.sparse.major=1\n'), "sparse file's map is malformed"],
    [
      'is sparse, with a terabyte of holes',
      extended(pax('GNU.sparse.size', String(2 ** 40)) + pax('GNU.sparse.map', '0,0')),
      'the holes of sparse files have more than',
    ],
    [
      'continues in another archive',
      raw('a', (block) => block.write('M', 156)),
      'multi-volume archives are not accepted',
    ],
    ['is of an unknown type', raw('a', (block) => block.write('Z', 156)), 'entries of type "Z" are not known'],
    ['is called ..', raw('a', (block) => block.write('../../etc/passwd', 0)), 'a name may not contain ..'],
    ['has a size in words', extended(pax('size', 'twelve')), "the extension header's size is not a valid number"],
    ['has an invalid time', extended(pax('mtime', `${'9'.repeat(50)}`)), "the extension header's mtime is not a time"],
    ['has thousands of attributes', extended('8 a=xyz\n'.repeat(50_000)), 'it has more than 256 records'],
    [
      'has an extension header of a gigabyte',
      layerOf(headerOnly({ path: 'a', size: 2 ** 30 }, (block) => block.write('x', 156))),
      'an extension header is too large',
    ],
    ['has a record longer than its header', extended('9999999 a=b\n'), 'a record has a wrong length'],
  ])('%s', async (_attempt, layer, reason) => {
    expect(await rejectionOf({ layers: [layer] })).toContain(reason);
  });

  it('has terminal sequences in its name', async () => {
    expect(await rejectedWith([file('\u001b[2J\u202e', { uid: 100_000 })])).not.toMatch(/[\u001b\u202e]/);
  });
});

describe('the root folder', () => {
  const rootOf = (mode: number) => entry('', { type: 'folder', mode });

  it('is rejected if only root may enter it', async () => {
    expect(await rejectedWith([rootOf(0o700)])).toBe(
      `${NAME} cannot be used: its root folder has mode 0700, so no user but root can run anything in it.`,
    );
  });

  it('has the mode of the topmost layer', async () => {
    const [closed, open] = [await layerWith([...DEBIAN_FILES, rootOf(0o700)]), await layerWith([rootOf(0o755)])];
    expect((await pin({ layers: [closed, open] })).layers).toHaveLength(2);
    expect(await rejectionOf({ layers: [open, closed] })).toContain('root folder');
  });
});

/** Returns an extension header and its body. */
function withBody(type: string, body: Buffer): Buffer {
  const header = headerOnly({ path: 'ext', size: body.length }, (block) => block.write(type, 156)).subarray(0, 512);
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

describe('the bytes of a layer', () => {
  const tar = Buffer.concat([headerOnly({ path: 'a', size: 100_000 }).subarray(0, 512), randomBytes(100_000)]);
  it.each([
    ['are a page', { bytes: Buffer.from('<html>'), diffId: digestOf(tar) }, 'not a tar archive'],
    ['are empty', { bytes: Buffer.alloc(0), diffId: digestOf(tar) }, 'does not match its config'],
    [
      'end in the middle of gzip',
      { bytes: gzipSync(tar).subarray(0, 300), diffId: digestOf(tar) },
      'a layer is not valid gzip or zstd',
    ],
    [
      'are damaged gzip',
      { bytes: Buffer.concat([gzipSync(tar).subarray(0, 20), Buffer.alloc(500, 9)]), diffId: digestOf(tar) },
      'a layer is not valid gzip or zstd',
    ],
    [
      'are damaged zstd',
      { bytes: Buffer.from('28b52ffdffffffffffffffffffffff', 'hex'), diffId: digestOf(tar) },
      'the zstd stream of a layer ends too early',
    ],
    // A frame header (RFC 8878, section 3.1.1.1) with the largest window exponent of the format.
    [
      'ask for a window of terabytes',
      { bytes: Buffer.from('28b52ffd00f8010000', 'hex'), diffId: digestOf(tar) },
      'a layer is not valid gzip or zstd',
    ],
  ])('%s', async (_attempt, layer, reason) => {
    expect(await rejectionOf({ layers: [layer] })).toContain(reason);
  });

  it('are not those that the config names', async () => {
    const layer = await layerWith([...DEBIAN_FILES]);
    expect(await rejectionOf({ layers: [{ ...layer, diffId: digestOf(Buffer.from('x')) }] })).toContain(
      'a layer does not match its config',
    );
  });

  /** The number of zeros. gzip compresses zeros by a factor of a thousand, and zstd even more. */
  const zeros = 3 * 1024 ** 3;
  it.each([
    ['gzip', () => createGzip({ level: 1 })],
    ['zstd', () => createZstdCompress()],
  ])('are a bomb of %s', async (_form, packer) => {
    const block = Buffer.alloc(16 * 1024 ** 2);
    const stream = packer();
    const whole = buffer(stream);
    stream.write(headerOnly({ path: 'zeros', size: zeros }).subarray(0, 512));
    for (let at = 0; at < zeros / block.length; at++) {
      if (!stream.write(block)) await once(stream, 'drain');
    }
    stream.end();
    const layer = { bytes: await whole, diffId: digestOf(tar) };
    expect(await rejectionOf({ layers: [layer] })).toContain('a layer expands to more than 200 times its size');
  });
});

describe('memory', () => {
  const manyEntries = (count: number, name: (at: number) => string) =>
    function* (): Generator<TarInput> {
      yield* DEBIAN_FILES;
      for (let at = 0; at < count; at++) yield { header: { ...DPKG_STATUS_FILE.header, path: name(at), size: 0 } };
    };
  const layerOfMany = async (entries: () => Iterable<TarInput>): Promise<HostileLayer> => {
    const parts: Buffer[] = [];
    for await (const part of writeTar(entries())) parts.push(part);
    return layerOf(Buffer.concat(parts));
  };
  /** How much more memory an image may need than a harmless image. */
  const ALLOWED_MIB = 100;
  let harmless: { peakMib: number };
  beforeAll(async () => {
    harmless = await measuredPin({});
  });

  it.each([
    ['460,000 entries', manyEntries(460_000, (at) => `usr/share/d${at % 9999}/f${at}`), 'more than 450000 entries'],
    [
      'long names',
      manyEntries(45_000, (at) => `${'n'.repeat(250)}/${'m'.repeat(250)}/${'o'.repeat(250)}/${'p'.repeat(250)}/${at}`),
      'names of more than',
    ],
    ['names that are not UTF-8', manyEntries(20_000, (at) => `${'\udcff'.repeat(200)}/${at}`), 'pinned'],
    [
      'folders that occur only in paths',
      manyEntries(20_000, (at) => `${at}/${'d/'.repeat(100)}f`),
      'more than 200000 folders',
    ],
    ['marks of removed files', manyEntries(460_000, (at) => `d/.wh.f${at}`), 'pinned'],
    ['one name many times', manyEntries(460_000, () => 'same'), 'pinned'],
  ])('is not filled by %s', async (_attempt, entries, end) => {
    const layer = await layerOfMany(entries);
    const hostile = await measuredPin({ layers: [layer] });
    expect(hostile.end).toMatch(new RegExp(end));
    expect(hostile.peakMib).toBeLessThan(harmless.peakMib + ALLOWED_MIB);
  });
});

describe('extracted for a sandbox, a layer', () => {
  async function laidOut(entries: TarInput[], below: ListingEntry[] = []): Promise<TarHeader[]> {
    const listing = new Map(below.map((one) => [one.path, one]));
    const found: TarHeader[] = [];
    const tar = readTar(
      (async function* () {
        yield await archiveOf(entries);
      })(),
    );
    for await (const { header } of overlayEntries(tar, { below: async () => listing, fileBelow })) found.push(header);
    return found;
  }
  async function* fileBelow(): AsyncGenerator<Uint8Array> {}
  const link = (path: string, target: string): ListingEntry => ({
    path,
    type: 'symlink',
    mode: 0o777,
    uid: 0,
    gid: 0,
    size: 0,
    target,
  });

  it('has no devices and no attributes of overlayfs', async () => {
    const xattrs = {
      'user.overlay.opaque': Buffer.from('y'),
      'user.overlay.redirect': Buffer.from('/etc'),
      'trusted.overlay.metacopy': Buffer.from(''),
    };
    const headers = await laidOut([
      file('dev/sda', { type: 'block', major: 8 }),
      file('dev/mem', { type: 'character', major: 1, minor: 1 }),
      entry('etc', { xattrs }),
    ]);
    expect(headers.map(({ path, xattrs: kept }) => [path, kept])).toEqual([['etc', undefined]]);
  });

  it('with a loop of links is rejected', async () => {
    await expect(laidOut([file('a/x')], [link('a', 'b/c'), link('b', 'a')])).rejects.toThrow('through a loop of links');
  });

  it('with a thousand chains of links is rejected', async () => {
    const chain = Array.from({ length: 39 }, (_, at) => link(`l${at}`, `${'x/../'.repeat(800)}l${at + 1}`));
    const entries = Array.from({ length: 1000 }, (_, at) => file(`l0/${at}/x`));
    await expect(laidOut(entries, chain)).rejects.toThrow('takes more than 5000000 steps');
  });

  it('with a path that is first a folder and then a link is rejected', async () => {
    const entries = [file('opt/x'), file('opt', { type: 'symlink', target: '/etc' }), file('opt/passwd')];
    await expect(laidOut(entries)).rejects.toThrow('/opt is both a folder and another type in one layer');
  });

  it('with 30,000 trees of folders behind links is rejected', async () => {
    const tree = 'd/'.repeat(100);
    const below = Array.from({ length: 3000 }, (_, at) => link(`l${at}`, `${at}/${tree}`));
    const entries = Array.from({ length: 3000 }, (_, at) => file(`l${at}/f`));
    await expect(laidOut(entries, below)).rejects.toThrow('more than 200000 folders');
  });

  it('is pinned if it is harmless, and keeps its links', async () => {
    expect(
      (await pin({ layers: [await layerWith([...DEBIAN_FILES, file('bin', { type: 'symlink', target: 'usr/bin' })])] }))
        .layers,
    ).toHaveLength(1);
  });
});
