// What is taken but may not be meant: each kind of warning, and how many of them are listed.
import { expect, it } from 'vitest';
import { entry } from '../tar/fixtures.ts';
import { DUMMY_KEY, inspect, refusals, rootfs, yaml } from './fixtures.ts';

it('warns of what may not be meant', async () => {
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

it('lists a few warnings of each kind and counts the rest, so that none hides another', async () => {
  const { warnings, more_warnings_count: more } = await inspect([
    ...Array.from({ length: 500 }, (_, n) => rootfs(`f${n}`, { content: '', mode: 0o666 })),
    rootfs('key', { content: DUMMY_KEY }),
  ]);
  expect(warnings.map(({ code }) => code).sort()).toEqual(['PRIVATE_KEY_KEPT', ...Array(10).fill('WORLD_WRITABLE')]);
  expect(more).toBe(490);
});

it('leaves out what macOS adds, says so, and names what keeps it out', async () => {
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
  expect(await refusals(entry('._rootfs', { content: 'x' }))).toEqual(['file: the archive changes nothing']);
});
