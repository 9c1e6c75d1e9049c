// Rejections of archives: the fault, the limit, and the remedy.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  FILE,
  packed,
  patchedHeader,
  rejections,
  rejectionsOf,
  rootfs,
  yaml,
} from '../../test/fixtures/customization.ts';
import { archiveOf, entry } from '../../test/fixtures/tar.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'larder-remedies-'));
  mkdirSync(join(directory, 'rootfs'));
  writeFileSync(join(directory, 'rootfs/a'), 'a');
});
afterAll(() => rmSync(directory, { recursive: true }));

const tar = (...parts: string[]) => execFileSync('tar', parts, { cwd: directory });

describe('a file of another format', () => {
  const heads: [string, string, string][] = [
    ['a zip archive', '504b0304140000000800', 'unpack it with «unzip FILE» and pack the folder with «tar czf»'],
    ['an empty zip archive', '504b0506000000000000', 'pack the folder with «tar czf»'],
    ['a rar archive', '526172211a0701003392', 'unpack it with «unrar x FILE» and pack'],
    ['a 7z archive', '377abcaf271c00040000', 'unpack it with «7z x FILE» and pack'],
    ['xz', 'fd377a585a000004e6d6', 'convert it with «xz -dc FILE | gzip > FILE.tar.gz»'],
    ['bzip2', '425a6839314159265359', 'convert it with «bzip2 -dc FILE | gzip > FILE.tar.gz»'],
    ['zstd', zstdCompressSync('hello, this is a text').toString('hex'), 'convert it with «zstd -dc FILE'],
    ['lzma', '5d00008000ffffffffff', 'convert it with «xz -dc --format=lzma FILE'],
    ['a xar archive', '78617221001c00010000', 'unpack it with «bsdtar -xf FILE»'],
    ['an RPM package', 'edabeedb030000000001', 'unpack it with «rpm2cpio FILE | cpio -id»'],
    ['lz4', '04224d186440a7000000', 'convert it with «lz4 -dc FILE'],
    ['compress (.Z)', '1f9d9072c2e1c6cd9934', 'convert it with «gzip -dc FILE'],
    ['a cpio archive', '30373037303130303030', 'unpack it with «cpio -id < FILE»'],
    ['an ar archive, such as a Debian package', '213c617263683e0a6465', 'unpack it with «ar x FILE»'],
  ];

  it.each(heads)('%s', async (name, hex, remedy) => {
    const bytes = Buffer.from(hex, 'hex');
    for (const chunk of [1, 4096]) {
      const [told, ...more] = await rejectionsOf(bytes, chunk);
      expect(told).toContain(`file: this is not a gzip file but ${name}: ${remedy}`);
      expect(more).toEqual([]);
    }
    expect((await rejectionsOf(gzipSync(bytes)))[0]).toContain(`the gzip file holds ${name} and not a tar archive`);
  });

  it('gzip in gzip, also of less than one block', async () => {
    for (const inner of [await packed([FILE]), gzipSync('x')]) {
      expect(await rejectionsOf(gzipSync(inner), 7)).toEqual([
        'file: the gzip file holds gzip and not a tar archive: decompress it once with «gunzip»',
      ]);
    }
  });

  it('a short file and an empty one', async () => {
    expect(await rejectionsOf(Buffer.from('PK'))).toEqual([
      'file: this is not a gzip file: pack the folder with «tar czf»',
    ]);
    expect(await rejectionsOf(Buffer.alloc(0))).toEqual(['file: the file is empty: pack the folder with «tar czf»']);
  });
});

it.each([
  ['etc/motd', 'move it to rootfs/etc'],
  ['customization.yml', 'rename it to customization.yaml'],
  ['Customization.yaml', 'rename it to customization.yaml'],
  ['script/final', 'rename it to scripts'],
  ['RootFS/a', 'rename it to rootfs'],
  ['mine/rootfs/a', 'pack its contents («tar -C FOLDER -czf …»)'],
  ['README.md', 'remove it; if'],
])('%s at the top', async (path, remedy) => {
  const [told, ...more] = await rejections(FILE, entry(path, { content: 'x' }));
  expect(told).toContain(
    `file:${path}: only customization.yaml, rootfs/, scripts/ and chart/ may be at the top of the archive`,
  );
  expect(told).toContain(remedy);
  expect(more).toEqual([]);
});

