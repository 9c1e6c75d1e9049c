// Sparse files in every format of GNU tar and bsdtar, and invalid maps.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archiveOf, chunked, concatenate, entry, readAll, sha256 } from '../../test/fixtures/tar.ts';
import { TarError } from './errors.ts';
import { checksumOf } from './header.ts';
import { formatPax } from './pax.ts';
import { readTar } from './read.ts';
import { formatHeader } from './write.ts';

const MIB = 1024 ** 2;
/** A name that is longer than the name field, which has 100 bytes. So the name is in an extension header. */
const LONG = `${'n'.repeat(120)}.db`;
let directory: string;
const digests: Record<string, string> = {};

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'larder-sparse-'));
  make('hole-first', 3 * MIB, [[2 * MIB, 'tail']]);
  make('hole-last', 3 * MIB, [[0, 'head']]);
  make('only-hole', MIB, []);
  // There are more parts than fit into a header of the old format and two extension blocks.
  make(
    'many',
    8 * MIB,
    Array.from({ length: 60 }, (_, at): [number, string] => [at * 128 * 1024 + 4096, `part ${at}`]),
  );
  make(LONG, MIB, [[512 * 1024, 'middle']]);
  make('plain', 5, [[0, 'plain']]);
});
afterAll(() => rmSync(directory, { recursive: true }));

function make(name: string, size: number, parts: [at: number, text: string][]): void {
  const path = join(directory, name);
  const file = openSync(path, 'w');
  const whole = Buffer.alloc(size);
  for (const [at, text] of parts) {
    writeSync(file, text, at);
    whole.write(text, at);
  }
  closeSync(file);
  truncateSync(path, size);
  digests[name] = `${size} ${sha256(whole)}`;
}

function pack(program: string, ...options: string[]): Buffer {
  const names = Object.keys(digests).sort();
  return execFileSync(program, ['-C', directory, ...options, '-cf', '-', ...names], { maxBuffer: 1 << 28 });
}

async function digestsOf(archive: Buffer, { chunk = 65_536, holeBytesMax = 64 * MIB } = {}) {
  const found: Record<string, string> = {};
  for await (const { header, body } of readTar(chunked(archive, chunk), { holeBytesMax })) {
    found[header.path] = `${header.size} ${sha256(await concatenate(body))}`;
  }
  return found;
}

