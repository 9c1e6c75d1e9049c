// The rules for entries of an archive, each with entries that break it.
import { describe, expect, it } from 'vitest';
import {
  DUMMY_KEY,
  EXAMPLE_ROOT,
  EXPIRED,
  FILE,
  patchedHeader,
  rejections,
  rejectionsOf,
  rootfs,
  yaml,
} from '../../test/fixtures/customization.ts';
import { entry } from '../../test/fixtures/tar.ts';

describe('an archive is rejected for', () => {
  it.each([
    ['rootfs/../etc/x', 'file:rootfs/../etc/x: a name may not contain ..'],
    ['/rootfs/etc/x', 'file:/rootfs/etc/x: the name is absolute'],
    ['rootfs/a\u202eb', 'file:rootfs/a\ufffdb: the name holds a character that changes the direction'],
    ['rootfs/a\u0085b', 'file:rootfs/a\ufffdb: the name holds a control character'],
    ['rootfs/a\nb', 'file:rootfs/a\ufffdb: the name holds a control character'],
    ['other/x', 'file:other/x: only customization.yaml, rootfs/, scripts/ and chart/'],
    ['customization.yml', 'file:customization.yml: only customization.yaml'],
    ['rootfs/proc/x', 'file:rootfs/proc/x: proc, sys, dev, run and tmp are filled'],
    ['rootfs/sys/x', 'file:rootfs/sys/x: proc, sys, dev, run and tmp are filled'],
    ['rootfs/dev/x', 'file:rootfs/dev/x: proc, sys, dev, run and tmp are filled'],
    ['rootfs/run/x', 'file:rootfs/run/x: proc, sys, dev, run and tmp are filled'],
    ['rootfs/tmp', 'file:rootfs/tmp: proc, sys, dev, run and tmp are filled'],
    ['rootfs/etc/.wh.passwd', 'file:rootfs/etc/.wh.passwd: names that begin with .wh.'],
    ['rootfs/.wh..wh..opq', 'file:rootfs/.wh..wh..opq: names that begin with .wh.'],
    ['scripts/finally.sh', 'file:scripts/finally.sh: a script must be called before-packages, after-packages, final'],
    ['scripts/sub/final', 'file:scripts/sub/final: a script must be called'],
    ['rootfs', 'file:rootfs: it must be a folder'],
    ['scripts', 'file:scripts: it must be a folder'],
  ])('the name %j', async (name, told) => {
    const [first, ...more] = await rejectionsOf(
      await patchedHeader((block) => Buffer.from(name.padEnd(100, '\0')).copy(block)),
    );
    expect(first).toContain(told);
    expect(more).toEqual([]);
  });

  it('a name or target that contains a NUL, at which other readers would stop', async () => {
    const name = await rejectionsOf(await patchedHeader((block) => Buffer.from('rootfs/a\0b').copy(block)));
    expect(name[0]).toMatch(/^file:rootfs\/a\ufffdb.*: the entry has no valid name$/);
    const link = await rejections(rootfs('link', { type: 'symlink', target: 'a\0b' }));
    expect(link).toEqual(['file:rootfs/link: the link has no valid target']);
  });

  it('a name that is not UTF-8', async () => {
    const [first] = await rejectionsOf(
      await patchedHeader((block) => Buffer.from('rootfs/\xff\xfe\0', 'latin1').copy(block)),
    );
    expect(first).toBe('file:rootfs/\ufffd\ufffd: the name is not UTF-8');
  });

  it('long names, long paths, deep paths', async () => {
    expect(await rejections(rootfs('a'.repeat(255), { content: '' }))).toEqual([]);
    expect((await rejections(rootfs('a'.repeat(256), { content: '' })))[0]).toContain('longer than 255 bytes');
    expect((await rejections(rootfs('ü'.repeat(128), { content: '' })))[0]).toContain('longer than 255 bytes');
    const long = Array(20).fill('a'.repeat(250)).join('/');
    expect((await rejections(rootfs(long, { content: '' })))[0]).toContain('longer than 4096 bytes');
    expect(await rejections(rootfs(Array(63).fill('d').join('/')))).toEqual([]);
    expect((await rejections(rootfs(Array(64).fill('d').join('/'))))[0]).toContain('deeper than 64');
  });

  it('devices and FIFOs', async () => {
    for (const type of ['character', 'block'] as const) {
      expect(await rejections(rootfs('a', { type, major: 1, minor: 3 }))).toEqual([
        'file:rootfs/a: devices are not allowed',
      ]);
    }
    expect(await rejections(rootfs('a', { type: 'fifo' }))).toEqual(['file:rootfs/a: FIFOs are not allowed']);
  });

  it('malformed sparse files, several volumes, unknown types', async () => {
    const ofType = async (type: string) =>
      (await rejectionsOf(await patchedHeader((block) => block.write(type, 156))))[0];
    expect(await ofType('S')).toMatch(/^file:rootfs\/ok: the sparse file's map is malformed/);
    expect(await ofType('M')).toMatch(/^file:rootfs\/ok: multi-volume archives are not accepted/);
    expect(await ofType('Z')).toBe('file:rootfs/ok: entries of type "Z" are not known; pack with another tar program');
  });

  it('entries beneath a file or a link, in either order', async () => {
    const beneath = rootfs('a/b', { content: '' });
    for (const above of [rootfs('a', { content: '' }), rootfs('a', { type: 'symlink', target: '/etc' })]) {
      expect(await rejections(above, beneath)).toEqual([
        'file:rootfs/a/b: it is beneath rootfs/a, which is not a folder',
      ]);
      expect(await rejections(beneath, above)).toEqual([
        'file:rootfs/a: other entries are beneath it, so it must be a folder',
      ]);
    }
    expect(
      (await rejections(rootfs('a', { type: 'symlink', target: '/etc' }), rootfs('a/b/c/d', { content: '' })))[0],
    ).toContain('beneath');
  });

  it('two entries with the same path after cleaning', async () => {
    expect(await rejections(rootfs('a/b', { content: '' }), entry('./rootfs//a/./b', { content: '' }))).toEqual([
      'file:rootfs//a/./b: the archive has two entries with this path, as «tar -r» makes them; pack the folder again',
    ]);
  });

  it('links that leave the image, and hard links to anything but an earlier file', async () => {
    const link = (path: string, target: string) => rejections(rootfs(path, { type: 'symlink', target }));
    expect(await link('a/b', '../c')).toEqual([]);
    for (const target of ['../../c', '/../c', 'x/../../../c'])
      expect((await link('a/b', target))[0]).toContain('climbs above the root');
    expect((await link('a', 'b\u202e'))[0]).toContain('the target holds a character');
    expect((await link('a', 'b\u0007'))[0]).toContain('the target holds a control');
    const hard = rootfs('h', { type: 'hardlink', target: 'rootfs/f' });
    const told = [
      'file:rootfs/h: a hard link must name a file or symbolic link of rootfs/ that is earlier in the archive',
    ];
    expect(await rejections(hard, rootfs('f', { content: '' }))).toEqual(told);
    expect(await rejections(rootfs('f'), hard)).toEqual(told);
    expect((await rejections(rootfs('h', { type: 'hardlink', target: '../../etc/shadow' })))[0]).toContain(
      'may not contain ..',
    );
    expect(await rejections(rootfs('h', { type: 'hardlink', target: '/etc/shadow' }))).toEqual(told);
    const script = entry('scripts/final', { content: 'true' });
    expect(await rejections(script, rootfs('h', { type: 'hardlink', target: 'scripts/final' }))).toEqual(told);
    // A relative target resolves differently from another folder.
    const deep = rootfs('etc/deep/link', { type: 'symlink', target: '../../x' });
    expect(await rejections(deep, rootfs('h', { type: 'hardlink', target: 'rootfs/etc/deep/link' }))).toEqual([
      'file:rootfs/h: the target climbs above the root of the image',
    ]);
  });

  it('a declaration that is not a regular file, or too large', async () => {
    expect(await rejections(entry('customization.yaml', { type: 'symlink', target: 'rootfs/x' }), FILE)).toEqual([
      'file:customization.yaml: it must be a regular file',
    ]);
    expect(await rejections(entry('customization.yaml'), FILE)).toHaveLength(1);
    expect(await rejections(entry('customization.yaml', { content: '#'.repeat(1024 * 1024 + 1) }), FILE)).toEqual([
      'file:customization.yaml: it is larger than 1 MiB',
    ]);
  });

  it('scripts that no interpreter would run', async () => {
    const script = (content: string, name = 'final') => entry(`scripts/${name}`, { content });
    expect(await rejections(script(''))).toEqual(['file:scripts/final: the script is empty']);
    expect((await rejections(script('#!/bin/sh\r\ntrue\r\n')))[0]).toContain('save it with LF');
    expect((await rejections(script('\x7fELF\0\0')))[0]).toContain('must be text');
    expect((await rejections(script('#'.repeat(1024 * 1024 + 1))))[0]).toContain('larger than 1 MiB');
    expect(await rejections(script('true'), script('true', 'final.sh'))).toEqual([
      'file:scripts/final.sh: there are two scripts for final',
    ]);
    expect((await rejections(entry('scripts/final', { type: 'symlink', target: 'x' })))[0]).toContain('regular file');
  });

  it('files without a certificate, expired certificates and private keys', async () => {
    const crt = (content: string) => rejections(rootfs('usr/local/share/ca-certificates/a.crt', { content }));
    expect((await crt('hello'))[0]).toContain('holds no certificate in PEM');
    expect((await crt(EXPIRED))[0]).toContain(
      'the file holds no valid certificate: that of CN=Old Root expired on 2026-11-20',
    );
    expect((await crt(EXAMPLE_ROOT + DUMMY_KEY))[0]).toContain('holds a private key');
    expect((await crt(EXAMPLE_ROOT.replace('MIIB', 'MIIC')))[0]).toContain('cannot be read');
    expect((await crt(EXAMPLE_ROOT.slice(0, -20)))[0]).toContain('certificate');
    expect(await crt(EXAMPLE_ROOT + ' '.repeat(1_000_000))).toEqual([]);
    expect((await crt(EXAMPLE_ROOT + ' '.repeat(1024 * 1024)))[0]).toContain('it is larger than the 1048576 bytes');
  });

  it('files that are composed and also in the archive', async () => {
    const bundle = rootfs('etc/ssl/certs/ca-certificates.crt', { content: '' });
    expect(await rejections(bundle)).toEqual([]);
    expect(
      await rejections(bundle, rootfs('usr/local/share/ca-certificates/a.crt', { content: EXAMPLE_ROOT })),
    ).toHaveLength(1);
    expect(await rejections(rootfs('etc/passwd', { content: '' }), yaml('users: [{name: a, uid: 1}]'))).toHaveLength(1);
  });
});
