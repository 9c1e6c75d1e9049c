// Files of charts: copied as they are, without links and within limits.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeChart } from '../../../test/charts/written-chart.ts';
import { type TestWorkspace, testWorkspace } from '../../../test/fixtures/build.ts';
import { archiveOf, entry } from '../../../test/fixtures/tar.ts';
import { ChartFilesError, stageChart } from './check-files.ts';

let workspace: TestWorkspace;
beforeAll(async () => {
  workspace = await testWorkspace();
});
afterAll(() => workspace?.[Symbol.asyncDispose]());

async function staging(path: string): Promise<string> {
  const error = await stageChart(workspace, path).then(
    () => undefined,
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(ChartFilesError);
  return error?.message ?? '';
}

describe('a folder', () => {
  test('is copied with its files, and removed at the end', async () => {
    await using chart = await writeChart({ 'templates/deep/a.yaml': 'a: 1\n' });
    let folder: string;
    {
      await using staged = await stageChart(workspace, chart.path);
      folder = staged.folder;
      expect(staged.chartYaml).toContain('name: hostile');
      expect(await readFile(join(folder, staged.chart, 'templates/deep/a.yaml'), 'utf8')).toBe('a: 1\n');
      await staged.write('values.yaml', 'b: 2\n');
      expect(await readFile(join(folder, 'values.yaml'), 'utf8')).toBe('b: 2\n');
    }
    expect(existsSync(folder)).toBe(false);
  });

  test('with a link to a folder, a pipe or too much data is rejected', async () => {
    await using chart = await writeChart({});
    await mkdir(join(chart.path, 'files'));
    await symlink('/etc', join(chart.path, 'files/etc'));
    expect(await staging(chart.path)).toBe('files/etc is a symbolic link');
    await using piped = await writeChart({});
    execFileSync('mkfifo', [join(piped.path, 'pipe')]);
    expect(await staging(piped.path)).toBe('pipe is neither a file nor a folder');
    await using large = await writeChart({ 'files/a': '' });
    await truncate(join(large.path, 'files/a'), 101 * 1024 ** 2);
    expect(await staging(large.path)).toBe('the chart has more than 100 MiB');
    await using deep = await writeChart({ [`${'a/'.repeat(40)}b`]: '' });
    expect(await staging(deep.path)).toContain('is nested too deeply');
  });

  test('without Chart.yaml is left to helm', async () => {
    await using chart = await writeChart({});
    await using staged = await stageChart(workspace, join(chart.path, '..', chart.path.split('/').at(-1) ?? ''));
    expect(staged.chartYaml).not.toBe('');
    await using empty = await writeChart({ 'inner/values.yaml': '' });
    await using other = await stageChart(workspace, join(empty.path, 'inner'));
    expect(other.chartYaml).toBe('');
  });
});

describe('an archive', () => {
  const staged = async (bytes: Buffer) => {
    await using chart = await writeChart({});
    const file = join(chart.path, 'chart.tgz');
    await writeFile(file, bytes);
    return await staging(file);
  };

  test('is copied, and its Chart.yaml is read', async () => {
    await using chart = await writeChart({});
    const file = join(chart.path, 'chart.tgz');
    const own = entry('app/Chart.yaml', { content: 'name: app' });
    const nested = entry('app/charts/common/Chart.yaml', { content: 'name: common' });
    await writeFile(file, gzipSync(await archiveOf([own, nested])));
    await using copy = await stageChart(workspace, file);
    expect(copy.chartYaml).toBe('name: app');
    expect(existsSync(join(copy.folder, copy.chart))).toBe(true);
  });

  test.each([
    ['a symbolic link', entry('app/link', { type: 'symlink', target: '/etc/passwd' }), 'app/link is not a file'],
    ['a hard link', entry('app/link', { type: 'hardlink', target: 'app/a' }), 'app/link is not a file'],
    ['a device', entry('app/null', { type: 'character', major: 1, minor: 3 }), 'app/null is not a file'],
  ])('with %s is rejected', async (_name, bad, message) => {
    expect(await staged(gzipSync(await archiveOf([entry('app/a', { content: '' }), bad])))).toContain(message);
  });

  test('that is a bomb, not gzip or not tar is rejected', async () => {
    const bomb = await archiveOf([entry('app/a', { content: Buffer.alloc(101 * 1024 ** 2) })]);
    expect(await staged(gzipSync(bomb))).toBe('the chart has more than 100 MiB');
    expect(await staged(Buffer.from('hello'))).toBe('the archive is not valid gzip');
    expect(await staged(gzipSync(Buffer.alloc(2048, 'x')))).not.toBe('');
    expect(await staged(gzipSync(await archiveOf([entry('app/a', { content: 'x' })])).subarray(0, 60))).toBe(
      'the archive is not valid gzip',
    );
  });
});