describe('archives of real programs', () => {
  it.each([
    ['GNU tar, old format', 'tar', ['--sparse', '--format=gnu']],
    ['GNU tar, PAX 0.0', 'tar', ['--sparse', '--format=pax', '--sparse-version=0.0']],
    ['GNU tar, PAX 0.1', 'tar', ['--sparse', '--format=pax', '--sparse-version=0.1']],
    ['GNU tar, PAX 1.0', 'tar', ['--sparse', '--format=pax', '--sparse-version=1.0']],
    ['bsdtar, as it packs by default', 'bsdtar', []],
  ])('reads %s', async (_, program, options) => {
    const archive = pack(program, ...options);
    expect(archive.length).toBeLessThan(4 * MIB);
    for (const chunk of [511, 65_536]) expect(await digestsOf(archive, { chunk })).toEqual(digests);
  });

  it('finds the entries after a sparse file whose body was not read', async () => {
    const names: string[] = [];
    for await (const { header } of readTar(chunked(pack('tar', '--sparse')), { holeBytesMax: 64 * MIB }))
      names.push(header.path);
    expect(names).toEqual(Object.keys(digests).sort());
  });

  it('continues a body where an earlier read stopped', async () => {
    for await (const { header, body } of readTar(chunked(pack('tar', '--sparse'), 1000), { holeBytesMax: 64 * MIB })) {
      const parts: Buffer[] = [];
      for (let more = true; more; ) {
        more = false;
        for await (const part of body) {
          parts.push(Buffer.from(part));
          more = true;
          break;
        }
      }
      const whole = Buffer.concat(parts);
      expect(`${whole.length} ${sha256(whole)}`).toBe(digests[header.path]);
    }
  });

  it('counts all holes of an archive before they are read', async () => {
    const error = await digestsOf(pack('tar', '--sparse'), { holeBytesMax: 8 * MIB }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(TarError);
    expect(error).toMatchObject({ code: 'LIMIT', message: expect.stringContaining('more than 8388608 bytes') });
  });
});

/** Returns an archive with one entry, which has these PAX records and these stored bytes. */
function withRecords(records: Record<string, string> | Buffer, stored = Buffer.alloc(0)): Buffer {
  const pax = Buffer.isBuffer(records)
    ? records
    : formatPax(new Map(Object.entries(records).map(([key, value]) => [key, Buffer.from(value)])));
  const extension = formatHeader({ ...entry('ext', { content: '' }).header, size: pax.length });
  extension.write('x', 156);
  extension.write(`${checksumOf(extension).toString(8).padStart(6, '0')}\0 `, 148);
  const header = formatHeader({ ...entry('a', { content: '' }).header, size: stored.length });
  const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
  return Buffer.concat([extension, padded(pax), header, padded(stored), Buffer.alloc(1024)]);
}

const V1 = { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '100' };

async function codeOf(archive: Buffer): Promise<string> {
  const error = await readAll(archive, { holeBytesMax: MIB }).catch((reason: unknown) => reason);
  return error instanceof TarError ? error.code : 'read';
}

describe('invalid maps', () => {
  const stored = (map: string, bytes = '') =>
    withRecords(V1, Buffer.concat([Buffer.from(map.padEnd(512, '\0')), Buffer.from(bytes)]));
  it.each([
    ['a part past the end of the file', stored('1\n99\n2\n', 'xx'), 'SPARSE'],
    ['parts that overlap', stored('2\n0\n2\n1\n2\n', 'xxxx'), 'SPARSE'],
    ['fewer bytes than are stored', stored('1\n0\n1\n', 'xx'), 'SPARSE'],
    ['more bytes than are stored', stored('1\n0\n3\n', 'xx'), 'SPARSE'],
    ['a number below zero', stored('1\n-1\n1\n', 'x'), 'SPARSE'],
    ['a number in words', stored('one\n'), 'SPARSE'],
    ['fewer parts than announced', stored('9\n0\n1\n'), 'SPARSE'],
    ['millions of parts', stored('99999999\n'), 'LIMIT'],
    ['a number of 4096 digits', withRecords(V1, Buffer.alloc(4096, '1')), 'SPARSE'],
    ['no map at all', withRecords(V1), 'SPARSE'],
    ['no size', withRecords({ 'GNU.sparse.map': '0,1' }, Buffer.from('x')), 'SPARSE'],
    ['a size in words', withRecords({ ...V1, 'GNU.sparse.realsize': 'ten' }), 'EXTENSION'],
    ['an unknown version', withRecords({ ...V1, 'GNU.sparse.major': '2' }), 'SPARSE'],
    ['half a part', withRecords({ 'GNU.sparse.size': '9', 'GNU.sparse.map': '0' }), 'SPARSE'],
    ['a petabyte of holes', withRecords({ 'GNU.sparse.size': String(2 ** 50), 'GNU.sparse.map': '' }), 'LIMIT'],
    [
      'a name that climbs',
      withRecords({ ...V1, 'GNU.sparse.name': '../a' }, Buffer.from('0\n'.padEnd(512, '\0'))),
      'PATH_CLIMBS',
    ],
  ])('rejects %s', async (_, archive, code) => {
    expect(await codeOf(archive)).toBe(code);
  });

  it('rejects lengths before offsets, which version 0.0 does not have', async () => {
    const record = (key: string, value: string) =>
      `${String(key.length + value.length + 5).padStart(2)} ${key}=${value}\n`;
    const records = Buffer.from(
      record('GNU.sparse.size', '4') + record('GNU.sparse.numbytes', '1') + record('GNU.sparse.offset', '0'),
    );
    expect(await codeOf(withRecords(records, Buffer.from('x')))).toBe('SPARSE');
  });

  it('rejects an old header with missing blocks or invalid numbers', async () => {
    const old = async (change: (block: Buffer) => void): Promise<Buffer> => {
      const archive = await archiveOf([entry('a', { content: 'x' })]);
      const block = archive.subarray(0, 512);
      block.write('S', 156);
      block.fill(0, 257);
      block.write('ustar  \0', 257, 'latin1');
      block.write('00000000000\0', 386, 'latin1');
      block.write('00000000001\0', 398, 'latin1');
      block.write('00000000004\0', 483, 'latin1');
      change(block);
      block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
      return archive;
    };
    expect((await readAll(await old(() => undefined), { holeBytesMax: MIB }))[0]?.content).toBe('x\0\0\0');
    expect(await codeOf((await old((block) => block.writeUInt8(1, 482))).subarray(0, 512))).toBe('TRUNCATED');
    expect(await codeOf(await old((block) => block.write('9', 398)))).toBe('SPARSE');
    expect(await codeOf(await old((block) => block.write('00000000002', 398)))).toBe('SPARSE');
    expect(await codeOf(await old((block) => block.write('00000000000', 483)))).toBe('SPARSE');
  });
});
