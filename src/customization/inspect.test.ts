// The inspection of archives of real programs, and rejections of archives as a whole.
import { execFileSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  EXAMPLE_ROOT,
  FILE,
  inspect,
  LEAF,
  NOW,
  packed,
  patchedHeader,
  rejections,
  rejectionsOf,
  rootfs,
  UNICODE_ROOT,
  yaml,
} from '../../test/fixtures/customization.ts';
import { archiveOf, chunked, entry, seededRandom, sha256 } from '../../test/fixtures/tar.ts';
import { ArchiveRejected } from './errors.ts';
import { inspectArchive } from './inspect.ts';
import { declaredPackages, needsSandbox } from './inspection.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'larder-inspect-'));
  mkdirSync(join(directory, 'c/rootfs/etc/app'), { recursive: true });
  mkdirSync(join(directory, 'c/scripts'));
  writeFileSync(join(directory, 'c/rootfs/etc/app/app.conf'), 'listen 8080\n');
  writeFileSync(join(directory, 'c/customization.yaml'), 'environment:\n  LOUD: yes\n');
  writeFileSync(join(directory, 'c/scripts/final.sh'), '#!/bin/sh\ntrue\n');
});
afterAll(() => rmSync(directory, { recursive: true }));

const run = (command: string, ...parts: string[]) =>
  execFileSync(command, parts, { cwd: join(directory, 'c'), maxBuffer: 1 << 28 });

/** Archives that Python's tarfile made, with a folder, a name in UTF-8, a long path, a link and a hard link. Each is in several formats. */
const PYTHON = [
  [
    'ustar',
    'H4sIAAAAAAACA+3WTQ6CMBAF4DlKb2CnP/Q8RIoYiZiCibfxIu64mIgrWLAhbYx9XxfTdNPFy0smdN1Q9weKSU6ctfOcrOd8Z2OVcU6a+d1ppUlYSuDeD2WYvqQ8hW/+fjgeTmF8jU8fJ//CmI387TJ/VqwVCYn8o2t823YElHf/qx2n3t9/s+y/kmwd+p9C5f0NLci+/+35eom6/233f7X/MbMuSKjPVvJA/xPk35Sh+qH8jZZMglMsp5nnDwAAAAAAAAAAAAAAAP/lDaS0GpoAKAAA',
  ],
  [
    'gnu',
    'H4sIAAAAAAACA+3XQQ6CMBAF0DlKTwBtmdKtB+ASRKsYCZiKibfxIu68mIiJCcaomzZE/tuUsP38GerbtlsfUgpJ9qwxw9l7PYdnxUaztZKH91bnGQlDERwPXemFoJnyj/xdt0w3/nq5nl2Y/HPmD/mbcf5K918ACYn8g6tcXbcEc5WkSboo2mZTbJtdwPn/pvfP/md6vAv6+W+NJFGg/7Hmf/MnUOgJ5v99//N4/2eZZoP9H8PKuT1aMPv+1+G2/y///y/3P6WkzUno+63khP5HyL8q/WpC+bNmRULFuJzOPH8AAAAAAAAAAAAA+E83e/aVqwAoAAA=',
  ],
  [
    'pax',
    'H4sIAAAAAAACA+2YS26DMBRFPc4qWAH4+TuKkmGH3QIqbolKQgRUYjfdSGfZWCFpVVGURh3YQvE9EyxPLAH3HuulWZptH/P+weWFa5gX+IVrT86F+VmP+8QFSZb0LABvbZc3w/EsToRI9t1u79Zkv99/qlcMREJT191zm3k9Y/yprNbX8z+sSWmhrOXqvG+lGPKvkX/vpEvof0Pz/hfo/yD9b5Nj3pXrrx5w3VP20pw+Tu9uBTXE0/+X777ZOF/5N0r90f962v/ErbEs4ci/d0pXVTViEC1L8L/UduZ/Af+H8T9NLwCHOwG3l3/53+u3uO1/NfW/lHK4EsD/ASicOyIF8D/mv5H6H5qE/9us2h1evZ1x2/+/5r9EJA1LxDiV6JH/u+9/o+f9b9D/IZCUjNnHDDju/i/zplhQ/8tz/1OI4XTk+QcAABAnn9/QYEoAKAAA',
  ],
] as const;

