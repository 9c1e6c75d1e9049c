// Reads archives of real programs, and rejects malformed archives.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archiveOf, chunked, entry, readAll, seededRandom } from '../../test/fixtures/tar.ts';
import { TarError } from './errors.ts';
import { checksumOf } from './header.ts';
import { formatPax } from './pax.ts';
import { readTar } from './read.ts';

const long = `${'d'.repeat(90)}/${'e'.repeat(90)}`;
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'larder-tar-'));
  mkdirSync(join(directory, 'tree', long), { recursive: true });
  writeFileSync(join(directory, 'tree/hello'), 'hello\n');
  writeFileSync(join(directory, 'tree/grüße'), 'ü');
  writeFileSync(join(directory, 'tree', long, 'deep'), 'x'.repeat(1500));
  symlinkSync('hello', join(directory, 'tree/link'));
  execFileSync('ln', ['hello', 'hard'], { cwd: join(directory, 'tree') });
});
afterAll(() => rmSync(directory, { recursive: true }));

function tar(...options: string[]): Buffer {
  return execFileSync('tar', ['-C', join(directory, 'tree'), '--sort=name', '-cf', '-', ...options], {
    maxBuffer: 1 << 28,
  });
}

async function codeOf(bytes: Uint8Array): Promise<string> {
  const error = await readAll(bytes).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof TarError ? error.code : String(error);
}

/** Returns an archive whose first header block was changed and has the correct checksum. */
function patched(archive: Buffer, change: (block: Buffer) => void): Buffer {
  const copy = Buffer.from(archive);
  const block = copy.subarray(0, 512);
  change(block);
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return copy;
}

async function extended(type: string, body: Buffer): Promise<Buffer> {
  const archive = await archiveOf([entry('extension', { content: body }), entry('a', { content: 'body' })]);
  return patched(archive, (block) => block.write(type, 156));
}

describe('archives of real programs', () => {
  it.each(['v7', 'ustar', 'oldgnu', 'gnu', 'pax'])('reads GNU tar, %s', async (format) => {
    const tooLong = format === 'v7' ? ['--exclude=./ddd*'] : [];
    for (const chunk of [1, 511, 65536]) {
      const entries = await readAll(tar(`--format=${format}`, ...tooLong, '.'), { chunk });
      const byPath = new Map(entries.map((read) => [read.header.path, read]));
      expect(byPath.get('')?.header.type).toBe('folder');
      expect(byPath.get('grüße')?.content).toBe('ü');
      expect(byPath.get('link')?.header).toMatchObject({ type: 'symlink', target: 'hello' });
      expect([byPath.get('hard')?.header.type, byPath.get('hello')?.header.type].sort()).toEqual(['file', 'hardlink']);
      if (format !== 'v7') expect(byPath.get(`${long}/deep`)?.content).toBe('x'.repeat(1500));
    }
  });

  it('reads git archive, with its commit in a global header', async () => {
    const git = (...parts: string[]) =>
      execFileSync('git', [
        '-C',
        join(directory, 'tree'),
        '-c',
        'user.name=a',
        '-c',
        'user.email=a@example.org',
        ...parts,
      ]);
    git('init', '-q');
    git('add', 'hello', long);
    git('commit', '-qm', 'first');
    const archive = git('archive', 'HEAD');
    expect(archive.subarray(156, 157).toString()).toBe('g');
    const paths = (await readAll(archive)).map((read) => read.header.path);
    expect(paths).toEqual(expect.arrayContaining(['hello', `${long}/deep`]));
    rmSync(join(directory, 'tree/.git'), { recursive: true });
  });

  it('reads the records that bsdtar and GNU tar add to a PAX header', async () => {
    const records = {
      'LIBARCHIVE.creationtime': '1700000000.25',
      'LIBARCHIVE.xattr.user.a': 'Yg==',
      'SCHILY.dev': '16777220',
      'SCHILY.fflags': 'nodump',
      'SCHILY.xattr.user.a': 'b',
      atime: '1700000000.75',
      ctime: '-3.5',
      hdrcharset: 'BINARY',
      mtime: '-1.5',
      uname: 'someone',
    };
    const body = formatPax(new Map(Object.entries(records).map(([key, value]) => [key, Buffer.from(value)])));
    const [read] = await readAll(await extended('x', body));
    expect(read?.header).toMatchObject({ path: 'a', mtime: -2, xattrs: { 'user.a': Buffer.from('b') } });
  });

  it('preserves the bytes of names that are not UTF-8', async () => {
    execFileSync('bash', ['-c', "touch $'bad\\xff'"], { cwd: directory });
    const archive = execFileSync('tar', ['-C', directory, '-cf', '-', '--exclude=tree', '.']);
    const paths = (await readAll(archive)).map((read) => read.header.path);
    expect(paths).toContain('bad\udcff');
    const copy = await archiveOf([entry('bad\udcff', { content: '' })]);
    expect(copy.subarray(0, 5).toString('latin1')).not.toBe('bad\ufffd');
    expect((await readAll(copy))[0]?.header.path).toBe('bad\udcff');
  });
});

