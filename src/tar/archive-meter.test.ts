// Limits of an archive. The reading ends at the header that exceeds a limit.
import { expect, it } from 'vitest';
import { entry } from '../../test/fixtures/tar.ts';
import { ArchiveMeter } from './archive-meter.ts';
import type { TarHeader } from './entry.ts';

const LIMITS = { entryCountMax: 100, folderCountMax: 100, namesBytesMax: 10_000, contentBytesMax: 1000 };

const header = (path: string, more: Partial<TarHeader> = {}): TarHeader => ({
  ...entry(path, { content: '' }).header,
  ...more,
});

function measure(headers: Iterable<TarHeader>): void {
  const meter = new ArchiveMeter(LIMITS);
  for (const one of headers) meter.add(one);
}

function* many(count: number, make: (at: number) => TarHeader): Generator<TarHeader> {
  for (let at = 0; at < count; at++) yield make(at);
}

it('accepts the entries of an image', () => {
  measure([
    header('', { type: 'folder' }),
    header('usr/share/doc/a', { size: 900 }),
    header('usr/lib', { type: 'symlink', target: '../lib' }),
    header('usr/share/doc/b', { type: 'hardlink', target: 'usr/share/doc/a' }),
    header('etc/.wh.gone'),
    header('etc/.wh..wh..opq'),
    header('.wh..wh.plnk/1.2'),
    header('ä'.repeat(127)),
    header('\udcfc'.repeat(250)),
  ]);
});

it.each([
  ['entries', many(101, (at) => header(`${at}`)), 'more than 100 entries'],
  ['folders that occur only in paths of other entries', [header(`${'a/'.repeat(101)}f`)], 'more than 100 folders'],
  ['names', many(4, (at) => header(`${at}/${`${'x'.repeat(250)}/`.repeat(15)}`)), 'names of more than 10000'],
  [
    'targets',
    many(4, (at) => header(`${at}`, { type: 'symlink', target: 'x'.repeat(4000) })),
    'names of more than 10000',
  ],
  [
    'declared bytes',
    [header('a', { size: 900 }), header('b', { size: 101 })],
    'b: with it, the files have more than 1000',
  ],
  ['a file of a petabyte', [header('a', { size: 2 ** 50 })], 'a: with it, the files have more than 1000 bytes'],
  ['a deep path', [header(`${'a/'.repeat(128)}f`)], 'the path is deeper than 128 folders'],
  ['a long path', [header(`${'x'.repeat(200)}/`.repeat(21))], 'the path is longer than 4096 bytes'],
  ['a long name', [header('x'.repeat(256))], 'a name in the path is longer than 255 bytes'],
  ['a long name beyond ASCII', [header(`a/${'ä'.repeat(128)}/b`)], 'a name in the path is longer than 255 bytes'],
  ['a long target', [header('a', { type: 'symlink', target: 'x'.repeat(4097) })], 'the target of the link is longer'],
  ['a hard link to itself', [header('a', { type: 'hardlink', target: 'a' })], 'a: it is a hard link to itself'],
  ['a whiteout of nothing', [header('etc/.wh.')], 'the whiteout does not name a file'],
  ['a whiteout of the folder', [header('etc/.wh..')], 'the whiteout does not name a file'],
  ['a whiteout of the folder above', [header('etc/.wh...')], 'the whiteout does not name a file'],
  ['a path below a whiteout', [header('etc/.wh.x/y')], 'the path is below a whiteout'],
])('rejects %s', (_what, headers, reason) => {
  expect(() => measure(headers)).toThrow(reason);
});
