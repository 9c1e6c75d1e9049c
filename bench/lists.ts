// Measures every list of the API with a million releases, with 1 and with 300 connections. The same run measures two lower
// bounds: the statements of the page sent with only `pg`, and Fastify sending the same bytes from memory. `npm run
// bench:lists` uses all rows. `npm run bench:lists -- 0.02` uses a fiftieth of the rows, and `-- 0.02 listReleases` only the
// cases whose name begins with this word. `--quick` requests only first pages and page 500. `--data=FOLDER` keeps the filled
// database for the next run.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import pg from 'pg';
import { readConfig } from '../src/config/config.ts';
import { buildServer } from '../src/http/server.ts';
import { openLog } from '../src/log.ts';
import { openResources } from '../src/resources.ts';
import { type LarderServer, ratio, startLarder } from './larder.ts';
import { type Case, casesOf, type Values } from './lists-cases.ts';
import { fillCatalog, scaled } from './lists-data.ts';
import type { Latencies, Load, Statement } from './load.ts';

const SHARE = Number(process.argv.slice(2).find((arg) => /^[\d.]+$/.test(arg)) ?? 1);
const ONLY = process.argv.slice(2).find((arg) => /^[a-z]/i.test(arg)) ?? '';
const QUICK = process.argv.includes('--quick');
const DATA = process.argv.find((arg) => arg.startsWith('--data='))?.slice('--data='.length);

const CONNECTIONS = [1, 300] as const;
/**
 * A page larger than this is requested on a tenth of the connections, and not at a steady rate, because such a page has
 * megabytes. For example, a page of customizations contains their releases.
 */
const HEAVY_BYTES = 256 * 1024;
/** The aim for the p95 of an answer, divided by the sum of the p95 of both lower bounds. */
const AIM = 2;
/** The aim for the p95 of any page with 300 clients, in milliseconds. */
const AIM_MS = 20;
/** The interval between requests of each of the 300 clients at a steady rate. */
const EVERY_MS = 1_000;
const SECONDS = { ours: 0.4, floor: 0.25, steady: 1.2 };

type Figures = {
  name: string;
  bytes: number;
  statements: number;
  /** The latencies of Larder, one entry for each number of connections. */
  ours: Latencies[];
  sql: Latencies[];
  memory: Latencies[];
  steady?: Latencies;
};

/** The API in this process, with the database of the server. Its statements can be recorded. */
type Watched = {
  ask(path: string): Promise<{ body: string; statements: Statement[] }>;
  token: string;
  close(): Promise<void>;
};

async function watchApi(larder: LarderServer, directory: string): Promise<Watched> {
  const config = readConfig({ LARDER_DATA: directory, LARDER_DATABASE_URL: larder.databaseUrl });
  const log = openLog({ level: 'error' });
  const resources = await openResources(config, log);
  const app = buildServer({ ...resources, readiness: { draining: false, checks: {} } });
  await app.ready();
  const token = (await resources.identity.exchangeApiToken(larder.apiToken)).access_token;
  return {
    token,
    ask: (path) => askWatched(app, { path, token }),
    close: async () => {
      await app.close();
      await resources.close();
    },
  };
}

async function askWatched(app: FastifyInstance, { path, token }: { path: string; token: string }) {
  const asked = { url: path, headers: { authorization: `Bearer ${token}` } };
  // The server repeats some lookups only from time to time. The first request makes these lookups, so that the recorded
  // request makes none.
  await app.inject(asked);
  const statements: Statement[] = [];
  const { query } = pg.Client.prototype;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [statement, values] = args as [string | Statement, unknown[] | undefined];
    statements.push(typeof statement === 'string' ? { text: statement, values: values ?? [] } : statement);
    return Reflect.apply(query, this, args);
  } as typeof query;
  try {
    const answer = await app.inject(asked);
    if (answer.statusCode !== 200) throw new Error(`${path} answered ${answer.statusCode}: ${answer.body}`);
    return { body: answer.body, statements };
  } finally {
    pg.Client.prototype.query = query;
  }
}

/**
 * Returns the statements that read a page. Omits the statements that check existence or count. If the server prepares the
 * statements, they are prepared here too.
 */
