// A process that is started again when it dies: real processes, with pauses short enough to wait for.
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
let told: WorkerDeaths[];
let lost: string | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'larder-kept-'));
  [said, told, lost] = [[], [], undefined];
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
    onDeaths: (deaths) => void told.push(deaths),
  });
  return kept;
}

const READY = `process.send({ ready: 'working' });`;
const LIVE = 'process.once("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1000);';
const KILLED = `process.kill(process.pid, 'SIGKILL');`;

test('one that keeps dying is paused, told with its last words, and never given up', async () => {
  keep(`${READY} setImmediate(() => process.send({ failed: 'The key is readable.' }, () => process.exit(1)));`);
  await until('it has died often', async () => told.length >= 6);
  expect(lost).toBeUndefined();
  expect(told.slice(0, 2)).toEqual([{ deaths: 1 }, { deaths: 2 }]);
  const [third, fourth] = told.slice(2).map(({ deaths, paused }) => ({ deaths, paused }));
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

test('one that stays up again is no longer paused, and begins to count anew', async () => {
  writeFileSync(join(directory, 'flag'), '');
  keep(`if (fs.existsSync(process.env.FLAG)) ${KILLED} ${READY} ${LIVE}`, { ...QUICK, healthyAfterMs: 500 });
  await until('it is paused', async () => told.at(-1)?.paused);
  expect(told.at(-1)?.paused?.how).toBe('SIGKILL');
  rmSync(join(directory, 'flag'));
  await until('it stays up', async () => told.at(-1)?.paused === undefined);
  expect(said.at(-1)).toBe('The worker stays up again.');
  expect(await kept?.ready).toBe('working');
});

test('one that dies at its very start without a word is started again, also before it was ever ready', async () => {
  keep(KILLED);
  await until('it is paused', async () => told.at(-1)?.paused);
  expect(lost).toBeUndefined();
});

test('a process whose first run reports why it cannot start is not restarted', async () => {
  keep(`process.send({ failed: 'LARDER_PORT must be a whole number' }, () => process.exit(1));`);
  await until('it is given up', async () => lost);
  expect(lost).toBe('LARDER_PORT must be a whole number');
  expect(told).toEqual([]);
});

test('a process whose later run reports so is restarted', async () => {
  keep(`if (fs.existsSync(process.env.FLAG)) process.send({ failed: 'The key is readable.' }, () => process.exit(1));
    else { fs.writeFileSync(process.env.FLAG, ''); ${KILLED} }`);
  await until('it is paused', async () => told.at(-1)?.paused);
  expect(lost).toBeUndefined();
  expect(told.at(-1)?.paused?.failed).toBe('The key is readable.');
});

test('without a pause it is given up: at once before it was ready, later after its restarts', async () => {
  const { pauseMs: _pauseMs, ...policy } = QUICK;
  keep(KILLED, policy);
  await until('it is given up', async () => lost);
  expect(lost).toBe('The worker could not start (SIGKILL).');
  lost = undefined;
  keep(`${READY} setImmediate(() => ${KILLED.replace(';', '')});`, policy);
  await until('it is given up', async () => lost);
  expect(lost).toMatch(/^The worker was started again 2 times and never stayed up \(SIGKILL\)\.$/);
});

test('a stop while it waits to be started again starts nothing', async () => {
  const process_ = keep(KILLED, { ...QUICK, pauseMs: 60_000 });
  await until('it is paused', async () => told.at(-1)?.paused);
  await process_.stop();
  expect(told).toHaveLength(3);
});

test('what is sent while it is dead is lost, and nothing else happens', async () => {
  const process_ = keep(KILLED, { ...QUICK, pauseMs: 60_000 });
  process_.send({ worker: { deaths: 1 } });
  await until('it is paused', async () => told.at(-1)?.paused);
  process_.send({ worker: { deaths: 1 } });
});
