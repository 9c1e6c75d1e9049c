// Metrics: requests are counted, values come from the database and the store, and unknown paths do not become labels.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { sampleWorker } from '../../test/worker-rows.ts';
import { recordWorker } from '../catalog/workers.ts';
import { inTransaction, openDatabase } from '../db/database.ts';
import { enqueue } from '../db/queue.ts';
import { type Metrics, openMetrics, serveMetrics } from './metrics.ts';
import { buildServer } from './server.ts';

let api: TestApi;
let metrics: Metrics;
beforeAll(async () => {
  api = await openTestApi({
    build(parts) {
      const pool = { totalCount: 3, idleCount: 2, waitingCount: 1 };
      metrics = openMetrics({ db: parts.db, pool, content: parts.content });
      return buildServer({ ...parts, watch: metrics.watch });
    },
  });
}, 60_000);
afterAll(() => api.close());

const lineOf = (text: string, start: string) => text.split('\n').find((line) => line.startsWith(start));

test('requests are counted by route pattern, and unknown paths make no labels', async () => {
  await api.ask('GET', `/v1/catalogs/${api.acme.catalog_id}`);
  await api.ask('GET', `/v1/catalogs/${randomUUID()}`);
  for (let index = 0; index < 5; index++) await api.ask('GET', `/made-up-${index}?token=made-up`);
  await api.ask('PROPFIND' as 'GET', '/made-up').catch(() => undefined);
  const text = await metrics.text();
  const route = 'route="/v1/catalogs/:catalog_id"';
  expect(text).toContain(`larder_http_request_duration_seconds_count{method="GET",${route},status="200"} 1`);
  expect(text).toContain(`larder_http_request_duration_seconds_count{method="GET",${route},status="404"} 1`);
  expect(text).toContain('larder_http_request_duration_seconds_count{method="GET",route="none",status="404"} 5');
  expect(text).not.toContain('made-up');
  expect(text).not.toContain(api.acme.catalog_id);
});

test('jobs, workers, content, connections and the process are reported', async () => {
  await inTransaction(api.database.db, async (tx) => {
    await enqueue(tx, 'discover-products', {}, { key: 'one' });
    await recordWorker(tx, sampleWorker());
  });
  await api.content.put(
    (async function* () {
      yield Buffer.from('hello');
    })(),
  );
  const fresh = openMetrics({ db: api.database.db, pool: api.database.pool, content: api.content });
  const text = await fresh.text();
  expect(lineOf(text, 'larder_jobs{task="discover-products",state="waiting"}')).toMatch(/ 1$/);
  expect(lineOf(text, 'larder_workers{sandbox_mode="userns"}')).toMatch(/ 1$/);
  expect(lineOf(text, 'larder_database_up')).toMatch(/ 1$/);
  expect(lineOf(text, 'larder_database_connections{state="idle"}')).toMatch(/ \d+$/);
  expect(lineOf(text, 'larder_content_free_ratio')).toMatch(/ 0\.\d+$/);
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(text).toContain(`larder_build_info{version="${version}"} 1\n`);
  expect(text).toContain('process_resident_memory_bytes');
  // The first scrape must already show the real value, and not 0.
  expect(text).toMatch(/^larder_content_bytes 5$/m);
  expect(text).toMatch(/^larder_contents 1$/m);
});

test('values that are unknown at the first scrape are omitted', async () => {
  const { db } = api.database;
  const pool = { totalCount: 0, idleCount: 0, waitingCount: 0 };
  const endless = Promise.withResolvers<void>();
  const slow = openMetrics({
    ...{ db, pool },
    content: {
      ...api.content,
      freeShare: async () => undefined,
      async *list() {
        await endless.promise;
        yield* api.content.list();
      },
    },
  });
  const first = await slow.text();
  expect(first).not.toMatch(/^larder_content/m);
  expect(first).toContain('larder_database_up 1\n');
  endless.resolve();
  expect(await slow.text()).toMatch(/^larder_contents \d+$/m);

  const failing = async () => {
    throw new Error('The disk is away');
  };
  const broken = {
    ...api.content,
    freeShare: failing,
    list: async function* () {
      await failing();
      yield* api.content.list();
    },
  };
  expect(await openMetrics({ db, pool, content: broken }).text()).not.toMatch(/^larder_content/m);
});

test('the connections of a scrape are not counted, and no event loop delay is reported without a sample', async () => {
  const { db, pool } = openDatabase(api.database.url);
  try {
    const text = await openMetrics({ db, pool, content: api.content }).text();
    expect(lineOf(text, 'larder_database_connections{state="busy"}')).toMatch(/ 0$/);
    expect(text).not.toMatch(/ nan$/im);
    expect(text).not.toContain('9223372036');
  } finally {
    await pool.end();
  }
});

test('a database that does not answer is reported, with the other metrics', async () => {
  const lost = await openTestApi();
  await lost.database.drop();
  const text = await openMetrics({ db: lost.database.db, pool: lost.database.pool, content: lost.content }).text();
  expect(lineOf(text, 'larder_database_up')).toMatch(/ 0$/);
  expect(text).toContain('process_resident_memory_bytes');
  await lost.app.close();
  await rm(lost.directory, { recursive: true });
});

test('the listener serves GET /metrics only', async () => {
  const served = await serveMetrics(metrics, { host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${served.port}`;
  const answer = await fetch(`${url}/metrics`);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')]);
  expect(await answer.text()).toContain('larder_http_request_duration_seconds_bucket');
  expect((await fetch(`${url}/v1/catalogs`)).status).toBe(404);
  expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(404);
  await expect(serveMetrics(metrics, { host: '127.0.0.1', port: served.port })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  });
  served.close();
});
