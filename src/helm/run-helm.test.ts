// Finds helm, and runs the real helm in a sandbox.
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HELMS } from '../../test/charts/helm.ts';
import { sandboxMode, type TestWorkspace, testWorkspace } from '../../test/fixtures/build.ts';
import { findHelm, openHelm, probeHelm } from './run-helm.ts';

let folder: string;
let workspace: TestWorkspace;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'larder-helm-'));
  await chmod(folder, 0o755);
  workspace = await testWorkspace();
});
afterAll(async () => {
  await workspace[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

describe('findHelm', () => {
  test('takes the setting before PATH, and the first program of PATH', async () => {
    for (const name of ['a', 'b']) {
      await mkdir(join(folder, name));
      await symlink('/bin/true', join(folder, name, 'helm'));
    }
    const searchPath = `${folder}/none:relative:${folder}/a:${folder}/b`;
    const { path } = findHelm({ searchPath });
    expect(path).toMatch(/\/true$/);
    expect(findHelm({ setting: '/bin/false', searchPath }).path).toMatch(/\/false$/);
  });

  test('gives the reason why there is none', async () => {
    const script = join(folder, 'script');
    await writeFile(script, '#!/bin/sh\nexec helm "$@"\n', { mode: 0o755 });
    expect(findHelm({ setting: script, searchPath: '' })).toEqual({ reason: expect.stringContaining('is a script') });
    expect(findHelm({ setting: join(folder, 'none'), searchPath: '' })).toEqual({
      reason: `LARDER_HELM names ${folder}/none, which is not a program that this account can run`,
    });
    expect(findHelm({ setting: folder, searchPath: '' }).path).toBeUndefined();
    expect(findHelm({ searchPath: '/nonexistent' })).toEqual({
      reason: 'there is no helm on PATH, and LARDER_HELM is not set',
    });
  });
});

test('without helm, and without a sandbox, no chart can be rendered', async () => {
  const reason = 'there is no helm on PATH, and LARDER_HELM is not set';
  expect(await probeHelm(workspace, { reason })).toEqual({ reason });
  await using files = await testWorkspace(undefined, { mode: 'files-only', reasons: ['No bwrap.', 'No ids.'] });
  expect(await probeHelm(files, { path: '/usr/bin/helm' })).toEqual({ reason: 'No bwrap. No ids.' });
});

describe.skipIf(sandboxMode.mode === 'files-only')('in a sandbox', () => {
  test.each(HELMS)('$name can render charts', async ({ path }) => {
    expect(await probeHelm(workspace, { path })).toEqual({ path, version: expect.stringMatching(/^v[34]\./) });
  });

  test('a program that is not helm, or ends with an error, renders nothing', async () => {
    expect(await probeHelm(workspace, { path: '/usr/bin/true' })).toEqual({
      reason: '/usr/bin/true is version «»; expected helm 3 or 4',
    });
    expect(await probeHelm(workspace, { path: '/bin/cat' })).toEqual({
      reason: expect.stringMatching(/^\/bin\/cat does not run in a sandbox: .*--template/),
    });
  });

  test.each(HELMS)('$name runs, without a cluster, a home or a network', async ({ path }) => {
    await using helm = await openHelm(workspace, { path, given: folder });
    const version = await helm.run(['version', '--template', '{{.Version}}']);
    expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^v[34]\./) });
    const { stdout } = await helm.run(['env']);
    expect(stdout).toContain('HELM_CACHE_HOME="/dev/shm/.cache/helm"');
    expect(stdout).not.toContain(process.env['HOME'] ?? 'no home');
    const list = await helm.run(['list']);
    expect(list.code).not.toBe(0);
    expect(list.stderr).toMatch(/cluster unreachable|connection refused/i);
    const pull = await helm.run(['pull', 'oci://127.0.0.1:5000/a', '--version', '1.0.0']);
    expect(pull.code).not.toBe(0);
  });

  test('a program of this machine that needs libraries runs too', async () => {
    await using helm = await openHelm(workspace, { path: '/bin/cat', given: folder });
    await writeFile(join(folder, 'note'), 'given');
    expect(await helm.run(['/.larder/note'])).toMatchObject({ code: 0, stdout: 'given' });
  });

  test('runs as a user without rights, who sees no file of this machine', async () => {
    await using helm = await openHelm(workspace, { path: '/bin/cat', given: folder });
    const { stdout } = await helm.run(['/proc/self/status']);
    expect(stdout).toMatch(/^Uid:\s+65534\s/m);
    expect(stdout).toMatch(/^CapEff:\s+0+$/m);
    expect((await helm.run(['/etc/passwd'])).code).not.toBe(0);
  });

  test('is ended at its limits', async () => {
    const limits = { wallClockMs: 300, outputBytes: 1000 };
    await using helm = await openHelm(workspace, { path: '/bin/cat', given: folder, limits });
    expect(await helm.run(['/dev/zero'])).toMatchObject({ why: 'printed more than 0 MiB' });
    await using sleep = await openHelm(workspace, { path: '/bin/sleep', given: folder, limits });
    expect(await sleep.run(['10'])).toMatchObject({ why: 'ran longer than 0 s' });
  });
});
