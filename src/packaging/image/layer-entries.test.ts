// Layers that are converted for overlayfs: the converted entries, and the faults for which a hostile layer is rejected.
import { describe, expect, it } from 'vitest';
import { entry } from '../../../test/fixtures/tar.ts';
import type { TarEntry, TarInput } from '../../tar/entry.ts';
import type { ListingEntry } from '../../tar/listing-entry.ts';
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
  for await (const { header } of overlayEntries(entriesOf(inputs), { below: async () => listing, fileBelow }))
    found.push(header);
  return found;
}

async function* fileBelow(path: string) {
  yield Buffer.from(`bytes of ${path}`);
}

const file = (path: string, options: Parameters<typeof entry>[1] = {}) => entry(path, { content: '', ...options });

describe('overlayEntries', () => {
  it('adds missing parents as in the layers below, follows links of these, and converts whiteouts to devices', async () => {
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

  it('keeps a capability, drops attributes of overlayfs and devices, and clamps times', async () => {
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

  it('replaces an empty folder by a file, and rejects a file in the place of another folder', async () => {
    expect((await laidOut([entry('a'), file('a')])).map(({ type }) => type)).toEqual(['folder', 'file']);
    await expect(laidOut([file('a/b'), file('a')])).rejects.toThrow(
      '/a is both a folder and another type in one layer.',
    );
  });

  const chain = Array.from({ length: 50 }, (_, at) => link(`l${at}`, `l${at + 1}`));
  it.each([
    ['owners that no sandbox has', [file('a', { uid: 65_536 })], [], 'a belongs to user 65536, group 0'],
    ['a loop of links', [file('a/x')], [link('a', 'b'), link('b', 'a')], '/a leads through a loop of links.'],
    ['a link to itself', [file('a/x')], [link('a', 'a')], '/a leads through a loop of links.'],
    ['a chain of more links than Linux follows', [file('l0/x')], chain, '/l0 leads through a loop of links.'],
    [
      'a link whose target grows',
      [file('a/x')],
      [link('a', 'b/a'), link('b/a', `${'b/'.repeat(2040)}a`)],
      '/a leads to a path that is deeper than 128 folders.',
    ],
    ['a depth of 6,000 folders', [file(`${'d/'.repeat(6000)}x`)], [], 'the path is'],
    ['a whiteout without a name', [file('a/.wh.')], [], 'the whiteout does not name a file'],
  ])('rejects %s', async (_what, inputs, below, reason) => {
    const rejected = { name: 'BuildError', step: 'root file system', message: expect.stringContaining(reason) };
    await expect(laidOut(inputs, below)).rejects.toMatchObject(rejected);
  });

  it('rejects a layer whose links take too much work', async () => {
    // Each entry follows forty links of 2,000 steps. A million such entries would keep a worker busy for a day.
    const below = Array.from({ length: 39 }, (_, at) => link(`l${at}`, `${'x/../'.repeat(800)}l${at + 1}`));
    const inputs = Array.from({ length: 500 }, (_, at) => file(`l0/${at}/x`));
    await expect(laidOut(inputs, below)).rejects.toThrow(
      'Resolving all paths of a layer takes more than 5000000 steps.',
    );
  });

  const below = (path: string, more: Partial<ListingEntry>): ListingEntry => ({ ...folder(path, 0o4755), ...more });

  it('copies a file of the layers below once for all hard links to it, through links', async () => {
    const headers = await laidOut(
      [
        file('bin/second', { type: 'hardlink', target: 'bin/first' }),
        file('bin/third', { type: 'hardlink', target: 'usr/bin/first' }),
        file('opt/moved', { type: 'hardlink', target: 'usr/bin/old' }),
      ],
      [
        link('bin', 'usr/bin'),
        below('usr/bin/first', { type: 'file', size: 20 }),
        below('usr/bin/old', { type: 'hardlink', target: 'usr/bin/first' }),
      ],
    );
    expect(headers.filter(({ type }) => type !== 'folder')).toEqual([
      expect.objectContaining({ path: 'usr/bin/first', type: 'file', mode: 0o4755, uid: 5, gid: 6, size: 20 }),
      expect.objectContaining({ path: 'usr/bin/second', type: 'hardlink', target: 'usr/bin/first' }),
      expect.objectContaining({ path: 'usr/bin/third', type: 'hardlink', target: 'usr/bin/first' }),
      expect.objectContaining({ path: 'usr/bin/old', type: 'file', size: 20 }),
      expect.objectContaining({ path: 'opt/moved', type: 'hardlink', target: 'usr/bin/old' }),
    ]);
  });

  it('rejects hard links to missing files, to folders, in cycles, and to too many files or bytes', async () => {
    const hard = (target: string) => [file('x', { type: 'hardlink', target })];
    await expect(laidOut(hard('gone'))).rejects.toThrow('/x is a hard link to /gone, which is not a file');
    await expect(laidOut(hard('srv'), [folder('srv', 0o755)])).rejects.toThrow('which is not a file');
    const circle = [below('a', { type: 'hardlink', target: 'b' }), below('b', { type: 'hardlink', target: 'a' })];
    await expect(laidOut(hard('a'), circle)).rejects.toThrow('which is not a file');
    await expect(laidOut(hard('a'), [below('a', { type: 'file', size: 2 ** 40 })])).rejects.toThrow(
      'hard links to more than 4294967296 bytes',
    );
    const files = Array.from({ length: 501 }, (_, at) => below(`f${at}`, { type: 'file' }));
    const links = files.map(({ path }) => file(`l${path}`, { type: 'hardlink', target: path }));
    await expect(laidOut(links, files)).rejects.toThrow('hard links to more than 500 files');
  });
});
