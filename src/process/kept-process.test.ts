// A process that is restarted when it dies. Tests use real processes and short pauses.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from '../../test/service.ts';
import { type KeptProcess, keepProcess, type RestartPolicy } from './kept-process.ts';
import type { WorkerDeaths } from './process-messages.ts';

let directory: string;
let kept: KeptProcess | undefined;
let said: string[];
let reported: WorkerDeaths[];
let lost: string | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'larder-kept-'));
  [said, reported, lost] = [[], [], undefined];
});
afterEach(async () => {
  await kept?.stop();
  rmSync(directory, { recursive: true });
});

const QUICK: RestartPolicy = { healthyAfterMs: 60_000, restartsMax: 2, pauseMs: 50 };

function keep(script: string, policy: RestartPolicy = QUICK, forced = new AbortController().signal): KeptProcess {
  kept = keepProcess({
    name: 'worker',
    args: ['--input-type=module', '--eval', `const fs = await import('node:fs'); ${script}`],
    env: { ...process.env, FLAG: join(directory, 'flag') },
    policy,
    forced,
    say: (line) => void said.push(line),
    onLost: (reason) => {
      lost = reason;
    },
    onDeaths: (deaths) => void reported.push(deaths),
  });
  return kept;
}

const READY = `process.send({ ready: 'working' });`;
const LIVE = 'process.once("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1000);';
const KILLED = `process.kill(process.pid, 'SIGKILL');`;

test('a process that keeps dying is restarted after pauses, without a limit, and its last message is reported', async () => {
  keep(`${READY} setImmediate(() => process.send({ failed: 'The key is readable.' }, () => process.exit(1)));`);
  await until('it has died often', async () => reported.length >= 6);
  expect(lost).toBeUndefined();
  expect(reported.slice(0, 2)).toEqual([{ deaths: 1 }, { deaths: 2 }]);
  const [third, fourth] = reported.slice(2).map(({ deaths, paused }) => ({ deaths, paused }));
  expect(third).toEqual({
    deaths: 3,
    paused: { since: third?.paused?.since, deaths: 3, how: 'exit code 1', failed: 'The key is readable.' },
  });
  expect(fourth?.paused).toEqual({ ...third?.paused, deaths: 4 });
  expect(new Date(third?.paused?.since ?? '').getTime()).toBeLessThanOrEqual(Date.now());
  expect(said.slice(0, 3)).toEqual([
    'The worker ended and is started again: The key is readable.',
    'The worker ended and is started again: The key is readable.',
    'The worker was started again 2 times and never stayed up: The key is readable. It is started again in 0.05 s.',
  ]);
});

test('a process that stays up again is no longer paused', async () => {
  writeFileSync(join(directory, 'flag'), '');
  keep(`if (fs.existsSync(process.env.FLAG)) ${KILLED} ${READY} ${LIVE}`, { ...QUICK, healthyAfterMs: 500 });
  await until('it is paused', async () => reported.at(-1)?.paused);
  expect(reported.at(-1)?.paused?.how).toBe('SIGKILL');
  rmSync(join(directory, 'flag'));
  await until('it stays up', async () => reported.at(-1)?.paused === undefined);
  expect(said.at(-1)).toBe('The worker stays up again.');
  expect(await kept?.ready).toBe('working');
});

test('a process that dies at its first start without a message is restarted', async () => {
  keep(KILLED);
  await until('it is paused', async () => reported.at(-1)?.paused);
  expect(lost).toBeUndefined();
});

test('a process whose first run reports why it cannot start is not restarted', async () => {
  keep(`process.send({ failed: 'LARDER_PORT must be a whole number' }, () => process.exit(1));`);
  await until('it is given up', async () => lost);
  expect(lost).toBe('LARDER_PORT must be a whole number');
  expect(reported).toEqual([]);
});

test('a process whose later run reports why it cannot start is restarted', async () => {
  keep(`if (fs.existsSync(process.env.FLAG)) process.send({ failed: 'The key is readable.' }, () => process.exit(1));
    else { fs.writeFileSync(process.env.FLAG, ''); ${KILLED} }`);
  await until('it is paused', async () => reported.at(-1)?.paused);
  expect(lost).toBeUndefined();
  expect(reported.at(-1)?.paused?.failed).toBe('The key is readable.');
});

test('without pauses, a process is given up before it was ready, and later after its restarts', async () => {
  const { pauseMs: _pauseMs, ...policy } = QUICK;
  keep(KILLED, policy);
  await until('it is given up', async () => lost);
  expect(lost).toBe('The worker could not start (SIGKILL).');
  lost = undefined;
  keep(`${READY} setImmediate(() => ${KILLED.replace(';', '')});`, policy);
  await until('it is given up', async () => lost);
  expect(lost).toMatch(/^The worker was started again 2 times and never stayed up \(SIGKILL\)\.$/);
});

test('stop cancels a pending restart', async () => {
  const process_ = keep(KILLED, { ...QUICK, pauseMs: 60_000 });
  await until('it is paused', async () => reported.at(-1)?.paused);
  await process_.stop();
  expect(reported).toHaveLength(3);
});

test('a message to a process that does not run is dropped', async () => {
  const process_ = keep(KILLED, { ...QUICK, pauseMs: 60_000 });
  process_.send({ worker: { deaths: 1 } });
  await until('it is paused', async () => reported.at(-1)?.paused);
  process_.send({ worker: { deaths: 1 } });
});
