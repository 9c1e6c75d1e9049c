// Packs a folder as a customization. The bytes are reproducible, all violations are reported together, and no temporary file
// remains.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { chmod, link, mkdir, mkdtemp, readFile, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { chunked } from '../../test/fixtures/tar.ts';
import { inspectArchive } from '../customization/inspect.ts';
import { withArchive } from './archive.ts';
import { CommandFailed } from './io.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'larder-folder-'));
});
afterEach(async () => {
  await chmod(folder, 0o755);
  await rm(folder, { recursive: true, force: true });
});

async function put(path: string, content = 'x', mode = 0o644): Promise<void> {
  await mkdir(join(folder, path, '..'), { recursive: true });
  await writeFile(join(folder, path), content, { mode });
}

type Packed = { bytes: Buffer; filename: string; said: string };

async function pack(timeMax?: number, path = folder): Promise<Packed> {
  const err = new PassThrough();
  const io = { out: new PassThrough(), err, in: new PassThrough() };
  return await withArchive({ io, path, timeMax }, async ({ bytes, filename }) => ({
    bytes: Buffer.from(await bytes.arrayBuffer()),
    filename,
    said: String(err.read() ?? ''),
  }));
}

/** Returns the lines of the violations, without the first line. */
async function rejection(): Promise<string[]> {
  const error = await pack().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof CommandFailed)) throw error ?? new Error('It was packed.');
  const [first, ...lines] = error.message.split('\n');
  expect(first).toBe(`${folder} is not a valid customization:`);
  return lines.map((line) => line.slice(2));
}

test('packs files, folders, links and modes in the order of their names', async () => {
  await put('customization.yaml', 'packages: [curl]\n');
  await put('scripts/final.sh', '#!/bin/sh\n', 0o755);
  await put('rootfs/opt/tool/bin/a', 'same bytes', 0o755);
  await link(join(folder, 'rootfs/opt/tool/bin/a'), join(folder, 'rootfs/opt/tool/bin/b'));
  await symlink('/dev/stdout', join(folder, 'rootfs/opt/tool/log'));
  await put(`rootfs/opt/${'ü'.repeat(100)}`, 'a long name');
  const { bytes, filename } = await pack();
  expect(filename).toBe(`${folder.split('/').at(-1)}.tar.gz`);
  const { listing, declaration } = await inspectArchive(chunked(bytes));
  expect(declaration.packages).toHaveLength(1);
  expect(listing.map(({ path, type }) => `${type} ${path}`)).toEqual([
    'file customization.yaml',
    'folder rootfs',
    'folder rootfs/opt',
    'folder rootfs/opt/tool',
    'folder rootfs/opt/tool/bin',
    'file rootfs/opt/tool/bin/a',
    'hardlink rootfs/opt/tool/bin/b',
    'symlink rootfs/opt/tool/log',
    `file rootfs/opt/${'ü'.repeat(100)}`,
    'folder scripts',
    'file scripts/final.sh',
  ]);
  // The real GNU tar must also be able to read the archive.
  const names = execFileSync('tar', ['-tzf', '-'], { input: bytes, encoding: 'utf8' });
  expect(names.split('\n')[0]).toBe('customization.yaml');
});

test('packs the same files to the same bytes, also when a file has a time after timeMax', async () => {
  for (const name of ['b', 'a', 'B', 'ä']) await put(`rootfs/etc/${name}`, name);
  const first = await pack();
  expect((await pack()).bytes.equals(first.bytes)).toBe(true);
  const later = new Date('2026-05-05');
  await utimes(join(folder, 'rootfs/etc/a'), later, later);
  expect((await pack()).bytes.equals(first.bytes)).toBe(false);
  const clamped = await pack(1_000_000_000);
  await utimes(join(folder, 'rootfs/etc/b'), later, later);
  expect((await pack(1_000_000_000)).bytes.equals(clamped.bytes)).toBe(true);
});

test('leaves out files about the folder and names them; rejects other unknown names', async () => {
  for (const name of ['.git/config', '.gitignore', 'README.md', 'LICENSE', 'rootfs/etc/.hidden']) await put(name);
  const { bytes, said } = await pack();
  expect(said).toBe(`Left out of ${folder}: .git, .gitignore, LICENSE, README.md\n`);
  expect((await inspectArchive(chunked(bytes))).listing.map(({ path }) => path)).toContain('rootfs/etc/.hidden');
  await put('script/final.sh');
  await put('Makefile');
  expect(await rejection()).toEqual([
    'Makefile: only customization.yaml, rootfs/, scripts/ and chart/ may be at the top of the archive, not "Makefile"; remove it; if the whole folder was packed, pack its contents («tar -C FOLDER -czf …»)',
    'script/: only customization.yaml, rootfs/, scripts/ and chart/ may be at the top of the archive, not "script"; rename it to scripts',
  ]);
});

