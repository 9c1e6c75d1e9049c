// The layer of a customization's files: its entries, the inputs that determine it, and the parts of the image that it reads.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import {
  EXAMPLE_ROOT,
  inspect,
  literal,
  packed,
  rootfs,
  UNICODE_ROOT,
  yaml,
} from '../../../test/fixtures/customization.ts';
import { chunked, concatenate, entry, readAll } from '../../../test/fixtures/tar.ts';
import { memoryContent } from '../../content/memory.ts';
import { inspectArchive } from '../../customization/inspect.ts';
import type { TarInput } from '../../tar/entry.ts';
import type { ListingEntry } from '../../tar/listing-entry.ts';
import { buildFilesLayer, readHooks } from './customization-layer.ts';

const EPOCH = 1_700_000_000;

type Image = Record<string, string>;

async function build(entries: TarInput[], image: Image = {}) {
  const content = memoryContent();
  const { digest: archive } = await content.put(chunked(await packed(entries)));
  const below = new Map(
    Object.keys(image).map((path): [string, ListingEntry] => [
      path,
      { path, type: 'file', mode: 0o644, uid: 0, gid: 0, size: 1 },
    ]),
  );
  const readBelow = async (path: string) => (image[path] === undefined ? undefined : Buffer.from(image[path]));
  const inspection = await inspect(entries);
  const built = await buildFilesLayer({ content, archive, inspection, below, epoch: EPOCH, readBelow });
  const tar =
    built.layer === undefined
      ? Buffer.alloc(0)
      : gunzipSync(await concatenate(await content.open(built.layer.descriptor.digest)));
  return {
    ...built,
    tar,
    read: tar.length === 0 ? [] : await readAll(tar),
    hooks: await readHooks({ content, archive, inspection }),
  };
}

const everything = [
  yaml(
    'certificates:',
    '  - name: company',
    `    pem: ${literal(EXAMPLE_ROOT)}`,
    'users: [{name: app, uid: 1001}]',
    'files:',
    '  - {path: /etc/app.conf, content: "listen 80\\n", owner: app:app, mode: 0640}',
    'environment: {A: b}',
    'labels: {team: data}',
  ),
  rootfs('etc'),
  rootfs('etc/late', { content: 'late', mtime: EPOCH + 500 }),
  rootfs('etc/early', { content: 'early', mtime: 1000 }),
  rootfs('etc/linked', { type: 'hardlink', target: 'rootfs/etc/early' }),
  rootfs('opt/plugin/x', { content: 'x'.repeat(100_000) }),
  entry('scripts/final', { content: '#!/bin/sh\ntrue\n' }),
];
const debian = {
  'etc/passwd': 'root:x:0:0::/root:/bin/sh\n',
  'etc/group': 'root:x:0:\n',
  'etc/ssl/certs/ca-certificates.crt': UNICODE_ROOT,
};

it('builds the same layer at any time of upload, with the newest time of the archive', async () => {
  const content = memoryContent();
  const bytes = await packed([
    rootfs('etc', { mtime: EPOCH - 9 }),
    rootfs('etc/a', { content: 'a', mtime: EPOCH - 5 }),
    rootfs('etc/b', { content: 'b', mtime: EPOCH }),
    rootfs('etc/ahead', { content: 'x', mtime: 4_000_000_000 }),
    rootfs('etc/link', { type: 'symlink', target: 'a', mtime: EPOCH - 7 }),
    rootfs('etc/hard', { type: 'hardlink', target: 'rootfs/etc/a', mtime: EPOCH - 5 }),
    yaml('files: [{path: /etc/text, content: x}]'),
  ]);
  const { digest: archive } = await content.put(chunked(bytes));
  const uploads = ['2026-11-28T00:00:00Z', '2031-01-01T12:34:56Z'].map(async (time) => {
    const inspection = await inspectArchive(chunked(bytes), { now: new Date(time) });
    const { epoch } = inspection;
    const readBelow = async () => undefined;
    return await buildFilesLayer({ content, archive, inspection, below: new Map(), epoch, readBelow });
  });
  const [first, second] = await Promise.all(uploads);
  expect(first?.layer?.descriptor).toEqual(second?.layer?.descriptor);
  const digest = first?.layer?.descriptor.digest ?? 'sha256:';
  const read = await readAll(gunzipSync(await concatenate(await content.open(digest))));
  expect(Object.fromEntries(read.map(({ name, header }) => [name, header.mtime]))).toEqual({
    'etc/': EPOCH,
    'etc/a': EPOCH - 5,
    'etc/b': EPOCH,
    'etc/ahead': EPOCH,
    'etc/link': EPOCH,
    'etc/hard': EPOCH,
    'etc/text': EPOCH,
  });
});

