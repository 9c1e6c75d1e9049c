// Warnings of an upload: each kind, and how many of each are listed.
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { DUMMY_KEY, inspect, rejections, rootfs, yaml } from '../../test/fixtures/customization.ts';
import { chunked, entry } from '../../test/fixtures/tar.ts';
import { checksumOf } from '../tar/header.ts';
import { formatPax, type PaxRecords } from '../tar/pax.ts';
import { formatHeader } from '../tar/write.ts';
import { inspectArchive } from './inspect.ts';

it('warns of private keys, lost attributes, lost mode bits and world-writable folders', async () => {
  const { warnings, more_warnings_count: more } = await inspect([
    rootfs('usr/bin/su2', { content: 'x', mode: 0o6755 }),
    rootfs('usr/bin/su3', { content: 'x', mode: 0o4757 }),
    rootfs('etc/key.pem', { content: DUMMY_KEY }),
    rootfs('bin/ping', { content: 'x', xattrs: { 'security.capability': Buffer.from([1]) } }),
    rootfs('var/spool', { type: 'folder', mode: 0o1777 }),
    rootfs('var/link', { type: 'symlink', mode: 0o777, target: 'spool' }),
    yaml('files: [{path: /usr/bin/su3, mode: "4757"}]'),
  ]);
  expect(more).toBe(0);
  expect(warnings).toEqual([
    {
      code: 'PRIVATE_KEY_KEPT',
      message: 'The file holds a private key, which everyone who can pull the image will have.',
      path: 'rootfs/etc/key.pem',
    },
    {
      code: 'ATTRIBUTES_LOST',
      message: 'Extended attributes are left out: security.capability. Set capabilities with setcap in scripts/final.',
      path: 'rootfs/bin/ping',
    },
    {
      code: 'SPECIAL_MODE_LOST',
      message: 'The file loses its setuid and setgid bit; declare its mode under files to keep it.',
      path: 'rootfs/usr/bin/su2',
    },
    {
      code: 'SPECIAL_MODE_LOST',
      message: 'The folder loses its sticky bit; declare its mode under files to keep it.',
      path: 'rootfs/var/spool',
    },
    {
      code: 'WORLD_WRITABLE',
      message:
        'Every user of the image can write to the folder; remove that right (chmod o-w) or declare its mode under files.',
      path: 'rootfs/var/spool',
    },
  ]);
});

it('lists a few warnings of each kind and counts the rest, so that no kind hides another', async () => {
  const { warnings, more_warnings_count: more } = await inspect([
    ...Array.from({ length: 500 }, (_, n) => rootfs(`f${n}`, { content: '', mode: 0o666 })),
    rootfs('key', { content: DUMMY_KEY }),
  ]);
  expect(warnings.map(({ code }) => code).sort()).toEqual(['PRIVATE_KEY_KEPT', ...Array(10).fill('WORLD_WRITABLE')]);
  expect(more).toBe(490);
});

it('leaves out files that macOS adds, with a warning that names the remedy', async () => {
  const {
    listing,
    warnings,
    more_warnings_count: more,
  } = await inspect([
    entry('._customization.yaml', { content: 'x' }),
    yaml('environment: {A: b}'),
    entry('._rootfs', { content: 'x' }),
    rootfs('etc/app.conf', { content: 'x' }),
    rootfs('etc/._app.conf', { content: 'x' }),
    rootfs('etc/.DS_Store', { content: 'x' }),
    rootfs('._folder'),
    entry('__MACOSX'),
    entry('__MACOSX/rootfs/._x', { content: 'x' }),
  ]);
  expect(listing.map(({ path }) => path)).toEqual(['customization.yaml', 'rootfs/etc/app.conf', 'rootfs/._folder']);
  expect(more).toBe(0);
  expect(warnings.map(({ code, path }) => [code, path])).toEqual([
    ['FILE_SKIPPED', '._customization.yaml'],
    ['FILE_SKIPPED', '._rootfs'],
    ['FILE_SKIPPED', 'rootfs/etc/._app.conf'],
    ['FILE_SKIPPED', 'rootfs/etc/.DS_Store'],
    ['FILE_SKIPPED', '__MACOSX'],
    ['FILE_SKIPPED', '__MACOSX/rootfs/._x'],
  ]);
  for (const { message } of warnings) expect(message).toContain('COPYFILE_DISABLE=1');
  expect(await rejections(entry('._rootfs', { content: 'x' }))).toEqual([
    'file: the archive changes nothing: it has no file in rootfs/, no script in scripts/, no template in chart/templates/, and nothing in customization.yaml',
  ]);
});

it('warns of attributes in every tar format, and only once of those that the packing machine gives each file', async () => {
  const records = (values: Record<string, string>) =>
    new Map(Object.entries(values).map(([key, value]) => [key, Buffer.from(value)]));
  const { warnings } = await inspectArchive(
    chunked(
      await withRecords([
        ['rootfs/a', records({ 'RHT.security.selinux': 'unconfined_u:object_r:etc_t:s0\0' })],
        ['rootfs/b', records({ 'SCHILY.xattr.security.selinux': 'x', 'RHT.security.selinux': 'x' })],
        ['rootfs/c', records({ 'LIBARCHIVE.xattr.user.na%3Dme': 'eA', 'SCHILY.acl.ace': 'owner@:rwx' })],
        [
          'rootfs/d',
          records({ 'LIBARCHIVE.xattr.user.x': 'eA', 'SCHILY.xattr.user.x': 'x', 'SCHILY.fflags': 'nodump' }),
        ],
        ['rootfs/e', records({ 'LIBARCHIVE.xattr.com.apple.quarantine': 'eA', 'LIBARCHIVE.xattr.%zz': 'eA' })],
      ]),
    ),
  );
  expect(warnings.map(({ code, message, path }) => [code, path, message])).toEqual([
    ['ATTRIBUTES_LOST', 'rootfs/c', 'Extended attributes are left out: user.na=me, access list.'],
    ['ATTRIBUTES_LOST', 'rootfs/d', 'Extended attributes are left out: user.x, file flags.'],
    ['ATTRIBUTES_LOST', 'rootfs/e', 'Extended attributes are left out: %zz.'],
    [
      'ATTRIBUTES_LOST',
      undefined,
      'SELinux labels are left out (2 times). The host that runs a container sets its own.',
    ],
    [
      'ATTRIBUTES_LOST',
      undefined,
      'Attributes of macOS are left out (1 time). Pack with COPYFILE_DISABLE=1 in the environment.',
    ],
  ]);
});

/** Returns an archive of empty files, each with these records in its extension header. */
async function withRecords(files: [string, PaxRecords][]): Promise<Buffer> {
  const blocks = files.map(([path, records]) => {
    const body = formatPax(records);
    const header = formatHeader({ path: 'x', type: 'file', mode: 0o644, uid: 0, gid: 0, size: body.length, mtime: 0 });
    header.write('x', 156);
    header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    const file = formatHeader({ path, type: 'file', mode: 0o644, uid: 0, gid: 0, size: 0, mtime: 0 });
    return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512), file]);
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}