describe('rejections', () => {
  it('rejects bytes that are not a tar', async () => {
    expect(await codeOf(Buffer.alloc(0))).toBe('NOT_TAR');
    expect(await codeOf(Buffer.from('hello'))).toBe('NOT_TAR');
    expect(await codeOf(Buffer.alloc(4096, 'hello'))).toBe('NOT_TAR');
  });

  it('rejects a wrong checksum', async () => {
    const archive = await archiveOf([entry('a', { content: '1' }), entry('b', { content: '2' })]);
    archive[1024] = 0x63;
    expect(await codeOf(archive)).toBe('CHECKSUM');
  });

  it.each([
    '0000000000x',
    '-0000000001',
    '\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff',
    '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff',
  ])('rejects a size of %j', async (size) => {
    const archive = await archiveOf([entry('a', { content: '1' })]);
    expect(await codeOf(patched(archive, (block) => block.write(size, 124, 'latin1')))).toBe('SIZE');
  });

  it('reads a size in base 256', async () => {
    const archive = await archiveOf([entry('a', { content: '1' })]);
    const binary = patched(archive, (block) => Buffer.from('800000000000000000000001', 'hex').copy(block, 124));
    expect((await readAll(binary))[0]?.content).toBe('1');
  });

  it('rejects a link, folder or device with a size', async () => {
    const archive = await archiveOf([entry('a', { content: '1' })]);
    for (const type of '123456') expect(await codeOf(patched(archive, (block) => block.write(type, 156)))).toBe('SIZE');
    expect(await codeOf(patched(archive, (block) => block.write('a/', 0)))).toBe('SIZE');
  });

  it.each([
    ['S', 'SPARSE'],
    ['M', 'MULTIVOLUME'],
    ['D', 'TYPE_UNKNOWN'],
    ['V', 'TYPE_UNKNOWN'],
    ['N', 'TYPE_UNKNOWN'],
    ['X', 'TYPE_UNKNOWN'],
    ['\xff', 'TYPE_UNKNOWN'],
  ])('rejects type %s', async (type, code) => {
    const archive = await archiveOf([entry('a', { content: '1' })]);
    expect(await codeOf(patched(archive, (block) => block.write(type, 156, 'latin1')))).toBe(code);
  });

  it('rejects real sparse archives', async () => {
    writeFileSync(join(directory, 'holes'), '');
    truncateSync(join(directory, 'holes'), 1 << 20);
    for (const format of ['gnu', 'pax']) {
      const archive = execFileSync('tar', ['-C', directory, '--sparse', `--format=${format}`, '-cf', '-', 'holes']);
      expect(await codeOf(archive)).toBe('SPARSE');
    }
  });

  it.each([
    ['no length', ' path=a\n'],
    ['a length beyond the end', '99 path=a\n'],
    ['a length that is too short', '8 path=a\n'],
    ['no equals sign', '7 path\n'],
    ['no key', '5 =a\n'],
    ['no line end', '9 path=ab'],
    ['a leading zero', '09 path=a\n'],
  ])('rejects an extension header with %s', async (_, body) => {
    expect(await codeOf(await extended('x', Buffer.from(body)))).toBe('EXTENSION');
  });

  it.each([
    ['size', '-1', 'SIZE'],
    ['size', '99999999999999999999', 'SIZE'],
    ['size', '0x10', 'SIZE'],
    ['uid', '1e3', 'EXTENSION'],
    ['mtime', 'today', 'EXTENSION'],
    ['path', '', 'NAME'],
    ['path', 'a\0b', 'NAME'],
    ['path', '../a', 'PATH_CLIMBS'],
    ['GNU.sparse.major', '1', 'SPARSE'],
    ['GNU.volume.filename', 'a', 'MULTIVOLUME'],
  ])('rejects an extension header with %s=%j', async (key, value, code) => {
    expect(await codeOf(await extended('x', formatPax(new Map([[key, Buffer.from(value)]]))))).toBe(code);
  });

  it('rejects an extension header that is too large, repeated, or without an entry', async () => {
    expect(await codeOf(await extended('x', Buffer.alloc(1024 * 1024 + 1)))).toBe('EXTENSION');
    const one = (await extended('L', Buffer.from('name\0'))).subarray(0, 1024);
    const rest = (await extended('L', Buffer.from('name\0'))).subarray(1024);
    expect((await readAll(Buffer.concat([one, rest])))[0]?.header.path).toBe('name');
    expect(await codeOf(Buffer.concat([one, one, rest]))).toBe('EXTENSION');
    expect(await codeOf(Buffer.concat([one, Buffer.alloc(1024)]))).toBe('EXTENSION');
  });

  it('rejects an extension header of 257 records, and owners beyond 32 bits', async () => {
    await expect(extended('x', Buffer.from('8 a=xyz\n'.repeat(257))).then(readAll)).rejects.toThrow(
      'it has more than 256 records',
    );
    expect(await codeOf(await archiveOf([entry('x', { content: '', uid: 2 ** 32 })]))).toBe('HEADER_FIELD');
    expect(await codeOf(await archiveOf([entry('x', { content: '', gid: 2 ** 52 })]))).toBe('HEADER_FIELD');
  });

  it('rejects a global header that sets more than a comment', async () => {
    const records = (key: string) => formatPax(new Map([[key, Buffer.from('value')]]));
    expect(await codeOf(await extended('g', records('path')))).toBe('GLOBAL_HEADER');
    expect((await readAll(await extended('g', records('comment'))))[0]?.header.path).toBe('a');
    // In a layer, a global header is ignored, as in container engines.
    expect((await readAll(await extended('g', records('path')), { lenient: true }))[0]?.header.path).toBe('a');
    expect(await codeOf(await extended('g', Buffer.from('99 path=a\n')))).toBe('EXTENSION');
  });

  it('rejects names and hard link targets with .., and reads a file named ..a', async () => {
    const archive = await archiveOf([entry('a', { type: 'hardlink', target: 'b' })]);
    expect(await codeOf(patched(archive, (block) => block.write('a/../b', 0)))).toBe('PATH_CLIMBS');
    expect(await codeOf(patched(archive, (block) => block.write('../b', 157)))).toBe('PATH_CLIMBS');
    expect((await readAll(await archiveOf([entry('..a', { content: '' })])))[0]?.header.path).toBe('..a');
  });

  it('rejects every truncation', async () => {
    const archive = await archiveOf([
      entry('a', { content: 'x'.repeat(600) }),
      entry('b'),
      entry('n'.repeat(120), { content: 'y' }),
    ]);
    for (let length = 0; length < archive.length; length += 64) {
      expect(await codeOf(archive.subarray(0, length))).toMatch(/^(NOT_TAR|TRUNCATED|EXTENSION)$/);
    }
  });

  it('rejects data after the end', async () => {
    const archive = await archiveOf([entry('a', { content: '1' })]);
    expect(await codeOf(Buffer.concat([archive, Buffer.alloc(9000)]))).toBe('undefined');
    expect(await codeOf(Buffer.concat([archive, Buffer.alloc(9000), Buffer.from('x')]))).toBe('TRAILING_DATA');
    expect(await codeOf(Buffer.concat([archive.subarray(0, -512), archive]))).toBe('TRAILING_DATA');
  });

  it('accepts any end with `lenient`, as container engines do', async () => {
    const archive = await archiveOf([entry('a', { content: '1' })]);
    for (const bytes of [archive.subarray(0, 1024), archive.subarray(0, 1536), Buffer.concat([archive, archive])]) {
      expect(await readAll(bytes, { lenient: true })).toHaveLength(1);
    }
    await expect(readAll(archive.subarray(0, 1000), { lenient: true })).rejects.toThrow(TarError);
  });
});