describe('accepted', () => {
  it.each(PYTHON)('an archive of Python, %s', async (_, base64) => {
    const { listing } = await inspectArchive(chunked(Buffer.from(base64, 'base64')));
    expect(listing.map(({ type }) => type)).toEqual(['folder', 'file', 'file', 'symlink', 'hardlink']);
    expect(listing[1]).toMatchObject({
      path: 'rootfs/etc/grüße',
      size: 5,
      digest: `sha256:${sha256(Buffer.from('hello'))}`,
    });
    expect(listing[4]?.target).toBe('rootfs/etc/grüße');
  });

  it.each([
    ['GNU tar', () => run('tar', '-czf', '-', 'customization.yaml', 'rootfs', 'scripts')],
    ['GNU tar of the folder itself', () => run('tar', '-czf', '-', '.')],
    ['v7', () => run('tar', '--format=v7', '-czf', '-', '.')],
    [
      'PAX, as bsdtar writes',
      () => run('tar', '--format=posix', '-czf', '-', './customization.yaml', './rootfs', './scripts'),
    ],
    [
      'git archive',
      () => {
        run('git', 'init', '-q');
        run('git', 'add', '.');
        run('git', '-c', 'user.name=a', '-c', 'user.email=a@example.org', 'commit', '-qm', 'first');
        const archive = run('git', 'archive', '--format=tar.gz', 'HEAD');
        rmSync(join(directory, 'c/.git'), { recursive: true });
        return archive;
      },
    ],
  ])('an archive made by %s', async (_, make) => {
    const archive = make();
    for (const chunk of [1, 700, 1 << 20]) {
      const inspection = await inspectArchive(chunked(archive, chunk));
      expect(inspection.size).toBe(archive.length);
      expect(inspection.expanded % 512).toBe(0);
      expect(inspection.listing.find(({ path }) => path === 'rootfs/etc/app/app.conf')).toMatchObject({
        type: 'file',
        size: 12,
        digest: `sha256:${sha256(Buffer.from('listen 8080\n'))}`,
      });
      expect(inspection.declaration.environment).toEqual({ LOUD: 'yes' });
      expect(inspection.hooks).toMatchObject([{ name: 'final', path: 'scripts/final.sh', size: 15 }]);
      expect(needsSandbox(inspection)).toBe(true);
    }
  });

  it('links within the image', async () => {
    const { listing } = await inspect([
      rootfs('etc/real', { content: 'x' }),
      rootfs('etc/hard', { type: 'hardlink', target: 'rootfs/etc/real' }),
      rootfs('etc/up', { type: 'symlink', target: '../usr/bin' }),
      rootfs('etc/absolute', { type: 'symlink', target: '/dev/stdout' }),
    ]);
    expect(listing.map(({ target }) => target)).toEqual([undefined, 'rootfs/etc/real', '../usr/bin', '/dev/stdout']);
  });

  it('hard links to links, as cp -al makes them: they become symbolic links, or hard links to the file', async () => {
    const { listing } = await inspect([
      rootfs('etc/real', { content: 'x' }),
      rootfs('etc/hard', { type: 'hardlink', target: 'rootfs/etc/real' }),
      rootfs('etc/hard2', { type: 'hardlink', target: 'rootfs/etc/hard' }),
      rootfs('etc/link', { type: 'symlink', target: 'real' }),
      rootfs('etc/link2', { type: 'hardlink', target: 'rootfs/etc/link' }),
    ]);
    expect(listing.map(({ type, target }) => [type, target])).toEqual([
      ['file', undefined],
      ['hardlink', 'rootfs/etc/real'],
      ['hardlink', 'rootfs/etc/real'],
      ['symlink', 'real'],
      ['symlink', 'real'],
    ]);
  });

  it('a declaration alone, which needs a sandbox only for packages', async () => {
    expect(needsSandbox(await inspect([yaml('labels: {team: data}')]))).toBe(false);
    const inspection = await inspect([yaml('packages: [curl, redis-tools=5:7.0.15-1~deb12u1]')]);
    expect(needsSandbox(inspection)).toBe(true);
    expect(declaredPackages(inspection)).toEqual(['curl', 'redis-tools=5:7.0.15-1~deb12u1']);
  });

  it('certificates of rootfs, which are trusted like declared ones', async () => {
    const { certificates, warnings } = await inspect([
      rootfs('usr/local/share/ca-certificates/company root.crt', { content: EXAMPLE_ROOT + UNICODE_ROOT }),
      rootfs('usr/local/share/ca-certificates/leaf.crt', { content: LEAF }),
    ]);
    expect(certificates.map(({ name, file, in_rootfs: own, subject_hash: hash }) => [name, file, own, hash])).toEqual([
      ['company_root', 'usr/local/share/ca-certificates/company root.crt', true, '3179e0d9'],
      ['company_root-2', 'usr/local/share/ca-certificates/company_root-2.crt', false, '7b8de319'],
      ['leaf', 'usr/local/share/ca-certificates/leaf.crt', true, 'e0a1e0e2'],
    ]);
    expect(warnings).toEqual([
      {
        code: 'CERTIFICATE_NOT_AUTHORITY',
        message: "The certificate of CN=leaf is trusted and is not a certificate authority's.",
        path: 'rootfs/usr/local/share/ca-certificates/leaf.crt',
      },
    ]);
  });

  it('an archive, with an inspection that is plain JSON', async () => {
    const inspection = await inspect([yaml('files: [{path: /etc/a, content: x, owner: "1001:0", mode: 0640}]')]);
    expect(JSON.parse(JSON.stringify(inspection))).toEqual(inspection);
  });
});

