// Writes and reads listings as JSON lines, and merges the listings of layers.
import { expect, it } from 'vitest';
import { chunked, concatenate } from '../../test/fixtures/tar.ts';
import { applyListing, readListing, writeListing } from './listing.ts';
import type { ListingEntry } from './listing-entry.ts';

function file(path: string, type: ListingEntry['type'] = 'file'): ListingEntry {
  return { path, type, mode: 0o644, uid: 0, gid: 0, size: 0 };
}

function mapOf(...entries: ListingEntry[]): Map<string, ListingEntry> {
  return new Map(entries.map((entry) => [entry.path, entry]));
}

const below = mapOf(
  file('etc', 'folder'),
  file('etc/a'),
  file('etc/b'),
  file('etc/c', 'folder'),
  file('etc/c/d'),
  file('etcetera'),
);

async function applied(...layer: ListingEntry[]): Promise<string[]> {
  return [...(await applyListing(below, layer)).keys()].sort();
}

it('reads the entries that it wrote, in chunks of any size', async () => {
  const entries: ListingEntry[] = [
    { path: 'etc/grüße\n', type: 'file', mode: 0o4755, uid: 1, gid: 2, size: 3, digest: `sha256:${'a'.repeat(64)}` },
    { path: 'bad\udcff', type: 'symlink', mode: 0o777, uid: 0, gid: 0, size: 0, target: '../x' },
    ...Array.from({ length: 1200 }, (_, n) => file(`many/${n}`)),
  ];
  const lines = await concatenate(writeListing(entries));
  for (const chunk of [1, 100, 1 << 20]) {
    const read: ListingEntry[] = [];
    for await (const entry of readListing(chunked(lines, chunk))) read.push(entry);
    expect(read).toEqual(entries);
  }
});

it('adds and replaces entries', async () => {
  expect(await applied(file('new'), file('etc/a'))).toEqual([
    'etc',
    'etc/a',
    'etc/b',
    'etc/c',
    'etc/c/d',
    'etcetera',
    'new',
  ]);
});

it('whiteouts hide entries of lower layers and none of their own layer', async () => {
  expect(await applied(file('etc/.wh.c'), file('etc/.wh.a'), file('etc/a'))).toEqual([
    'etc',
    'etc/a',
    'etc/b',
    'etcetera',
  ]);
  expect(await applied(file('.wh.etc'))).toEqual(['etcetera']);
  expect(await applied(file('etc', 'folder'), file('etc/new'), file('etc/.wh..wh..opq'))).toEqual([
    'etc',
    'etc/new',
    'etcetera',
  ]);
  expect(await applied(file('.wh..wh..opq'))).toEqual([]);
  expect(await applied(file('.wh..wh.plnk', 'folder'))).toEqual([...below.keys()].sort());
});

it('a file or link over a folder replaces it whole, a folder over a folder keeps its content', async () => {
  expect(await applied(file('etc/c', 'symlink'))).toEqual(['etc', 'etc/a', 'etc/b', 'etc/c', 'etcetera']);
  expect(await applied(file('etc/c', 'folder'))).toContain('etc/c/d');
});

it('a file at the path of a folder without an entry hides the content of the folder', async () => {
  const unlisted = new Map([['opt/app/x', file('opt/app/x')]]);
  expect([...(await applyListing(unlisted, [file('opt/app')])).keys()]).toEqual(['opt/app']);
  expect([...(await applyListing(unlisted, [file('opt/app/y')])).keys()]).toEqual(['opt/app/x', 'opt/app/y']);
});

it.each(['etc/.wh.', 'etc/.wh..', 'etc/.wh...', 'etc/.wh.a/b'])('rejects the whiteout %s', async (path) => {
  await expect(applied(file(path))).rejects.toMatchObject({ code: 'NAME' });
});
