// The worker writes the log of a phase to content while the phase runs, up to a maximum size.
import { expect, test } from 'vitest';
import { memoryContent } from '../content/memory.ts';
import { openBuildLog } from '../sandbox/build-log.ts';
import { openPhaseLog, PHASE_LOG_BYTES_MAX } from './phase-log.ts';

const content = memoryContent();
const textOf = async (digest?: `sha256:${string}`) =>
  Buffer.concat(await (await content.open(digest ?? 'sha256:')).toArray()).toString();

test('a log is truncated at its limit, with one line that says so', async () => {
  const log = openPhaseLog(content, 'VERIFICATION', { bytesMax: 16 });
  for (const text of ['a task prints\n', Buffer.from('and prints\n'), 'and prints\n']) log.write(text);
  const [file, ...others] = await log.close();
  expect(others).toEqual([]);
  expect(file).toMatchObject({ filename: 'verification.log', mime_type: 'build_log' });
  expect(await textOf(file?.digest)).toBe('a task prints\nan\n[log cut here: it is longer than 16 bytes]\n');
});

test('output of a task is truncated at the limit of the task, and lines of the worker follow', async () => {
  const log = openPhaseLog(content, 'PACKAGING');
  const task = openBuildLog(log);
  const mebibyte = Buffer.alloc(1024 ** 2, 'x');
  for (let count = 0; count < 50; count++) task.write(mebibyte);
  log.write('the next task begins\n');
  const [file] = await log.close();
  expect(file?.filename).toBe('build.log');
  expect(file?.size).toBeLessThan(PHASE_LOG_BYTES_MAX);
  expect((await textOf(file?.digest)).slice(10 * 1024 ** 2)).toBe(
    '\n[log cut here: it is longer than 10485760 bytes]\nthe next task begins\n',
  );
});

test('an empty log is no file, and a dropped log stores nothing', async () => {
  expect(await openPhaseLog(content, 'DISTRIBUTION').close()).toEqual([]);
  const other = memoryContent();
  const log = openPhaseLog(other, 'DISTRIBUTION');
  log.write('not kept\n');
  log.drop();
  log.write('and after the end\n');
  for await (const { digest } of other.list()) expect.unreachable(digest);
});