describe('rejected as a whole', () => {
  it('a file that is empty, not gzip, or not tar', async () => {
    expect(await rejectionsOf(Buffer.alloc(0))).toEqual(['file: the file is empty: pack the folder with «tar czf»']);
    expect(await rejectionsOf(await archiveOf([FILE]))).toEqual([
      'file: this is not a gzip file but a tar archive without compression: compress it with «gzip FILE»',
    ]);
    expect(await rejectionsOf(Buffer.from('hello'))).toEqual([
      'file: this is not a gzip file: pack the folder with «tar czf»',
    ]);
    expect(await rejectionsOf(gzipSync('hello'))).toEqual(['file: this is not a tar archive']);
    expect((await rejectionsOf(gzipSync(Buffer.alloc(5000, 'x'))))[0]).toContain('not a tar archive');
    expect(await rejectionsOf(gzipSync(''))).toEqual(['file: this is not a tar archive: it is empty']);
  });

  it('an archive that changes nothing', async () => {
    const nothing = [
      'file: the archive changes nothing: it has no file in rootfs/, no script in scripts/, no template in chart/templates/, and nothing in customization.yaml',
    ];
    expect(await rejections()).toEqual(nothing);
    expect(await rejections(entry(''), entry('rootfs'), entry('scripts'))).toEqual(nothing);
    expect(await rejections(yaml('# nothing yet'))).toEqual(nothing);
    expect(await rejections(yaml('packages: []', 'environment: {}'))).toEqual(nothing);
  });

  it('trailing data: a second member, zeros, anything', async () => {
    const archive = await packed([FILE]);
    const told = [
      'file: there is data after the end of the gzip file; pack everything in one run of tar, and do not join files with cat',
    ];
    expect(await rejectionsOf(Buffer.concat([archive, archive]))).toEqual(told);
    expect(await rejectionsOf(Buffer.concat([archive, Buffer.alloc(1)]))).toEqual(told);
    expect(await rejectionsOf(Buffer.concat([archive, Buffer.from('x')]), 1)).toEqual(told);
    const tar = await archiveOf([FILE]);
    expect(await rejectionsOf(gzipSync(Buffer.concat([tar, Buffer.from('x')])))).toEqual([
      'file: there is data after the end of the archive; pack everything in one run of tar',
    ]);
  });

  it('truncated data', async () => {
    const archive = await packed([FILE, rootfs('random', { content: randomBytes(20_000) })]);
    for (let length = 1; length < archive.length; length += 97) {
      const told = await rejectionsOf(archive.subarray(0, length));
      expect(told, String(length)).toHaveLength(1);
    }
    expect((await rejectionsOf(archive.subarray(0, -1)))[0]).toContain('ends too early');
    const tar = await archiveOf([FILE]);
    expect((await rejectionsOf(gzipSync(tar.subarray(0, -1024))))[0]).toContain('without its end marker');
  });

  it('wrong checksums: of the gzip file, of its size, of a header', async () => {
    const archive = await packed([FILE]);
    for (const at of [8, 4]) {
      const copy = Buffer.from(archive);
      copy[copy.length - at] = (copy[copy.length - at] ?? 0) ^ 1;
      expect((await rejectionsOf(copy))[0]).toContain('damaged');
    }
    const tar = await archiveOf([FILE, FILE]);
    tar[1024] = 0x41;
    expect((await rejectionsOf(gzipSync(tar)))[0]).toContain('wrong checksum');
  });

  it('a wrong size, a wrong extension header, a global header that renames', async () => {
    expect((await rejectionsOf(await patchedHeader((block) => block.write('-0000000001', 124))))[0]).toContain(
      'size is not a valid number',
    );
    expect((await rejectionsOf(await patchedHeader((block) => block.write('x', 156))))[0]).toContain(
      'extension header',
    );
    const tar = run(
      'tar',
      '--format=posix',
      '--pax-option=uname:=root',
      '--pax-option=globexthdr.name=g,foo=bar',
      '-czf',
      '-',
      'rootfs',
    );
    expect((await rejectionsOf(tar))[0]).toContain('a global header sets foo');
  });

  it('too many entries, and the limit itself', async () => {
    const many = (count: number) =>
      rejections(...Array.from({ length: count }, (_, n) => rootfs(`f${n}`, { content: '' })));
    expect(await many(20_000)).toEqual([]);
    expect(await many(20_001)).toEqual(['file: the archive holds more than 20000 entries']);
  });

  it('a gzip bomb, as soon as it exceeds the ratio', async () => {
    const bomb = gzipSync(
      Buffer.concat([
        (await archiveOf([rootfs('z', { content: 'x', size: 1 })])).subarray(0, 0),
        await zeros(64 << 20),
      ]),
    );
    let pulled = 0;
    async function* source() {
      for await (const chunk of chunked(bomb, 1024)) {
        pulled += chunk.length;
        yield chunk;
      }
    }
    await expect(inspectArchive(source())).rejects.toThrow('more than 200 times');
    // The inspection read and dropped the rest of the upload, so that the client receives the answer.
    expect(pulled).toBe(bomb.length);
    expect(await rejectionsOf(gzipSync(await zeros(9 << 20)))).toEqual([]);
  });

  it('sparse files, whose holes count for the ratio and for the total size', async () => {
    const sparse = async (mebibytes: number, data = Buffer.alloc(0)) => {
      const folder = mkdtempSync(join(directory, 'sparse-'));
      mkdirSync(join(folder, 'rootfs'));
      writeFileSync(join(folder, 'rootfs/holes'), '');
      truncateSync(join(folder, 'rootfs/holes'), mebibytes * 2 ** 20);
      writeFileSync(join(folder, 'rootfs/data'), data);
      return await rejectionsOf(execFileSync('tar', ['-C', folder, '-Sczf', '-', 'rootfs'], { maxBuffer: 1 << 28 }));
    };
    expect(await sparse(9)).toEqual([]);
    expect(await sparse(11)).toEqual([
      'file: the archive expands to more than 200 times its size, which is allowed only below 10 MiB; leave out files of zeros, or make them in scripts/final; the largest file so far is rootfs/holes (11534336 bytes)',
    ]);
    const tooMuch =
      'the archive holds files of more than 1073741824 bytes in total, including the holes of sparse files';
    expect(await sparse(1000, randomFillSync(Buffer.alloc(25 << 20)))).toEqual([`file: ${tooMuch}`]);
    expect((await sparse(2 ** 21))[0]).toContain('the holes of sparse files have more than 1073741824 bytes');
  });

  it('with a hundred violations and the number of further ones', async () => {
    const told = await rejections(...Array.from({ length: 250 }, (_, n) => rootfs(`dev/${n}`, { content: '' })));
    expect(told).toHaveLength(101);
    expect(told.at(-1)).toBe('and 150 more');
  });

  it('a wrapped archive, with one violation for that and those of other mistakes', async () => {
    const told = await rejections(
      entry('mine/rootfs/a', { content: '' }),
      entry('mine/rootfs/b', { content: '' }),
      rootfs('dev/x'),
      yaml('color: red'),
    );
    expect(told).toHaveLength(3);
    expect(told[0]).toContain('not "mine"');
    expect(told[2]).toBe(
      'file:customization.yaml: line 1: color is not known; expected certificates, packages, files, environment, labels, users, chart',
    );
  });

  it('not for an error of the upload itself, which is rethrown', async () => {
    const archive = await packed([FILE, rootfs('random', { content: randomBytes(200_000) })]);
    async function* broken() {
      yield archive.subarray(0, 100_000);
      throw new Error('the client went away');
    }
    const error = await inspectArchive(broken()).catch((reason: unknown) => reason);
    expect(error).not.toBeInstanceOf(ArchiveRejected);
    expect(String(error)).toContain('the client went away');
  });
});

