// The archive of a chart. The same files give the same bytes, and other archives are read within limits.
import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { readChartArchive, writeChartArchive } from './chart-archive.ts';

const FILES = {
  'values.yaml': 'a: 1\n',
  'Chart.yaml': 'name: redis\n',
  'templates/a.yaml': '',
  'charts/common/x': 'x',
};
const filesOf = (pairs: [string, string][]) => new Map(pairs.map(([path, text]) => [path, Buffer.from(text)]));

test('the same files in any order give the same bytes, with Chart.yaml first', async () => {
  const pairs = Object.entries(FILES);
  const archive = await writeChartArchive('redis', filesOf(pairs), { epoch: 1_760_000_000 });
  expect(await writeChartArchive('redis', filesOf(pairs.toReversed()), { epoch: 1_760_000_000 })).toEqual(archive);
  const listed = execFileSync('tar', ['-tzvf', '-', '--utc', '--full-time'], { input: archive, encoding: 'utf8' });
  const lines = listed.trim().split('\n');
  expect(lines.map((line) => line.split(' ').at(-1))).toEqual([
    'redis/Chart.yaml',
    'redis/charts/common/x',
    'redis/templates/a.yaml',
    'redis/values.yaml',
  ]);
  for (const line of lines) expect(line).toMatch(/^-rw-r--r-- 0\/0 .*2025-10-09 08:53:20/);
});

test('another time or another byte gives other bytes', async () => {
  const archive = await writeChartArchive('redis', filesOf(Object.entries(FILES)), { epoch: 1 });
  expect(await writeChartArchive('redis', filesOf(Object.entries(FILES)), { epoch: 2 })).not.toEqual(archive);
});

test('is read as it was written', async () => {
  const files = filesOf(Object.entries(FILES));
  const archive = await writeChartArchive('redis', files, { epoch: 1 });
  expect(new Map(await readChartArchive('redis', archive))).toEqual(files);
});

test('an archive of another chart, of no gzip, or of too many bytes is rejected', async () => {
  const archive = await writeChartArchive('redis', filesOf(Object.entries(FILES)), { epoch: 1 });
  await expect(readChartArchive('nginx', archive)).rejects.toThrow(
    'redis/Chart.yaml is not a file in the folder nginx',
  );
  await expect(readChartArchive('redis', Buffer.from('PK'))).rejects.toThrow('is not gzip');
  await expect(readChartArchive('redis', gzipSync(Buffer.alloc(17 * 1024 * 1024)))).rejects.toThrow('16777216 bytes');
});
