// Captures the changes of a sandbox as a layer. Limits are checked at each header, before the bytes of the entry are read.
import { describe, expect, it } from 'vitest';
import { entry } from '../../../test/fixtures/tar.ts';
import { memoryContent } from '../../content/memory.ts';
import type { TarEntry, TarInput } from '../../tar/entry.ts';
import { readListing } from '../../tar/listing.ts';
import { type CaptureOptions, layerFromTree } from './capture.ts';
import { KEPT_FILES } from './image-files.ts';

const OPTIONS: CaptureOptions = { epoch: 1000, step: 'a step', privateKeys: false };

/** Returns a body that fails the test if anything reads it. */
async function* unread(): AsyncGenerator<Uint8Array, void> {
  yield await Promise.reject(new Error('the body was read'));
}

async function* treeOf(inputs: Iterable<TarInput>): AsyncGenerator<TarEntry, void> {
  for (const { header, body } of inputs) {
    yield { header, name: header.path, body: body === undefined && header.size > 0 ? unread() : toAsync(body ?? []) };
  }
}

async function* toAsync(parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  yield* parts;
}

const sparse = (path: string, size: number): TarInput => ({ header: { ...entry(path, { content: '' }).header, size } });
const capture = (inputs: Iterable<TarInput>, more: Partial<CaptureOptions> = {}) =>
  layerFromTree(memoryContent(), treeOf(inputs), { ...OPTIONS, ...more });

describe('layerFromTree', () => {
  it('converts marks of overlayfs to whiteouts, clamps times and lists the entries', async () => {
    const content = memoryContent();
    const tree = treeOf([
      entry('', {}),
      entry('etc', { mtime: 2000 }),
      entry('etc/gone', { type: 'character', major: 0, minor: 0 }),
      entry('etc/motd', { content: 'hello', mtime: 2000 }),
      entry('etc/link', { type: 'hardlink', target: 'etc/motd' }),
      entry('opt', { xattrs: { 'user.overlay.opaque': Buffer.from('y') } }),
    ]);
    const layer = await layerFromTree(content, tree, OPTIONS);
    expect(layer?.diff_id).toBe('sha256:b65e031d6388418a452e3de87dea4de960c2332339309c5e04ccab7ffb57d34e');
    const listed = [];
    for await (const one of readListing(await content.open(layer?.listing ?? 'sha256:'))) listed.push(one.path);
    expect(listed).toEqual(['etc', 'etc/.wh.gone', 'etc/motd', 'etc/link', 'opt', 'opt/.wh..wh..opq']);
  });

  const watch = { paths: KEPT_FILES, onFile: () => undefined };
  it.each([
    [
      'a package database with 1.3 GB of holes',
      [sparse('var/lib/dpkg/status', 1_300_000_000)],
      '/var/lib/dpkg/status has 1300000000 bytes; at most 16777216 bytes are allowed.',
    ],
    ['a passwd of 2 MB', [sparse('etc/passwd', 2_000_000)], '/etc/passwd has 2000000 bytes; at most 1048576'],
    ['a bundle of 5 MB', [sparse('etc/ssl/certs/ca-certificates.crt', 5_000_000)], 'at most 4194304 bytes'],
    [
      'a file with a terabyte of holes',
      [sparse('data/disk', 2 ** 40)],
      'The changes cannot be stored as a layer: data/disk: with it, the files have more than 2147483648 bytes.',
    ],
    ['6,000 nested folders', [entry('d/'.repeat(6000))], 'The changes cannot be stored as a layer:'],
    [
      'a name that would be a whiteout',
      [entry('etc/.wh.\u001b[2Jx', { content: '' })],
      'etc/.wh.\ufffd[2Jx: names that begin with .wh.',
    ],
    [
      'a hard link to a file that is left out',
      [entry('a', { type: 'hardlink', target: 'tmp/x' })],
      'a is a hard link to tmp/x',
    ],
    ['a hard link to itself', [entry('a', { type: 'hardlink', target: 'a' })], 'it is a hard link to itself'],
  ])('rejects %s', async (_what, inputs, reason) => {
    const rejected = { name: 'BuildError', step: 'a step', message: expect.stringContaining(reason) };
    await expect(capture(inputs, { watch })).rejects.toMatchObject(rejected);
  });
});