describe('damage', () => {
  it('is rejected, or does not change the inspection', async () => {
    const archive = await packed([
      yaml('environment: {A: b}', 'packages: [curl]'),
      rootfs('etc/one', { content: 'one' }),
      rootfs(`long/${'x'.repeat(150)}`, { content: randomBytes(3000) }),
      rootfs('link', { type: 'symlink', target: 'etc/one' }),
      entry('scripts/final', { content: '#!/bin/sh\n' }),
    ]);
    const original = await inspectArchive(chunked(archive), { now: NOW });
    const random = seededRandom(77);
    for (let round = 0; round < 600; round++) {
      const copy = Buffer.from(archive);
      for (let flips = 1 + Math.floor(random() * 3); flips > 0; flips--) {
        const at = Math.floor(random() * copy.length);
        copy[at] = (copy[at] ?? 0) ^ (1 << Math.floor(random() * 8));
      }
      const result = await inspectArchive(chunked(copy, 1 + Math.floor(random() * 2000)), { now: NOW }).catch(
        (error: unknown) => error,
      );
      // Only bits of the gzip header that have no effect (its time, its operating system) may have been flipped.
      if (!(result instanceof ArchiveRejected)) expect(result).toEqual(original);
    }
  });
});

/** Returns a tar with one file of zeros. */
async function zeros(size: number): Promise<Buffer> {
  return archiveOf([rootfs('zeros', { content: Buffer.alloc(size) })]);
}

function randomBytes(size: number): Buffer {
  const random = seededRandom(size);
  return Buffer.from(Array.from({ length: size }, () => Math.floor(random() * 256)));
}
