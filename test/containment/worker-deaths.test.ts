// Workers that die repeatedly. If a job kills them, the job fails and other jobs are not affected. If they die at every
// start, all other processes stay up.
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { inTransaction } from '../../src/db/database.ts';
import { ATTEMPTS_MAX, enqueue } from '../../src/db/queue.ts';
import { keepProcess } from '../../src/process/kept-process.ts';
import type { WorkerDeaths } from '../../src/process/process-messages.ts';
import { createTestDatabase } from '../database.ts';
import { endEntrances, type StartedEntrance, startEntrance } from '../entrance.ts';
import { freePort, until } from '../service.ts';

const PATIENCE_MS = 300_000;

afterEach(endEntrances, PATIENCE_MS);

test('a job that kills its worker each time fails with that cause, and no other job loses an attempt', {
  timeout: PATIENCE_MS,
}, async () => {
  const database = await createTestDatabase();
  const innocent = ['a', 'b', 'c'];
  await inTransaction(database.db, async (tx) => {
    for (const pipeline_id of [...innocent, 'killer', 'd', 'e']) await enqueue(tx, 'package-pipeline', { pipeline_id });
  });
  let died: WorkerDeaths = { deaths: 0 };
  const worker = keepProcess({
    name: 'worker',
    args: [fileURLToPath(new URL('../queue-killer.ts', import.meta.url)), database.url],
    env: process.env,
    policy: { healthyAfterMs: PATIENCE_MS, restartsMax: 100 },
    forced: new AbortController().signal,
    say: () => {},
    onLost: (reason) => {
      throw new Error(reason);
    },
    onDeaths: (deaths) => {
      died = deaths;
    },
  });
  /** Omits scheduled jobs, because one of them may run during the test. */
  const rows = async () => {
    const { rows } = await database.pool.query<{ id: string; state: string; retry_count: number; output: unknown }>(
      `select data -> 'payload' ->> 'pipeline_id' as id, state, retry_count, output from queue.job
       where name = 'tasks' and data -> 'payload' ->> 'pipeline_id' is not null order by 1`,
    );
    return rows;
  };
  await until('all have ended', async () =>
    (await rows()).every(({ state }) => state === 'completed' || state === 'failed'),
  );
  await worker.stop();

  const done = (id: string) => ({ id, state: 'completed', retry_count: 0, output: null });
  expect(await rows()).toEqual([
    ...['a', 'b', 'c', 'd', 'e'].map(done),
    { id: 'killer', state: 'failed', retry_count: 0, output: expect.objectContaining({ losses: ATTEMPTS_MAX }) },
  ]);
  // The job killed a worker once while other jobs ran, and then ATTEMPTS_MAX times while it ran alone.
  expect(died.deaths).toBe(1 + ATTEMPTS_MAX);
  await database.drop();
});

test('a worker that dies at every start pauses work, and API, registry and database stay up', {
  timeout: PATIENCE_MS,
}, async () => {
  const fault = `if (/worker\\.ts$/.test(process.argv[1])) process.kill(process.pid, 'SIGKILL')`;
  const metricsPort = await freePort();
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(fault)}`;
  // A new installation that was never ready has no running service to protect. So its start fails with the reason.
  const fresh = await startEntrance('all-in-one', { env: { NODE_OPTIONS } });
  const { data } = await startOnce();
  const service = await startEntrance('all-in-one', {
    data,
    env: { NODE_OPTIONS, LARDER_METRICS_PORT: String(metricsPort) },
  });
  await service.says(/Larder is ready/);
  const since = new Date();
  const paused = await until('work is paused', async () => {
    const answer = await fetch(`${service.url}/readyz`);
    expect(answer.status).toBe(200);
    const { checks } = (await answer.json()) as { checks: { workers: { alive: unknown[]; paused?: object } } };
    expect(checks.workers.alive).toEqual([]);
    return checks.workers.paused;
  });
  expect(paused).toEqual({ since: expect.any(String), deaths: 11, how: 'SIGKILL' });
  expect(Date.parse((paused as { since: string }).since)).toBeGreaterThan(since.getTime());

  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  expect(metrics).toMatch(/^larder_worker_deaths_total 11$/m);
  expect(metrics).toMatch(/^larder_worker_paused 1$/m);
  expect(metrics).toMatch(/^larder_database_up 1$/m);
  await service.says(/^The worker was started again 10 times and never stayed up \(SIGKILL\)\. .* in 60 s\.$/m);
  await service.says(/"deaths":11,"how":"SIGKILL".*work is paused/);

  expect((await fetch(`${service.url}/v1/api.yml`)).status).toBe(200);
  expect((await fetch(`${service.url}/v2/`)).status).toBe(401);
  expect(service.child.exitCode).toBe(null);
  service.child.kill('SIGTERM');
  expect(await service.ended).toBe(0);
  await service.nobodyLeft();

  expect(await fresh.ended).toBe(1);
  expect(fresh.said()).toMatch(/^larder: The worker never stayed up \(SIGKILL\)\.$/m);
  await fresh.nobodyLeft();
});

/** Starts an installation without a fault, and stops it. */
async function startOnce(): Promise<StartedEntrance> {
  const service = await startEntrance('all-in-one');
  await service.says(/Larder is ready/);
  service.child.kill('SIGTERM');
  await service.ended;
  return service;
}
