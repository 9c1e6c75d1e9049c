// A merged layer has the same effect on an image as the layers from which it was made. Tests selected layers and many random
// layers.
import { describe, expect, it, test } from 'vitest';
import { entry, seededRandom } from '../../../test/fixtures/tar.ts';
import type { ContentStore } from '../../content/content.ts';
import { memoryContent } from '../../content/memory.ts';
import { mergedListing, writeLayer } from '../../oci/layer.ts';
import type { LayerPin } from '../../plan/pin.ts';
import type { TarInput } from '../../tar/entry.ts';
import type { MergedListing } from '../../tar/listing-entry.ts';
import { mergeGroups, withinLayerLimit } from './layer-limit.ts';
import { mergeLayers } from './layer-merge.ts';

const file = (path: string, content: string = path) => entry(path, { content });
const gone = (path: string) => entry(path.replace(/[^/]*$/, '.wh.$&'), { content: '' });
const opaque = (path: string) => entry(`${path}/.wh..wh..opq`, { content: '' });
const hard = (path: string, target: string) => entry(path, { type: 'hardlink', target });

/** Returns the files of an image as lines. A hard link is listed like its file. */
function shown(listing: MergedListing): string[] {
  const lines: string[] = [];
  for (const [path, found] of listing) {
    const real = found.type === 'hardlink' ? listing.get(found.target ?? '') : found;
    lines.push(`${path} ${real?.type} ${real?.mode.toString(8)} ${real?.digest ?? real?.target ?? ''}`.trim());
  }
  return lines.sort();
}

/**
 * Replaces hard links by files. A hard link keeps the bytes of the file in its own layer, even if a later layer replaces the
 * file.
 */
function withoutLinks(layer: TarInput[]): TarInput[] {
  const files = new Map(layer.map((input) => [input.header.path, input]));
  return layer.map((input) => {
    const linked = files.get(input.header.target ?? '');
    if (input.header.type !== 'hardlink' || linked === undefined) return input;
    return { ...linked, header: { ...linked.header, path: input.header.path } };
  });
}

async function pinsOf(content: ContentStore, layers: TarInput[][]): Promise<LayerPin[]> {
  return await Promise.all(layers.map((entries) => writeLayer(content, entries)));
}

async function compare(base: TarInput[], layers: TarInput[][]): Promise<string[]> {
  const content = memoryContent();
  const [below, ...pins] = await pinsOf(content, [base, ...layers]);
  const expected = await pinsOf(content, [base, ...layers.map(withoutLinks)]);
  if (below === undefined) throw new RangeError('no base');
  const one = await mergeLayers(content, pins);
  expect((await mergeLayers(content, pins)).descriptor).toEqual(one.descriptor);
  const merged = shown(await mergedListing(content, [below, one]));
  expect(merged).toEqual(shown(await mergedListing(content, expected)));
  return merged.map((line) => line.replace(/ sha256:.*/, ''));
}

const BASE = [entry('d', { mode: 0o700 }), file('d/old'), entry('d/sub'), file('d/sub/old'), file('f'), file('g')];

describe('mergeLayers keeps', () => {
  it.each<[string, TarInput[][], string[]]>([
    ['the later of two files', [[file('f', '1'), file('n')], [file('f', '2')]], ['f file 644', 'n file 644']],
    ['the removal of a file', [[file('n')], [gone('n'), gone('f')]], []],
    ['a file that is removed and created again', [[gone('f')], [file('f', 'new')]], ['f file 644']],
    ['a folder that is removed and created again, empty', [[gone('d')], [entry('d')]], ['d folder 755']],
    [
      'a file in a folder that was removed before',
      [[gone('d')], [entry('d'), file('d/new')]],
      ['d folder 755', 'd/new file 644'],
    ],
    [
      'a folder that replaces a file that replaces a folder',
      [[file('d')], [entry('d'), file('d/new')]],
      ['d folder 755', 'd/new file 644'],
    ],
    [
      'files of an opaque folder in the same layer',
      [[file('d/mid')], [opaque('d'), file('d/new')]],
      ['d/new file 644'],
    ],
    [
      'files that a later layer adds to an opaque folder',
      [[entry('d'), opaque('d')], [file('d/new')]],
      ['d folder 755', 'd/new file 644'],
    ],
    ['the last mode of a folder', [[entry('d', { mode: 0o711 })], [entry('d', { mode: 0o722 })]], ['d folder 722']],
    [
      'the removal of a file below an opaque folder',
      [[entry('d'), file('d/x'), opaque('d')], [gone('d/x')]],
      ['d folder 755'],
    ],
    ['hard links', [[file('a', 'A'), hard('b', 'a')], [file('c')]], ['a file 644', 'b file 644']],
    [
      'hard links whose file is replaced later',
      [[file('a', 'A'), hard('b', 'a'), hard('c', 'a')], [file('a', 'new')]],
      ['a file 644', 'b file 644', 'c file 644'],
    ],
    [
      'hard links whose file is removed later',
      [
        [file('a', 'A'), hard('b', 'a'), hard('c', 'a')],
        [gone('a'), file('c', 'x')],
      ],
      ['b file 644', 'c file 644'],
    ],
    ['a link that replaces a folder', [[entry('d', { type: 'symlink', target: 'f' })]], ['d symlink 644 f']],
  ])('%s', async (_, layers, expected) => {
    expect(await compare(BASE, layers)).toEqual(expect.arrayContaining(expected));
  });

  it('the files of 150 random images', async () => {
    const random = seededRandom(9);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    const names = ['a', 'b', 'd', 'd/a', 'd/b', 'd/sub', 'd/sub/a', 'e', 'e/a'];
    for (let round = 0; round < 150; round++) {
      const layers = Array.from({ length: 2 + Math.floor(random() * 5) }, (_, at) =>
        layerByChance(pick, names, `${round} ${at}`),
      );
      await compare(BASE, layers);
    }
  });
});

