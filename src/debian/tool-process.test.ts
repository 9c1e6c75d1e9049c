// A tool that prints, waits, computes or writes endlessly is ended when it reaches a limit.
import { expect, it } from 'vitest';
import { runTool, stoppedReason, type ToolLimits } from './tool-process.ts';

const LIMITS: ToolLimits = { outputBytesMax: 1000, wallClockMs: 30_000, memoryBytesMax: 1024 ** 3, cpuSecondsMax: 30 };

async function* once(text: string) {
  yield Buffer.from(text);
}

it('returns output, errors and status', async () => {
  const result = await runTool(['sh', '-c', 'cat; echo no >&2; exit 3'], { limits: LIMITS, stdin: once('in') });
  expect(result).toEqual({ status: 3, output: Buffer.from('in'), errors: 'no\n' });
});

it('accepts a tool that stops reading', async () => {
  const result = await runTool(['true'], { limits: LIMITS, stdin: once('x'.repeat(1_000_000)) });
  expect(result.status).toBe(0);
});

it.each([
  ['prints', ['yes'], {}, 'yes printed more than 1000 bytes'],
  ['prints by a child', ['sh', '-c', 'yes | cat'], {}, 'yes printed more than 1000 bytes'],
  ['waits', ['sleep', '1000'], { wallClockMs: 300 }, 'yes did not end within 0 seconds'],
])('ends a tool that %s without end', async (_what, command, limits, reason) => {
  const all = { ...LIMITS, ...limits };
  const result = await runTool(command, { limits: all });
  expect(stoppedReason('yes', result, all)).toBe(reason);
});

it.each([
  ['computes', ['sh', '-c', 'while :; do :; done'], { cpuSecondsMax: 1 }],
  ['writes', ['sh', '-c', 'yes > "$(mktemp)"'], { fileBytesMax: 1000 }],
  ['holds memory', ['sh', '-c', 'head -c 500000000 /dev/zero | tail'], { memoryBytesMax: 100_000_000 }],
])('ends a tool that %s without end', async (_what, command, limits) => {
  expect((await runTool(command, { limits: { ...LIMITS, ...limits } })).status).not.toBe(0);
});

it('throws if its signal is aborted, and returns 127 for a missing tool', async () => {
  const controller = new AbortController();
  const waiting = runTool(['sleep', '1000'], { limits: LIMITS, signal: controller.signal });
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  expect((await runTool(['no-such-tool'], { limits: LIMITS })).status).toBe(127);
});
