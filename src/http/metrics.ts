// Prometheus metrics on a separate listener. Requests are counted as they happen. Queues and storage are queried at a scrape.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type pg from 'pg';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { countPhases } from '../catalog/figures.ts';
import { listWorkers } from '../catalog/workers.ts';
import type { ContentStore } from '../content/content.ts';
import type { Database } from '../db/database.ts';
import { countJobs } from '../db/queue-figures.ts';
import { withinMs } from '../db/within-ms.ts';
import { VERSION } from '../version.ts';
import { atMostEvery } from './at-most-every.ts';

export type MetricsParts = {
  db: Database;
  pool: Pick<pg.Pool, 'totalCount' | 'idleCount' | 'waitingCount'>;
  content: ContentStore;
  /** The state of the worker process as its supervisor reports it. Absent if there is no supervisor. */
  workerDeaths?: () => { deaths: number; paused?: object };
};

export type Metrics = {
  /** Counts the answers of a server. Call this before the server is ready. */
  watch(app: FastifyInstance): void;
  /** Returns all metrics in the text format of Prometheus. */
  text(): Promise<string>;
};

/** Values from the database are cached for this long. */
const LOOKED_UP_MS = 10_000;

/**
 * How long the size of the content store is cached. A walk through the store reads the entry of every file. So walks are
 * rare, and only the first scrape waits for a walk.
 */
const CONTENT_WALK_MS = 10 * 60_000;

/** The first scrape waits this long for the first walk. This is less than the timeout of Prometheus (10 s by default). */
const FIRST_WALK_MS = 2_000;

/**
 * The metrics of event loop delay before the first sample. Node then reports the largest int64, so these lines are removed.
 */
const NO_SAMPLE = /^nodejs_eventloop_lag_\w+ (?:9223372036\.854776|nan)\n/gim;

/** Buckets in seconds. The smallest fits an answer from memory, and the largest an upload that takes minutes. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** The label of all unknown paths. Clients may invent any number of paths, so a path must not become a label. */
const NO_ROUTE = 'none';
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Creates the metrics of a process. Nothing is queried before the first scrape. */
export function openMetrics(parts: MetricsParts): Metrics {
  const register = new Registry();
  collectDefaultMetrics({ register });
  const requests = new Histogram({
    name: 'larder_http_request_duration_seconds',
    help: 'Requests by method, route pattern and status, with their duration.',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS,
    registers: [register],
  });
  new Gauge({
    name: 'larder_build_info',
    help: 'The version of this server; always 1.',
    labelNames: ['version'],
    registers: [register],
  }).set({ version: VERSION }, 1);
  const lookUp = [...gaugesOfDatabase(register, parts), gaugesOfContent(register, parts.content)];
  if (parts.workerDeaths) lookUp.push(metricsOfWorker(register, parts.workerDeaths));
  return {
    watch(app) {
      app.addHook('onResponse', async (request, reply) => {
        const method = METHODS.has(request.method) ? request.method : 'other';
        const route = request.is404 ? NO_ROUTE : (request.routeOptions.url ?? NO_ROUTE);
        requests.observe({ method, route, status: String(reply.statusCode) }, reply.elapsedTime / 1000);
      });
    },
    async text() {
      await Promise.all(lookUp.map((one) => one()));
      return (await register.metrics()).replaceAll(NO_SAMPLE, '');
    },
  };
}

type LookUp = () => Promise<void>;

function gaugesOfDatabase(register: Registry, { db, pool }: MetricsParts): LookUp[] {
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name, help, labelNames, registers: [register] });
  const jobs = gauge('larder_jobs', 'Jobs by task and state.', ['task', 'state']);
  const phases = gauge('larder_pipeline_phases', 'Phases of all pipelines by status.', ['phase', 'status']);
  const workers = gauge('larder_workers', 'Live workers by sandbox mode.', ['sandbox_mode']);
  const connections = gauge('larder_database_connections', 'Database connections of this process by state.', ['state']);
  const waiting = gauge('larder_database_waiting', 'Statements of this process that wait for a connection.');
  const up = gauge('larder_database_up', '1 if the database answered the last check, else 0.');
  const rows = atMostEvery(LOOKED_UP_MS, async () => {
    try {
      const [jobCounts, phaseCounts, alive] = await Promise.all([countJobs(db), countPhases(db), listWorkers(db)]);
      for (const one of [jobs, phases, workers]) one.reset();
      for (const { task, state, count } of jobCounts) jobs.set({ task, state }, count);
      for (const { phase, status, count } of phaseCounts) phases.set({ phase, status }, count);
      for (const { sandbox_mode } of alive) workers.inc({ sandbox_mode });
      up.set(1);
    } catch {
      // The values that could not be queried are omitted, so that alerts can detect that they are missing. The other values
      // are still reported.
      for (const one of [jobs, phases, workers]) one.reset();
      up.set(0);
    }
  });
  const connected = async () => {
    connections.set({ state: 'busy' }, pool.totalCount - pool.idleCount);
    connections.set({ state: 'idle' }, pool.idleCount);
    waiting.set(pool.waitingCount);
  };
  // Counts the connections first, because the queries of `rows` use some connections.
  return [connected, rows];
}

function gaugesOfContent(register: Registry, content: ContentStore): LookUp {
  // A new gauge of prom-client has the value 0. So it is removed until its value is known.
  const known = new Set<Gauge>();
  const set = (gauge: Gauge, value: number) => {
    gauge.set(value);
    if (!known.has(gauge)) register.registerMetric(gauge);
    known.add(gauge);
  };
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [] });
  const bytes = gauge('larder_content_bytes', 'Bytes in the content store at its last walk.');
  const count = gauge('larder_contents', 'Contents in the store at its last walk.');
  const free = gauge('larder_content_free_ratio', 'Free share of the content store’s disk, from 0 to 1.');
  const walk = atMostEvery(CONTENT_WALK_MS, async () => {
    const sum = { bytes: 0, count: 0 };
    for await (const { size } of content.list()) {
      sum.bytes += size;
      sum.count += 1;
    }
    set(bytes, sum.bytes);
    set(count, sum.count);
  });
  return async () => {
    const walked = walk().catch(() => {});
    const share = await content.freeShare().catch(() => undefined);
    if (share !== undefined) set(free, share);
    if (!known.has(bytes)) await withinMs(walked, FIRST_WALK_MS);
  };
}

function metricsOfWorker(register: Registry, find: NonNullable<MetricsParts['workerDeaths']>): LookUp {
  const registers = [register];
  const deaths = new Counter({
    name: 'larder_worker_deaths_total',
    help: 'Unexpected exits of the worker of this machine since the supervisor started.',
    registers,
  });
  const paused = new Gauge({
    name: 'larder_worker_paused',
    help: '1 while that worker keeps dying and work is paused, else 0.',
    registers,
  });
  return async () => {
    const found = find();
    deaths.reset();
    deaths.inc(found.deaths);
    paused.set(found.paused ? 1 : 0);
  };
}

/** Listens for Prometheus. Resolves when the server listens, and rejects if the address is in use. */
export async function serveMetrics(
  metrics: Pick<Metrics, 'text'>,
  { host, port }: { host: string; port: number },
): Promise<{ port: number; close(): void }> {
  const server = createServer((request, response) => {
    if (request.url !== '/metrics' || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response.writeHead(404).end();
      return;
    }
    metrics.text().then(
      (text) => response.writeHead(200, { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await listen(server, { host, port });
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function listen(server: Server, at: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, () => resolve());
  });
}
