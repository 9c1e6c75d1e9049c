// Layers laid out for overlayfs: what stays as it was, and what a hostile layer is refused for.
import { describe, expect, it } from 'vitest';
import type { TarEntry, TarInput } from '../tar/entry.ts';
import { entry } from '../tar/fixtures.ts';
import type { ListingEntry } from '../tar/listing.ts';
import { OPAQUE_ATTRIBUTE, overlayEntries } from './layer-entries.ts';

const link = (path: string, target: string): ListingEntry => ({
  path,
  type: 'symlink',
  mode: 0o777,
  uid: 0,
  gid: 0,
  size: 0,
  target,
});
const folder = (path: string, mode: number): ListingEntry => ({ path, type: 'folder', mode, uid: 5, gid: 6, size: 0 });

async function* entriesOf(inputs: Iterable<TarInput>): AsyncGenerator<TarEntry, void> {
  for (const { header } of inputs) yield { header, name: header.path, body: (async function* () {})() };
}

async function laidOut(inputs: Iterable<TarInput>, below: ListingEntry[] = []) {
  const listing = new Map(below.map((one) => [one.path, one]));
  const found = [];
  for await (const { header } of overlayEntries(entriesOf(inputs), { below: async () => listing })) found.push(header);
  return found;
}

const file = (path: string, options: Parameters<typeof entry>[1] = {}) => entry(path, { content: '', ...options });

describe('overlayEntries', () => {
  it('completes parents from below, follows links of below, and makes whiteouts devices', async () => {
    const headers = await laidOut(
      [
        file('lib/x/a'),
        file('lib/x/b'),
        file('etc/.wh.gone'),
        entry('opt'),
        file('opt/.wh..wh..opq'),
        file('.wh..wh.plnk/1'),
      ],
      [link('lib', 'usr/lib'), folder('usr', 0o700), folder('usr/lib', 0o711)],
    );
    expect(headers.map(({ path, type, mode }) => [path, type, mode])).toEqual([
      ['usr', 'folder', 0o700],
      ['usr/lib', 'folder', 0o711],
      ['usr/lib/x', 'folder', 0o755],
      ['usr/lib/x/a', 'file', 0o644],
      ['usr/lib/x/b', 'file', 0o644],
      ['etc', 'folder', 0o755],
      ['etc/gone', 'character', 0],
      ['opt', 'folder', 0o755],
      ['opt', 'folder', 0o755],
    ]);
    expect(headers.at(-1)?.xattrs).toEqual({ [OPAQUE_ATTRIBUTE]: Buffer.from('y') });
  });

  it('keeps a capability, and no attribute of overlayfs, no device and no time that ends in no file system', async () => {
    const xattrs = { 'security.capability': Buffer.alloc(20, 1), 'user.overlay.opaque': Buffer.from('y') };
    const headers = await laidOut([
      file('a', { xattrs, mtime: 2 ** 50 }),
      file('b', { xattrs: { 'security.capability': Buffer.alloc(1_000_000) } }),
      file('null', { type: 'character', major: 1, minor: 3 }),
    ]);
    expect(headers.map(({ path }) => path)).toEqual(['a', 'b']);
    expect(headers[0]).toMatchObject({ xattrs: { 'security.capability': Buffer.alloc(20, 1) }, mtime: 0o77777777777 });
    expect(headers[0]?.xattrs).not.toHaveProperty(['user.overlay.opaque']);
    expect(headers[1]?.xattrs).toBeUndefined();
  });

  it('lets a file take the place of an empty folder, and not of another', async () => {
    expect((await laidOut([entry('a'), file('a')])).map(({ type }) => type)).toEqual(['folder', 'file']);
    await expect(laidOut([file('a/b'), file('a')])).rejects.toThrow('/a is a folder and something else in one layer.');
  });

  const chain = Array.from({ length: 50 }, (_, at) => link(`l${at}`, `l${at + 1}`));
  it.each([
    ['owners that no sandbox has', [file('a', { uid: 65_536 })], [], 'a belongs to user 65536, group 0'],
    ['a loop of links', [file('a/x')], [link('a', 'b'), link('b', 'a')], '/a leads through a loop of links.'],
    ['a link to itself', [file('a/x')], [link('a', 'a')], '/a leads through a loop of links.'],
    ['a chain of more links than Linux follows', [file('l0/x')], chain, '/l0 leads through a loop of links.'],
    [
      'a link that grows',
      [file('a/x')],
      [link('a', 'b/a'), link('b/a', `${'b/'.repeat(2040)}a`)],
      '/a leads to a path that is deeper than 128 folders.',
    ],
    ['a depth of 6,000 folders', [file(`${'d/'.repeat(6000)}x`)], [], 'the path is'],
    ['a whiteout of nothing', [file('a/.wh.')], [], 'the mark of a removed file names none'],
  ])('refuses %s', async (_what, inputs, below, reason) => {
    const refused = { name: 'BuildError', step: 'root file system', message: expect.stringContaining(reason) };
    await expect(laidOut(inputs, below)).rejects.toMatchObject(refused);
  });

  it('ends where the links of a layer take too much work', async () => {
    // Forty links of 2,000 steps for each entry: a million of them would keep a worker busy for a day.
    const below = Array.from({ length: 39 }, (_, at) => link(`l${at}`, `${'x/../'.repeat(800)}l${at + 1}`));
    const inputs = Array.from({ length: 500 }, (_, at) => file(`l0/${at}/x`));
    await expect(laidOut(inputs, below)).rejects.toThrow('The names of a layer lead through too many links.');
  });
});