it('an archive that expands to more than 200 times its size: the limit, the largest file and the remedy', async () => {
  const told = await rejections(
    FILE,
    rootfs('small', { content: 'x' }),
    rootfs('opt/image.bin', { content: Buffer.alloc(30 << 20) }),
  );
  expect(told).toEqual([
    'file: the archive expands to more than 200 times its size, which is allowed only below 10 MiB; leave out files of zeros, or make them in scripts/final; the largest file so far is rootfs/opt/image.bin (31457280 bytes)',
  ]);
});

it('a volume label and an incremental backup, in both formats of GNU tar', async () => {
  const label = 'it is a volume label; pack without --label (-V)';
  expect(await rejectionsOf(tar('-V', 'backup', '-czf', '-', 'rootfs'))).toEqual([`file:backup: ${label}`]);
  expect(await rejectionsOf(tar('--format=posix', '-V', 'backup', '-czf', '-', 'rootfs'))).toEqual([`file: ${label}`]);
  const [told] = await rejectionsOf(tar('-G', '-czf', '-', 'rootfs'));
  expect(told).toContain('pack without --incremental (-G) and --listed-incremental (-g)');
});

it('the owner -1', async () => {
  const owner = (block: Buffer) => Buffer.from('80000000ffffffff', 'hex').copy(block, 108);
  expect(await rejectionsOf(await patchedHeader(owner))).toEqual([
    'file:rootfs/ok: no user or group has the number 4294967295 (-1); pack with --owner=0 --group=0',
  ]);
});

it('owners that are not numbers, in the header and in the extension header', async () => {
  const negative = (block: Buffer) => Buffer.alloc(8, 0xff).copy(block, 108);
  expect(await rejectionsOf(await patchedHeader(negative))).toEqual([
    "file:rootfs/ok: the header's uid is not a valid number; pack with --owner=0 --group=0",
  ]);
  const pax = tar('--format=posix', '--pax-option=uid:=-1', '-czf', '-', 'rootfs/a');
  expect(await rejectionsOf(pax)).toEqual([
    "file:rootfs/a: the extension header's uid is not a valid number; pack with --owner=0 --group=0",
  ]);
});

it('an invalid mode and an invalid owner, with the line of the value', async () => {
  const files = ['files:', '  - path: /etc/a', '    content: x', '    mode: rwxr-x---', '    owner: "a:b:c"'];
  expect(await rejections(yaml(...files))).toEqual([
    'file:customization.yaml: line 4: files[0].mode must be a mode in octal, such as 0640, not "rwxr-x---"',
    'file:customization.yaml: line 5: /etc/a: "a:b:c" is not an owner; write user or user:group, by name or number',
  ]);
});

it('an alias without its anchor', async () => {
  expect(await rejections(FILE, yaml('labels: {a: b}', 'environment: *common'))).toEqual([
    'file:customization.yaml: line 2: the alias "*common" has no anchor before it',
  ]);
});

it('scripts with a byte order mark or with CR line ends', async () => {
  const script = async (text: string) => await rejections(entry('scripts/final', { content: text }));
  expect((await script('\ufeff#!/bin/sh\ntrue\n'))[0]).toContain('begins with a byte order mark');
  expect((await script('#!/bin/sh\rtrue\r'))[0]).toContain('the lines end with CR alone');
  expect(await script("#!/bin/sh\nprintf 'a\rb'\n")).toEqual([]);
});

it('merge keys, with their line; anchors and aliases are accepted', async () => {
  const [told, ...more] = await rejections(yaml('environment: &a', '  A: b', 'labels:', '  <<: *a'));
  expect(told).toMatch(/^file:customization\.yaml: line 4: merge keys \(<<\) are not supported; write the keys out/);
  expect(more).toEqual([]);
  expect(await rejections(yaml('environment: &a', '  A: b', 'labels: *a'))).toEqual([]);
});

it('an archive without anything', async () => {
  const nothing =
    'file: the archive changes nothing: it has no file in rootfs/, no script in scripts/, no template in chart/templates/, and nothing in customization.yaml';
  expect(await rejectionsOf(gzipSync(Buffer.alloc(1024)))).toEqual([nothing]);
  expect(await rejectionsOf(tar('-czf', '-', '--files-from=/dev/null'))).toEqual([nothing]);
});

it('violations of the archive as a whole come before those of its entries', async () => {
  const entries = Array.from({ length: 150 }, (_, n) => rootfs(`dev/${n}`, { content: '' }));
  const bytes = await archiveOf(entries);
  const told = await rejectionsOf(gzipSync(bytes.subarray(0, -1024)));
  expect(told[0]).toBe('file: the archive ends without its end marker: it was cut off; pack it again');
  expect(told).toHaveLength(101);
  expect(told.at(-1)).toBe('and 51 more');
});
