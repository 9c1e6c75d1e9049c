// Archives of the writer. Their digest is compared with a stored one, and both GNU tar and Larder's reader can read them.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { archiveOf, entry, readAll, sha256 } from '../../test/fixtures/tar.ts';
import { formatHeader } from './write.ts';

const everything = [
  entry('etc'),
  entry('etc/motd', { content: 'welcome\n', mtime: 1_700_000_000 }),
  entry('etc/grüße', { content: 'ü' }),
  entry(`${'long/'.repeat(40)}name`, { content: 'deep' }),
  entry('bin', { type: 'symlink', target: 'usr/bin', mode: 0o777 }),
  entry('etc/motd2', { type: 'hardlink', target: 'etc/motd' }),
  entry('far', { type: 'symlink', target: 'x'.repeat(150) }),
  entry('etc/big', { content: 'b'.repeat(200_000), uid: 3_000_000, gid: 5, mode: 0o4755, mtime: -5 }),
  entry('usr/bin/ping', { content: 'elf', xattrs: { 'security.capability': Buffer.from([1, 0, 0, 2]) } }),
];

it('writes the same bytes for the same entries on every machine', async () => {
  expect(sha256(await archiveOf(everything))).toBe('74cb21ba9e11044632028431c8b455134a920e3bf57eee785e6fc2937f660451');
});

it('writes headers that the reader returns unchanged', async () => {
  const read = await readAll(await archiveOf(everything));
  expect(read.map(({ header }) => header)).toEqual(everything.map(({ header }) => header));
});

it('writes an archive that GNU tar reads', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'larder-tar-'));
  try {
    writeFileSync(join(directory, 'a.tar'), await archiveOf(everything));
    const listing = execFileSync('tar', [
      '-tvf',
      join(directory, 'a.tar'),
      '--numeric-owner',
      '--quoting-style=literal',
    ]).toString();
    expect(listing).toMatch(/-rw-r--r-- 0\/0 +8 .* etc\/motd\n/);
    expect(listing).toMatch(/-rwsr-xr-x 3000000\/5 +200000 .* etc\/big\n/);
    expect(listing).toContain(`${'long/'.repeat(40)}name`);
    expect(listing).toContain('etc/motd2 link to etc/motd');
    expect(listing).toContain('grüße');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

it('writes the name of a folder with a slash at its end and none at its start', async () => {
  const block = formatHeader({ path: 'etc', type: 'folder', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 });
  expect(block.toString('latin1', 0, 5)).toBe('etc/\0');
});

it('writes sizes above eight gigabytes', () => {
  const header = { path: 'a', type: 'file', mode: 0o644, uid: 0, gid: 0, size: 9 * 2 ** 30, mtime: 0 } as const;
  expect(formatHeader(header).toString('latin1')).toContain('size=9663676416\n');
});

it('rejects a body of another length', async () => {
  for (const size of [1, 3])
    await expect(archiveOf([entry('a', { content: 'ab', size })])).rejects.toThrow('as long as');
});