function bareQuery(statements: Statement[]): Statement[] {
  const page = statements.filter(
    ({ text }) => !/^(\s|\/\*.*?\*\/)*select array\[exists/.test(text) && !/ as total\b/.test(text),
  );
  // If the server knows that a page is empty, it does not query the page. Then all its statements are the lower bound.
  return page.length > 0 ? page : statements;
}

/** Starts a file of this folder as a process that answers each message with a message. */
async function helper(file: string): Promise<{ child: ChildProcess; tell<T>(message: unknown): Promise<T> }> {
  const child = fork(join(import.meta.dirname, file), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  return {
    child,
    tell: async <T>(message: unknown) => {
      child.send(message as object);
      const [answer] = (await once(child, 'message')) as [T & { error?: string }];
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer;
    },
  };
}

type Stage = {
  larder: LarderServer;
  watched: Watched;
  load: (load: Load) => Promise<Latencies>;
  memory: { port: number; hold(body: string): Promise<unknown> };
};

async function measure({ larder, watched, load, memory }: Stage, { name, path, steady }: Case): Promise<Figures> {
  const { body, statements } = await watched.ask(path);
  await memory.hold(body);
  const http = { port: Number(new URL(larder.url).port), path, token: watched.token };
  const figures: Figures = {
    ...{ name, bytes: Buffer.byteLength(body), statements: statements.length },
    ...{ ours: [], sql: [], memory: [] },
  };
  const heavy = figures.bytes > HEAVY_BYTES;
  for (const most of CONNECTIONS) {
    const connections = heavy ? Math.ceil(most / 10) : most;
    figures.ours.push(await load({ connections, seconds: SECONDS.ours, http }));
    const sql = { url: larder.databaseUrl, statements: bareQuery(statements) };
    figures.sql.push(await load({ connections, seconds: SECONDS.floor, sql }));
    figures.memory.push(await load({ connections, seconds: SECONDS.floor, http: { port: memory.port, path: '/' } }));
  }
  if (!steady || heavy) return figures;
  return { ...figures, steady: await load({ connections: 300, seconds: SECONDS.steady, everyMs: EVERY_MS, http }) };
}

const three = ({ p50, p95, p99 }: Latencies) => [p50, p95, p99].map((ms) => ms.toFixed(1)).join(' ');

function overFloors({ ours, sql, memory }: Figures, place: number): number {
  return (ours[place]?.p95 ?? 0) / ((sql[place]?.p95 ?? 0) + (memory[place]?.p95 ?? 0));
}

function tell(figures: Figures): void {
  const { name, bytes, statements, ours, sql, memory, steady } = figures;
  console.log(`${name}: ${(bytes / 1024).toFixed(0)} KiB, ${statements} statements`);
  CONNECTIONS.forEach((most, place) => {
    const connections = bytes > HEAVY_BYTES ? Math.ceil(most / 10) : most;
    const all = [ours, sql, memory].map((side) => side[place] as Latencies);
    const [own = '', query = '', fromMemory = ''] = all.map(three);
    console.log(
      `  ${String(connections).padStart(3)} connections: p50 p95 p99 ${own} ms (${all[0]?.perSecond.toFixed(0)}/s${all[0]?.rejected ? `, ${all[0].rejected} rejected` : ''}); bare query ${query}; from memory ${fromMemory}; p95 / floors ${overFloors(figures, place).toFixed(2)}`,
    );
  });
  if (steady) console.log(`  300 clients, each once a second: ${three(steady)} ms`);
}

function report(all: Figures[]): void {
  const worst = (of: (figures: Figures) => number | undefined) =>
    all.reduce((most, one) => ((of(one) ?? 0) > (of(most) ?? 0) ? one : most), all[0] as Figures);
  const within = (place: number) => all.filter((one) => overFloors(one, place) <= AIM).length / all.length;
  CONNECTIONS.forEach((connections, place) => {
    const most = worst((one) => overFloors(one, place));
    ratio(`p95 / floors, ${connections} connections, worst (${most.name}; aim ${AIM})`, overFloors(most, place));
    ratio(`cases within ${AIM} times the floors, ${connections} connections / all ${all.length}`, within(place));
  });
  const slow = worst((one) => one.ours[0]?.p95);
  ratio(`p95 alone, worst (${slow.name}) / the aim of ${AIM_MS} ms`, (slow.ours[0]?.p95 ?? 0) / AIM_MS);
  const late = worst((one) => one.steady?.p95);
  ratio(
    `p95 with 300 clients once a second, worst (${late.name}) / the aim of ${AIM_MS} ms`,
    (late.steady?.p95 ?? 0) / AIM_MS,
  );
  const talkative = worst((one) => one.statements);
  ratio(`statements a page, most (${talkative.name})`, talkative.statements);
}

async function valuesOf(larder: LarderServer, catalog_id: string): Promise<Values> {
  const client = new pg.Client({ connectionString: larder.databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<Values>(
      `select r.id as release_id, r.application_id, r.registry_id, r.content_digest, r.repo_digest, a.product_key, a.branch, a.base_image_id,
         a.base_image_id as base_image_ids, p.category as product_category, p.name as product_name, o.id as operating_system_id,
         o.name as operating_system_name, h.id as hosted, n.provider_id
       from releases r join applications a on a.id = r.application_id join products p on p.key = a.product_key
       join base_images b on b.id = a.base_image_id join operating_systems o on o.id = b.operating_system_id,
       (select id from registries where hosted limit 1) h, (select provider_id from notification_deliveries limit 1) n
       where r.catalog_id = $1 order by r.released_at desc, r.id limit 1`,
      [catalog_id],
    );
    const { hosted = '', ...values } = rows[0] ?? {};
    const named = { 'listBaseImages.name': 'Base 1', 'listOperatingSystems.name': 'Debian' };
    return { ...values, ...named, catalog_id, 'listRegistryCredentials.registry_id': hosted };
  } finally {
    await client.end();
  }
}

type Kept = { apiToken: string; catalog_id: string };

const KEPT = 'filled.json';

function keptIn(directory: string): Kept | undefined {
  const file = join(directory, KEPT);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Kept) : undefined;
}

async function fill(larder: LarderServer, directory: string): Promise<Kept> {
  const sizes = scaled(SHARE);
  console.error(`filling: ${JSON.stringify(sizes)}`);
  const { catalog_id } = await fillCatalog(larder.databaseUrl, sizes, (line) => console.error(`  ${line}`));
  const kept = { apiToken: larder.apiToken, catalog_id };
  writeFileSync(join(directory, KEPT), JSON.stringify(kept));
  return kept;
}

function isAsked({ name, steady }: Case): boolean {
  return name.startsWith(ONLY) && (steady || !QUICK);
}

/** Sorts the lists of catalogs before other lists, because they have the most rows. */
function ofCatalogFirst(a: Case, b: Case): number {
  return Number(b.path.includes('/catalogs/')) - Number(a.path.includes('/catalogs/'));
}

async function main(directory: string): Promise<void> {
  const begun = performance.now();
  const kept = keptIn(directory);
  const larder = await startLarder(directory, kept && { apiToken: kept.apiToken });
  const helpers = await Promise.all([helper('load.ts'), helper('memory-server.ts')]);
  const [loader, server] = helpers;
  try {
    const [{ port }] = (await once(server.child, 'message')) as [{ port: number }];
    const { catalog_id } = kept ?? (await fill(larder, directory));
    const watched = await watchApi(larder, directory);
    try {
      const values = await valuesOf(larder, catalog_id);
      const paged = async (path: string) =>
        (JSON.parse((await watched.ask(path)).body) as { total_pages: number }).total_pages;
      const { cases, skipped } = await casesOf(values, paged);
      console.error(`left out, because there is no value: ${skipped.join(', ') || 'nothing'}`);
      const load = async (asked: Load) => (await loader.tell<{ latencies: Latencies }>(asked)).latencies;
      const stage: Stage = { larder, watched, load, memory: { port, hold: (body) => server.tell(body) } };
      const all: Figures[] = [];
      for (const one of cases.filter(isAsked).sort(ofCatalogFirst)) {
        const figures = await measure(stage, one);
        tell(figures);
        all.push(figures);
      }
      report(all);
      console.error(`took ${((performance.now() - begun) / 1000).toFixed(0)} s`);
    } finally {
      await watched.close();
    }
  } finally {
    for (const { child } of helpers) child.kill();
    await larder.stop();
  }
}

const directory = DATA ?? mkdtempSync(join(tmpdir(), 'larder-bench-lists-'));
mkdirSync(directory, { recursive: true });
// PostgreSQL's own user must be able to enter the folder.
chmodSync(directory, 0o711);
try {
  await main(directory);
} finally {
  if (DATA === undefined) rmSync(directory, { recursive: true, force: true });
}
