// Extracts layers for overlayfs, with owners and links. A layer is extracted completely or not at all. If there are too many
// extracted layers, some are removed.
import { existsSync, readFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { programsLayer, sandboxMode, type TestWorkspace, testWorkspace } from '../../../test/fixtures/build.ts';
import { entry } from '../../../test/fixtures/tar.ts';
import { writeLayer } from '../../oci/layer.ts';
import type { LayerPin } from '../../plan/pin.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import { openSandbox } from '../../sandbox/sandbox.ts';
import type { TarInput } from '../../tar/entry.ts';
import { disposable } from './application-layer.ts';
import { ChainListing } from './chain-listing.ts';
import { prepareRoots, trimRoots } from './rootfs.ts';

const step = 'test';
let workspace: TestWorkspace;
let base: LayerPin;

describe.skipIf(sandboxMode.mode === 'files-only')('root file systems', () => {
  beforeAll(async () => {
    workspace = await testWorkspace();
    base = await programsLayer(workspace.content);
  });
  afterAll(async () => await workspace[Symbol.asyncDispose]());

  async function inside(layers: LayerPin[], script: string): Promise<string> {
    const roots = await prepareRoots(workspace, layers, { step });
    await using sandbox = disposable(await openSandbox(workspace, { layers: roots, step }));
    let output = '';
    await sandbox.run(
      { command: ['sh', '-c', script], environment: { PATH: '/usr/bin' } },
      { onOutput: (chunk) => (output += chunk.toString()) },
    );
    return output;
  }

  const layerOf = async (entries: TarInput[]): Promise<LayerPin> => await writeLayer(workspace.content, entries);

  test('whiteouts and opaque folders hide files of lower layers, also if the mark is the first entry', async () => {
    const top = await layerOf([
      entry('etc/dropped', {}),
      entry('etc/dropped/.wh.file', { content: '' }),
      entry('srv', {}),
      entry('srv/.wh..wh..opq', { content: '' }),
      entry('srv/new', { content: 'new' }),
    ]);
    const output = await inside([base, top], 'ls /etc/dropped /srv; cat /opt/kept/file');
    expect(output).toBe('/etc/dropped:\n\n/srv:\nnew\nstays');
  });

  test('parent folders that a layer does not contain keep their mode, and links in a path are followed', async () => {
    const top = await layerOf([entry('tmp/x', { content: 'x' }), entry('bin/tool', { content: 'tool' })]);
    const output = await inside([base, top], 'stat -c %a /tmp; cat /usr/bin/tool; [ -L /bin ] && echo link');
    expect(output).toBe('1777\ntoollink\n');
  });

  test('a hard link to a file of a lower layer has the bytes, mode and owner of the file', async () => {
    const middle = await layerOf([
      entry('data', {}),
      entry('data/one', { content: 'one', mode: 0o600, uid: 7 }),
      entry('data/two', { type: 'hardlink', target: 'data/one' }),
    ]);
    const other = await layerOf([entry('opt/other', { content: 'other' })]);
    const top = await layerOf([
      entry('data/three', { type: 'hardlink', target: 'data/two' }),
      entry('data/four', { type: 'hardlink', target: 'bin/true' }),
    ]);
    const output = await inside(
      [base, middle, other, top],
      'cat /data/one /data/two /data/three; stat -c " %a %u %h" /data/three; /data/four && echo runs',
    );
    expect(output).toBe('oneoneone 600 7 2\nruns\n');
  });

  test('extracted files have their owners, modes and capabilities', async () => {
    const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
    const top = await layerOf([
      entry('usr/bin/su', { content: 'x', mode: 0o4755, uid: 1234, gid: 65_535 }),
      entry('usr/bin/ping', { content: 'x', mode: 0o755, xattrs: { 'security.capability': capability } }),
    ]);
    const output = await inside([base, top], 'stat -c %u:%g:%a /usr/bin/su');
    expect(output).toBe('1234:65535:4755\n');
  });

  test('a hostile layer cannot write outside its folder', async () => {
    const secret = join(workspace.directory, 'secret');
    const top = await layerOf([
      entry('out', { type: 'symlink', target: workspace.directory, mode: 0o777 }),
      entry('up', { type: 'symlink', target: '../../../..', mode: 0o777 }),
      entry('out/secret', { content: 'pwned' }),
      entry('up/tmp/larder-pwned', { content: 'pwned' }),
    ]);
    await inside([base, top], 'true').catch(() => undefined);
    expect(existsSync(secret)).toBe(false);
    expect(existsSync('/tmp/larder-pwned')).toBe(false);
  });

  test('a layer with a hard link to a missing file is rejected and leaves no folder', async () => {
    const top = await layerOf([entry('passwd', { type: 'hardlink', target: 'etc/missing' })]);
    await expect(prepareRoots(workspace, [base, top], { step })).rejects.toThrow(BuildError);
    const left = await readdir(workspace.directory, { recursive: true });
    expect(left.filter((name) => name.includes('.part-'))).toEqual([]);
  });

  test('a layer is read at most twice: for its folder, and for the listing of all layers above it', async () => {
    const opened = new Map<string, number>();
    const { content } = workspace;
    const counting = {
      ...content,
      open: async (...args: Parameters<typeof content.open>) => {
        opened.set(args[0], (opened.get(args[0]) ?? 0) + 1);
        return await content.open(...args);
      },
    };
    const layers = [base];
    // Only the base image contains the folder /usr/bin, and each layer adds a file to it.
    for (let at = 0; at < 12; at++) layers.push(await layerOf([entry(`usr/bin/chain-${at}`, { content: `${at}` })]));
    const counted = { ...workspace, content: counting };
    const chain = new ChainListing(counting);
    await prepareRoots(counted, layers.slice(0, 8), { step, chain });
    const roots = await prepareRoots(counted, layers, { step, chain });
    expect(roots).toHaveLength(13);
    expect(Math.max(...opened.values())).toBe(2);
  });

  test('a chain that does not continue the last one is read from its lowest layer', async () => {
    const [one, other] = [
      await layerOf([entry('etc/one', { content: '1' })]),
      await layerOf([entry('etc/two', { content: '2' })]),
    ];
    const chain = new ChainListing(workspace.content);
    const names = async (layers: LayerPin[], count: number) => {
      const found = await chain.below(layers, count);
      return ['etc/one', 'etc/two'].filter((path) => found.has(path));
    };
    expect(await names([one, other], 2)).toEqual(['etc/one', 'etc/two']);
    expect(await names([other, one], 1)).toEqual(['etc/two']);
    const broken = { ...other, diff_id: one.diff_id };
    await expect(names([other, broken], 2)).rejects.toMatchObject({ code: 'CONTENT_MISMATCH' });
    expect(await names([other, one], 1)).toEqual(['etc/two']);
  });

  test('a layer with an owner that no sandbox has is rejected, with the path', async () => {
    const top = await layerOf([entry('etc/x', { content: '', uid: 70_000 })]);
    await expect(prepareRoots(workspace, [base, top], { step })).rejects.toThrow('etc/x belongs to user 70000');
  });

  test('concurrent builds get the same folders', async () => {
    const top = await layerOf([entry('opt/at-once', { content: 'x' })]);
    const [first, ...others] = await Promise.all(
      Array.from({ length: 5 }, () => prepareRoots(workspace, [base, top], { step })),
    );
    for (const other of others) expect(other).toEqual(first);
    expect(readFileSync(join(first?.[1] ?? '', 'opt/at-once'), 'utf8')).toBe('x');
  });

  test('trimRoots removes the least recently used folder first, and no folder that may be in use', async () => {
    const top = await layerOf([entry('opt/last', { content: 'x'.repeat(1000) })]);
    const [lower = '', upper = ''] = await prepareRoots(workspace, [base, top], { step });
    await trimRoots(workspace, { bytesMax: 0 });
    expect(existsSync(lower) && existsSync(upper)).toBe(true);
    const size = Number(readFileSync(join(upper, '../size'), 'utf8'));
    expect(size).toBeGreaterThanOrEqual((await stat(join(upper, 'opt/last'))).size);
    await trimRoots(workspace, { bytesMax: size, inUseMs: -60_000 });
    expect(existsSync(lower)).toBe(false);
    expect(existsSync(upper)).toBe(true);
    // The folder of the layer was removed, so it is extracted again.
    expect(await inside([base, top], 'cat /opt/kept/file')).toBe('stays');
  });
});
