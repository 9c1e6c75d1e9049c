// The store on disk: the suite of all content stores, damaged files, crashes, and several processes on one directory.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chunksOf, digestOf, listAll, testContentStore } from '../../test/suites/content-conformance.ts';
import { hexOf } from './digest.ts';
import { openDiskContent } from './disk.ts';

testContentStore('disk', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'larder-content-'));
  return { store: await openDiskContent(directory), close: () => rm(directory, { recursive: true }) };
});

describe('disk', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'larder-disk-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  it('ends a read of damaged content with an error, and a new put repairs it', async () => {
    const store = await openDiskContent(directory);
    const bytes = Buffer.from('to be damaged');
    const { digest } = await store.put(chunksOf(bytes, 4));
    await writeFile(join(directory, 'sha256', hexOf(digest).slice(0, 2), hexOf(digest)), 'too be damaged');
    await expect(buffer(await store.open(digest))).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' });
    await store.put(chunksOf(bytes, 4));
    expect(await buffer(await store.open(digest))).toEqual(bytes);
  });

  it('creates files with mode 0640 and folders with 0750, also for uploads', async () => {
    const root = join(directory, 'new', 'store');
    const store = await openDiskContent(root);
    await store.put(chunksOf(Buffer.from('put'), 1));
    const pushed = Buffer.from('pushed');
    await store.uploads.append('done', 0, chunksOf(pushed, 2));
    await store.uploads.commit('done', digestOf(pushed));
    await store.uploads.append('under way', 0, chunksOf(pushed, 2));
    const modes = new Map<string, Set<number>>([
      ['file', new Set()],
      ['folder', new Set()],
    ]);
    const entries = await readdir(root, { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      const { mode } = await stat(join(entry.parentPath, entry.name));
      modes.get(entry.isFile() ? 'file' : 'folder')?.add(mode & 0o777);
    }
    expect(entries.filter((entry) => entry.isFile())).toHaveLength(3);
    expect([...modes].map(([kind, seen]) => [kind, [...seen]])).toEqual([
      ['file', [0o640]],
      ['folder', [0o750]],
    ]);
    expect((await stat(root)).mode & 0o777).toBe(0o750);
  });

  it('deletes the temporary file of a failed put', async () => {
    const store = await openDiskContent(directory);
    await expect(store.put(chunksOf(Buffer.from('x'), 1), { size: 2 })).rejects.toThrow();
    expect(await readdir(join(directory, 'temporary'))).toEqual([]);
  });

  it('lets a reader finish after the content is deleted', async () => {
    const store = await openDiskContent(directory);
    const { digest } = await store.put(chunksOf(Buffer.from('being read'), 4));
    const stream = await store.open(digest);
    await store.delete(digest);
    expect(String(await buffer(stream))).toBe('being read');
  });

  it('rejects a digest that could be a path', async () => {
    const store = await openDiskContent(directory);
    await expect(async () => store.open('sha256:../../etc/passwd')).rejects.toThrow(TypeError);
  });

  it('continues an upload of another process, and rejects late bytes of that process', async () => {
    const [one, other] = [await openDiskContent(directory), await openDiskContent(directory)];
    await one.uploads.append('moved', 0, chunksOf(Buffer.from('begun here'), 4));
    expect(await other.uploads.length('moved')).toBe(10);
    expect(await other.uploads.append('moved', 10, chunksOf(Buffer.from(', ended there'), 4))).toBe(23);
    await expect(one.uploads.append('moved', 10, chunksOf(Buffer.from('late'), 4))).rejects.toMatchObject({ held: 23 });
    const digest = digestOf(Buffer.from('begun here, ended there'));
    expect(await other.uploads.commit('moved', digest)).toEqual({ digest, size: 23 });
    expect(String(await buffer(await one.open(digest)))).toBe('begun here, ended there');
    expect(await one.uploads.length('moved')).toBe(0);
  });

  it('continues an upload of a killed process', async () => {
    await killedWhile(directory, 'append');
    const store = await openDiskContent(directory);
    const held = await store.uploads.length('killed');
    expect(held).toBeGreaterThan(0);
    await store.uploads.append('killed', held, chunksOf(Buffer.from('end'), 3));
    const whole = Buffer.concat([Buffer.alloc(held, 'k'), Buffer.from('end')]);
    expect(await store.uploads.commit('killed', digestOf(whole))).toMatchObject({ size: held + 3 });
  });

  it('lists nothing of a put of a killed process, and expires its temporary file', async () => {
    const store = await openDiskContent(directory);
    const before = (await listAll(store)).length;
    await killedWhile(directory, 'put');
    expect((await listAll(store)).length).toBe(before);
    const [left = ''] = await readdir(join(directory, 'temporary'));
    await store.uploads.expire(new Date(Date.now() - 86_400_000));
    expect(await readdir(join(directory, 'temporary'))).toEqual([left]);
    await utimes(join(directory, 'temporary', left), 0, 0);
    expect(await store.uploads.expire(new Date(Date.now() - 86_400_000))).toBe(1);
    expect(await readdir(join(directory, 'temporary'))).toEqual([]);
  });

  it('lists only content', async () => {
    const store = await openDiskContent(directory);
    await appendFile(join(directory, 'sha256', 'ab', 'README'), 'not content');
    expect((await listAll(store)).every(({ digest }) => digest.length === 71)).toBe(true);
  });
});

/** Starts another process that writes to the store, and kills it when its first bytes are written. */
async function killedWhile(directory: string, act: 'put' | 'append'): Promise<void> {
  const script = `
    import { openDiskContent } from ${JSON.stringify(join(import.meta.dirname, 'disk.ts'))};
    const store = await openDiskContent(process.argv[1]);
    async function* endless() {
      yield Buffer.alloc(300_000, 'k');
      yield Buffer.alloc(300_000, 'k');
      process.stdout.write('written');
      await new Promise((resolve) => setTimeout(resolve, 600_000));
    }
    await (process.argv[2] === 'put' ? store.put(endless()) : store.uploads.append('killed', 0, endless()));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, directory, act]);
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}