/** Returns a random layer that overlayfs could have written, so only folders have paths below them. */
function layerByChance(pick: <T>(list: readonly T[]) => T, names: string[], text: string): TarInput[] {
  const entries = new Map<string, TarInput>();
  const files: string[] = [];
  for (let count = 0; count < 6; count++) {
    const path = pick(names);
    const folders = path
      .split('/')
      .map((_, index, parts) => parts.slice(0, index).join('/'))
      .slice(1);
    const isBlocked = folders.some((folder) => entries.has(folder) && entries.get(folder)?.header.type !== 'folder');
    const isUsed = [...entries.keys()].some((other) => other === path || other.startsWith(`${path}/`));
    if (
      isBlocked ||
      isUsed ||
      entries.has(gone(path).header.path) ||
      folders.some((folder) => entries.has(gone(folder).header.path))
    )
      continue;
    for (const folder of folders)
      if (!entries.has(folder)) entries.set(folder, entry(folder, { mode: pick([0o755, 0o700]) }));
    const kind = pick(['file', 'file', 'link', 'gone', 'folder', 'opaque'] as const);
    if (kind === 'gone') entries.set(gone(path).header.path, gone(path));
    else if (kind === 'folder' || kind === 'opaque') {
      entries.set(path, entry(path));
      if (kind === 'opaque') entries.set(`${path}/.wh..wh..opq`, opaque(path));
    } else if (kind === 'link' && files.length > 0) entries.set(path, hard(path, pick(files)));
    else {
      entries.set(path, file(path, `${text} ${path}`));
      files.push(path);
    }
  }
  return [...entries.values()];
}

describe('the limit of layers', () => {
  it.each([
    [98, 98, 0],
    [99, 98, 1],
    [122, 98, 1],
    [123, 98, 2],
    [130, 98, 2],
    [2000, 98, 80],
    [10_000, 98, 98],
    [5, 1, 1],
    [200, 3, 3],
  ])('merges %i layers with capacity for %i into %i groups', (count, capacity, groups) => {
    const found = mergeGroups(count, capacity);
    expect(found.groups).toBe(groups);
    const left = groups + Math.max(0, count - groups * found.size);
    expect(left).toBeLessThanOrEqual(capacity);
  });

  test('merges 130 customizations to at most 100 layers, logs it, and changes only one layer for one more customization', async () => {
    const content = memoryContent();
    const entries = Array.from({ length: 160 }, (_, at) => [file(`etc/${at}`), file('etc/last', String(at))]);
    const all = (await pinsOf(content, entries)).map((pin, at) => ({ ...pin, created_by: `customization ${at}` }));
    const below = all.slice(0, 2);
    let said = '';
    const merge = async (count: number) =>
      await withinLayerLimit(
        { below, customizations: all.slice(2, 2 + count) },
        {
          content,
          cache: { get: async () => undefined, set: async () => undefined },
          exclusive: (_name, work) => work(),
          log: { say: (line: string) => (said += line) } as never,
        },
      );
    expect(await merge(98)).toEqual(all.slice(0, 100));
    expect(said).toBe('');
    const layers = await merge(130);
    expect(layers.length).toBeLessThanOrEqual(100);
    expect(said).toContain(
      '132 layers exceed the limit of 100: the oldest 50 customization layers are merged into 2 layers',
    );
    expect(layers[2]?.created_by).toBe('merged: 25 layers, customization 2 to customization 26');
    expect(layers.slice(4)).toEqual(all.slice(52, 132));
    expect(shown(await mergedListing(content, layers))).toEqual(shown(await mergedListing(content, all.slice(0, 132))));
    const more = await merge(131);
    const known = new Set(layers.map(({ diff_id }) => diff_id));
    expect(more.filter(({ diff_id }) => !known.has(diff_id))).toHaveLength(1);
  });
});