describe('policy of the caller', () => {
  it('rejects a name with bytes after its NUL, or cuts it there with `lenient`', async () => {
    const archive = patched(await archiveOf([entry('x', { content: 'body' })]), (block) => block.write('x\0y', 0));
    expect(await codeOf(archive)).toBe('NAME');
    expect((await readAll(archive, { lenient: true }))[0]?.header.path).toBe('x');
  });

  it('reports and omits bad entries, and reads the rest', async () => {
    const bad = patched(await archiveOf([entry('x', { content: 'body' })]), (block) => block.write('../x', 0)).subarray(
      0,
      1024,
    );
    const strange = patched(await archiveOf([entry('y', { content: 'body' })]), (block) =>
      block.write('Z', 156),
    ).subarray(0, 1024);
    const good = await archiveOf([entry('a', { content: '1' })]);
    const told: string[] = [];
    const entries = await readAll(Buffer.concat([bad, strange, good]), {
      onBadEntry: (error) => told.push(`${error.code} ${error.path}`),
    });
    expect(entries.map((read) => read.header.path)).toEqual(['a']);
    expect(told).toEqual(['PATH_CLIMBS ../x', 'TYPE_UNKNOWN y']);
  });

  it('returns devices, fifos and attributes', async () => {
    const archive = await archiveOf([
      entry('null', { type: 'character', major: 1, minor: 3 }),
      entry('pipe', { type: 'fifo' }),
      entry('ping', { content: 'elf', xattrs: { 'security.capability': Buffer.from([1, 0, 10, 255]) } }),
    ]);
    const [device, pipe, ping] = await readAll(archive);
    expect(device?.header).toMatchObject({ type: 'character', major: 1, minor: 3 });
    expect(pipe?.header.type).toBe('fifo');
    expect(ping?.header.xattrs?.['security.capability']).toEqual(Buffer.from([1, 0, 10, 255]));
  });

  it('reads no further than the caller, closes the stream, and rejects a late read of a body', async () => {
    const archive = await archiveOf([entry('a', { content: Buffer.alloc(1 << 20) }), entry('b', { content: 'b' })]);
    let pulled = 0;
    let closed = false;
    async function* source() {
      try {
        for await (const chunk of chunked(archive, 4096)) {
          pulled += chunk.length;
          yield chunk;
        }
      } finally {
        closed = true;
      }
    }
    for await (const read of readTar(source())) {
      expect(read.header.path).toBe('a');
      break;
    }
    expect(closed).toBe(true);
    const iterator = readTar(chunked(archive));
    const first = await iterator.next();
    await iterator.next();
    const late = (async () => {
      for await (const _ of first.value?.body ?? []) expect.unreachable();
    })();
    await expect(late).rejects.toThrow('must be read before the next entry');
    expect(pulled).toBe(4096);
  });
});

describe('damage', () => {
  it('throws only TarError, and returns no more bytes than the archive has', async () => {
    const archive = tar('--format=pax', '.');
    const random = seededRandom(20231);
    for (let round = 0; round < 1500; round++) {
      const copy = Buffer.from(
        archive.subarray(0, random() < 0.3 ? Math.floor(random() * archive.length) : archive.length),
      );
      for (let flips = Math.floor(random() * 4); flips > 0; flips--) {
        const at = Math.floor(random() * copy.length);
        copy[at] = (copy[at] ?? 0) ^ (1 << Math.floor(random() * 8));
      }
      const entries = await readAll(copy).catch((error: unknown) => {
        expect(error).toBeInstanceOf(TarError);
        return [];
      });
      for (const read of entries) {
        expect(read.header.path.split('/')).not.toContain('..');
        expect(read.content.length).toBeLessThanOrEqual(archive.length);
      }
    }
  });
});