test('reports all violations at once, each with its path', async () => {
  await put('rootfs/etc/ok');
  await put('rootfs/proc/x');
  await put('rootfs/etc/café\u202egpj.exe');
  await put('scripts/first.sh');
  await put('customization.yaml', 'packagez: []\n');
  execFileSync('mkfifo', [join(folder, 'rootfs/etc/pipe')]);
  await writeFile(Buffer.concat([Buffer.from(`${folder}/rootfs/etc/`), Buffer.from([0xff])]), 'x');
  const socket = createServer().listen(join(folder, 'rootfs/etc/socket'));
  await new Promise((resolve) => socket.once('listening', resolve));
  await symlink('../../../../etc/shadow', join(folder, 'rootfs/etc/up'));
  const told = await rejection();
  socket.close();
  expect(told.map((line) => line.split(':', 1)[0])).toEqual([
    'rootfs/etc/socket',
    'rootfs/etc/café\ufffdgpj.exe',
    'rootfs/etc/pipe',
    'rootfs/etc/up',
    'rootfs/etc/\ufffd',
    'rootfs/proc/',
    'rootfs/proc/x',
    'scripts/first.sh',
    'customization.yaml',
  ]);
});

test('stops reading at the limits of size and of entries', async () => {
  await put('rootfs/large');
  await truncate(join(folder, 'rootfs/large'), 1024 ** 3 + 1);
  expect(await rejection()).toEqual(['the folder holds more than 1 GiB']);
  await rm(join(folder, 'rootfs/large'));
  await mkdir(join(folder, 'rootfs/many'));
  for (let at = 0; at < 20_001; at++) await symlink('x', join(folder, `rootfs/many/${at}`));
  expect(await rejection()).toEqual(['the folder holds more than 20000 entries']);
}, 60_000);

test('deletes its temporary file, also if the upload fails', async () => {
  const parents = () => readdirSync(tmpdir()).filter((name) => name.startsWith('larder-customization-'));
  await put('rootfs/etc/ok');
  const before = parents();
  await pack();
  const io = { out: new PassThrough(), err: new PassThrough(), in: new PassThrough() };
  const during: string[] = [];
  const sending = withArchive({ io, path: folder }, async () => {
    during.push(...parents());
    throw new Error('no server');
  });
  await expect(sending).rejects.toThrow('no server');
  expect(during.length).toBe(before.length + 1);
  expect(parents()).toEqual(before);
});

test('rejects an empty folder', async () => {
  expect(await rejection()).toEqual([
    'the archive changes nothing: it has no file in rootfs/, no script in scripts/, no template in chart/templates/, and nothing in customization.yaml',
  ]);
});

/** Sets an extended attribute with Python, because Node cannot. */
function setAttribute(path: string, name: string, value: string): void {
  execFileSync('python3', [
    '-c',
    'import os, sys; os.setxattr(sys.argv[1], sys.argv[2], sys.argv[3].encode())',
    join(folder, path),
    name,
    value,
  ]);
}

test('packs the names of extended attributes, for a warning of their loss, and not their values', async () => {
  await put('rootfs/bin/ping');
  await put('rootfs/bin/-other');
  await put('rootfs/bin/plain');
  setAttribute('rootfs/bin/ping', 'user.note', 'secret');
  setAttribute('rootfs/bin/ping', 'user.also', 'secret');
  setAttribute('rootfs/bin/-other', 'user.note', 'secret');
  const { bytes, said } = await pack();
  expect(said).toBe('');
  const { warnings } = await inspectArchive(chunked(bytes));
  expect(warnings.map(({ code, path, message }) => [code, path, message])).toEqual([
    ['ATTRIBUTES_LOST', 'rootfs/bin/-other', 'Extended attributes are left out: user.note.'],
    ['ATTRIBUTES_LOST', 'rootfs/bin/ping', 'Extended attributes are left out: user.also, user.note.'],
  ]);
  expect(gunzipSync(bytes).includes('secret')).toBe(false);
  expect((await pack()).bytes).toEqual(bytes);
});

test('tar does not read the folders of rejected names', async () => {
  await put('rootfs/bin/ping');
  await put('Downloads/large');
  await put('.bin/tar', `#!/bin/sh\nprintf '%s\\n' "$@" > ${folder}/.said\nexec /usr/bin/tar "$@"\n`, 0o755);
  const { PATH } = process.env;
  process.env['PATH'] = `${join(folder, '.bin')}:${PATH}`;
  try {
    await expect(rejection()).resolves.toHaveLength(1);
  } finally {
    process.env['PATH'] = PATH;
  }
  const said = await readFile(join(folder, '.said'), 'utf8');
  expect(said.split('--\n')[1]).toBe('rootfs\n');
});

test('packs the folder without attributes if no tar can read them, and says so', async () => {
  await put('rootfs/bin/ping');
  const { PATH } = process.env;
  process.env['PATH'] = folder;
  try {
    expect((await pack()).said).toBe(
      `Extended attributes of ${folder} were not read: no tar on this machine can read them.\n`,
    );
    // Installs a tar that does not know the options for attributes.
    await put('tar', '#!/bin/sh\nexit 2\n', 0o755);
    await expect(rejection()).resolves.toHaveLength(1);
    await rm(join(folder, 'tar'));
    await put('.bin/tar', '#!/bin/sh\nexit 2\n', 0o755);
    process.env['PATH'] = join(folder, '.bin');
    expect((await pack()).said).toMatch(/were not read/);
  } finally {
    process.env['PATH'] = PATH;
  }
});