it('writes an indented certificate in the form that OpenSSL reads, with the mode of its file', async () => {
  const path = 'usr/local/share/ca-certificates/a.crt';
  const { read } = await build([
    rootfs(path, { content: EXAMPLE_ROOT.replace(/^/gm, '  '), mode: 0o640 }),
    rootfs('etc/same', { type: 'hardlink', target: `rootfs/${path}` }),
    rootfs('etc/other', { content: 'other' }),
  ]);
  const file = read.find(({ name }) => name === path);
  expect(file).toMatchObject({ content: EXAMPLE_ROOT, header: { type: 'file', mode: 0o640 } });
  expect(read.find(({ name }) => name === 'etc/same')?.header).toMatchObject({ type: 'hardlink', target: path });
  expect(read.find(({ name }) => name === 'etc/other')?.content).toBe('other');
  const subject = execFileSync('openssl', ['x509', '-noout', '-subject_hash'], { input: file?.content ?? '' });
  expect(subject.toString().trim()).toBe('3179e0d9');
});

it('contains every entry with owner, mode and time', async () => {
  const { read, image, layer, tar } = await build(everything, debian);
  expect(
    read.map(({ name, header }) => `${name} ${header.mode.toString(8)} ${header.uid}:${header.gid} ${header.mtime}`),
  ).toEqual([
    `etc/ 755 0:0 ${EPOCH}`,
    `etc/late 644 0:0 ${EPOCH}`,
    'etc/early 644 0:0 1000',
    `etc/linked 644 0:0 ${EPOCH}`,
    `opt/ 755 0:0 ${EPOCH}`,
    `opt/plugin/ 755 0:0 ${EPOCH}`,
    'opt/plugin/x 644 0:0 0',
    `etc/app.conf 640 1001:1001 ${EPOCH}`,
    `usr/ 755 0:0 ${EPOCH}`,
    `usr/local/ 755 0:0 ${EPOCH}`,
    `usr/local/share/ 755 0:0 ${EPOCH}`,
    `usr/local/share/ca-certificates/ 755 0:0 ${EPOCH}`,
    `usr/local/share/ca-certificates/company.crt 644 0:0 ${EPOCH}`,
    `etc/ssl/ 755 0:0 ${EPOCH}`,
    `etc/ssl/certs/ 755 0:0 ${EPOCH}`,
    `etc/ssl/certs/company.pem 777 0:0 ${EPOCH}`,
    `etc/ssl/certs/3179e0d9.0 777 0:0 ${EPOCH}`,
    `etc/ssl/certs/ca-certificates.crt 644 0:0 ${EPOCH}`,
    `etc/passwd 644 0:0 ${EPOCH}`,
    `etc/group 644 0:0 ${EPOCH}`,
  ]);
  const contentOf = (path: string) => read.find(({ header }) => header.path === path)?.content;
  expect(contentOf('etc/ssl/certs/ca-certificates.crt')).toBe(UNICODE_ROOT + EXAMPLE_ROOT);
  expect(contentOf('usr/local/share/ca-certificates/company.crt')).toBe(EXAMPLE_ROOT);
  expect(contentOf('etc/passwd')).toContain('app:*:1001:1001:');
  expect(contentOf('etc/app.conf')).toBe('listen 80\n');
  expect(image).toEqual({ environment: { A: 'b' }, labels: { team: 'data' } });
  expect(layer?.diff_id).toBe(`sha256:${createHash('sha256').update(tar).digest('hex')}`);
});

