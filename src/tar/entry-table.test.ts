// A table of entries behaves like a Map and has the same order. It has limits.
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../test/fixtures/tar.ts';
import { EntryTable, TABLE_ENTRY_COUNT_MAX } from './entry-table.ts';
import type { ListingEntry } from './listing-entry.ts';
import { PathIndex } from './path-index.ts';

const file = (path: string, more: Partial<ListingEntry> = {}): ListingEntry => ({
  path,
  type: 'file',
  mode: 0o4755,
  uid: 0xfffffffe,
  gid: 7,
  size: 2 ** 40,
  digest: `sha256:${'0123456789abcdef'.repeat(4)}`,
  ...more,
});
const link: ListingEntry = { path: 'bin', type: 'symlink', mode: 0o777, uid: 0, gid: 0, size: 0, target: 'usr/bin' };

describe('EntryTable', () => {
  it('returns the entries in the order in which their paths were added', () => {
    const table = new EntryTable();
    for (const entry of [file('b'), link, file(''), file('ä\u{1f600}'), file('bad\udcff')]) table.set(entry);
    table.set(file('b', { size: 1 }));
    expect([...table.values()]).toEqual([
      file('b', { size: 1 }),
      link,
      file(''),
      file('ä\u{1f600}'),
      file('bad\udcff'),
    ]);
    expect([...table.keys()]).toEqual(['b', 'bin', '', 'ä\u{1f600}', 'bad\udcff']);
    expect(table.get('bin')).toEqual(link);
    expect(table.get('bad\udcfe')).toBeUndefined();
    expect(table.has('bad\ufffd')).toBe(false);
    expect(new Map(table).get('b')).toEqual(file('b', { size: 1 }));
  });

  it('behaves like a Map while it grows, removes entries and is copied', () => {
    const random = seededRandom(3);
    let table = new EntryTable();
    const map = new Map<string, ListingEntry>();
    for (let step = 0; step < 20_000; step++) {
      const entry = file(`d${Math.floor(random() * 50)}/f${Math.floor(random() * 200)}`, { size: step });
      table.set(entry);
      map.set(entry.path, entry);
      if (step % 5000 !== 4999) continue;
      const gone = (path: string) => path.startsWith(`d${step % 7}`);
      const before = EntryTable.from(table);
      table.dropWhere(gone);
      expect(before.size).toBe(map.size);
      for (const path of map.keys()) if (gone(path)) map.delete(path);
      table = EntryTable.from(table);
    }
    expect(table.size).toBe(map.size);
    expect([...table]).toEqual([...map]);
    expect(EntryTable.from(map).get('d9/f1')).toEqual(map.get('d9/f1'));
  });

  it('does not change its copy', () => {
    const table = new EntryTable();
    table.set(file('a'));
    const copy = EntryTable.from(table);
    table.set(file('b'));
    copy.set(link);
    table.set(file('a', { size: 5 }));
    expect([[...table.keys()], [...copy.keys()]]).toEqual([
      ['a', 'b'],
      ['a', 'bin'],
    ]);
    expect(copy.get('a')).toEqual(file('a'));
  });

  it('rejects too many entries and too many bytes of names', () => {
    const table = new EntryTable();
    const fill = (count: number, name: string) => {
      for (let at = 0; at < count; at++) table.set(file(`${at}${name}`));
    };
    expect(() => fill(11_000, 'x'.repeat(4000))).toThrow('names of more than 41943040 bytes in total');
    table.dropWhere(() => true);
    expect(() => fill(TABLE_ENTRY_COUNT_MAX + 1, '')).toThrow(
      expect.objectContaining({ code: 'LIMIT', message: 'the image has more than 450000 entries' }),
    );
  });
});

it('finds long paths and those that share a slot', () => {
  const index = new PathIndex();
  const paths = Array.from({ length: 3000 }, (_, at) => `${'long/'.repeat(at)}${at}`);
  for (const [row, path] of paths.entries()) expect(index.add(path)).toEqual({ row, isNew: true });
  expect(paths.every((path, row) => index.find(path) === row)).toBe(true);
  expect(index.find('long')).toBeUndefined();
});