it('gives the same diffID for images that differ only in files that it does not read', async () => {
  const golden = 'sha256:91b9bc667b4527553b83d40fb59279f4b885928522b33e08280a0edbac3b7677';
  expect((await build(everything, debian)).layer?.diff_id).toBe(golden);
  expect((await build(everything, { ...debian, 'usr/bin/redis': 'elf' })).layer?.diff_id).toBe(golden);
  expect((await build(everything, { ...debian, 'etc/passwd': '' })).layer?.diff_id).not.toBe(golden);
});

it.each(['bsdtar', 'rust', 'gnu-sparse-gnu', 'gnu-sparse-00', 'gnu-gnu'])(
  'writes a file with holes completely and keeps a link to a link, from an archive of %s',
  async (name) => {
    const bytes = readFileSync(new URL(`../../../test/fixtures/archives/${name}.tar.gz`, import.meta.url));
    const content = memoryContent();
    const { digest: archive } = await content.put(chunked(bytes));
    const inspection = await inspectArchive(chunked(bytes));
    const readBelow = async () => undefined;
    const { layer } = await buildFilesLayer({
      content,
      archive,
      inspection,
      below: new Map(),
      epoch: EPOCH,
      readBelow,
    });
    const read = await readAll(
      gunzipSync(await concatenate(await content.open(layer?.descriptor.digest ?? 'sha256:'))),
    );
    const found = new Map(read.map((one) => [one.name, one]));
    const whole = Buffer.alloc(1024 * 1024);
    whole.write('data', whole.length / 2);
    expect(found.get('var/sparse.img')?.content === whole.toString()).toBe(true);
    expect(found.get('etc/link2')?.header).toMatchObject({ type: 'symlink', target: 'app/app.conf' });
    expect((await readHooks({ content, archive, inspection })).get('final')?.toString()).toBe('#!/bin/sh\ntrue\n');
  },
);

it('creates a missing certificate bundle and missing files of users', async () => {
  const { read } = await build(everything);
  expect(read.find(({ header }) => header.path === 'etc/ssl/certs/ca-certificates.crt')?.content).toBe(EXAMPLE_ROOT);
  expect(read.find(({ header }) => header.path === 'etc/group')?.content).toBe('app:*:1001:\n');
});

it('returns no layer for a customization without files', async () => {
  const { layer, image } = await build([yaml('environment: {A: b}', 'packages: [curl]')]);
  expect(layer).toBeUndefined();
  expect(image.environment).toEqual({ A: 'b' });
});

it('readHooks returns the scripts by name', async () => {
  const { hooks } = await build(everything, debian);
  expect([...hooks].map(([name, bytes]) => [name, bytes.toString()])).toEqual([['final', '#!/bin/sh\ntrue\n']]);
});

it('rejects an archive that differs from the inspected one', async () => {
  const content = memoryContent();
  const { digest: archive } = await content.put(chunked(await packed([rootfs('etc/x', { content: 'two' })])));
  for (const content2 of ['three', undefined]) {
    const inspection = await inspect([
      content2 === undefined ? rootfs('etc/y', { content: 'y' }) : rootfs('etc/x', { content: content2 }),
    ]);
    const built = buildFilesLayer({
      content,
      archive,
      inspection,
      below: new Map(),
      epoch: EPOCH,
      readBelow: async () => undefined,
    });
    await expect(built).rejects.toMatchObject({ code: 'ARCHIVE_CHANGED' });
  }
});
