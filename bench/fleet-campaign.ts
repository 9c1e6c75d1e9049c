// One campaign of a fleet: a change that makes many pipelines. It is followed to the last release, and its cost is measured.
import type pg from 'pg';
import type { Client } from '../src/client/client.ts';
import type { Pipeline } from '../src/contract/pipeline.ts';
import type { PhaseType } from '../src/contract/vocabulary.ts';
import { memoryOf, type Processes, readProcessorTime, subtractTimes } from './fleet-processes.ts';
import { type LarderServer, type Polling, until } from './larder.ts';

/**
 * `pollMs` is a tenth of the time to the first release, so that polling costs little. `patienceMs` is an hour, because the
 * largest fleet makes its last release within an hour.
 */
export const POLLING: Polling = { pollMs: 100, patienceMs: 3_600_000 };
/** The largest page size of the API. */
export const PAGE = 100;

export type Fleet = {
  larder: LarderServer;
  client: Client;
  database: pg.Client;
  processes: Processes;
  catalog_id: string;
  hosted: string;
};

export type Campaign = {
  name: string;
  releases: number;
  failed: number;
  firstSeconds: number;
  lastSeconds: number;
  /** The mean duration of each phase in seconds, while other pipelines also run. */
  phases: Record<PhaseType, number>;
  processorMs: Record<string, number>;
  statements: number;
  jobs: number;
  syncs: number;
  memory: { server: number; worker: number };
};

/** Returns the number of releases in a second. */
export const perSecond = ({ releases, lastSeconds }: Pick<Campaign, 'releases' | 'lastSeconds'>) =>
  releases / lastSeconds;

async function openPipelines({ client, catalog_id }: Fleet): Promise<number> {
  const page = await client.call('listPipelines', { catalog_id, status: 'IN_PROGRESS', page_size: 1 });
  return page.total_size;
}

async function newestPipelines({ client, catalog_id }: Fleet, count: number): Promise<Pipeline[]> {
  const found: Pipeline[] = [];
  for (let page = 1; found.length < count; page += 1) {
    const { items } = await client.call('listPipelines', { catalog_id, page, page_size: PAGE });
    if (items.length === 0) break;
    found.push(...items);
  }
  return found.slice(0, count);
}

type Counters = { statements: number; jobs: number; syncs: number };

async function countersOf({ database }: Fleet): Promise<Counters> {
  const { rows } = await database.query<Counters>(`
    select (select sum(calls) from pg_stat_statements)::float8 as statements,
      (select count(*) from queue.job where state = 'completed' or started_on is not null)::float8 as jobs,
      (select sum(fsyncs) from pg_stat_io where object = 'wal')::float8 as syncs`);
  return rows[0] ?? { statements: 0, jobs: 0, syncs: 0 };
}

/** Calls `begin`, which makes `releases` pipelines, and follows these pipelines to their end. */
export async function runCampaign(
  fleet: Fleet,
  { name, releases, begin }: { name: string; releases: number; begin: () => Promise<void> },
): Promise<Campaign> {
  const counters = await countersOf(fleet);
  const before = readProcessorTime(fleet.processes);
  const memory = { server: 0, worker: 0 };
  const begun = Date.now();
  await begin();
  await until(name, POLLING, async () => {
    for (const kind of ['server', 'worker'] as const)
      memory[kind] = Math.max(memory[kind], memoryOf(fleet.processes[kind]));
    const newest = await newestPipelines(fleet, 1);
    if (Date.parse(newest[0]?.started_at ?? '') < begun) return undefined;
    return (await openPipelines(fleet)) === 0 ? true : undefined;
  });
  const used = subtractTimes(readProcessorTime(fleet.processes), before);
  const after = await countersOf(fleet);
  const pipelines = await newestPipelines(fleet, releases);
  const ends = pipelines
    .filter(({ status }) => status === 'SUCCEEDED')
    .map((pipeline) => (Date.parse(endOf(pipeline, 'DISTRIBUTION')) - begun) / 1000)
    .sort((a, b) => a - b);
  const campaign: Campaign = {
    ...{ name, releases: ends.length, failed: pipelines.length - ends.length, memory },
    ...{ firstSeconds: ends[0] ?? 0, lastSeconds: ends.at(-1) ?? 0 },
    phases: meanPhases(pipelines),
    processorMs: Object.fromEntries(Object.entries(used).map(([kind, s]) => [kind, (1000 * s) / ends.length])),
    statements: (after.statements - counters.statements) / ends.length,
    jobs: (after.jobs - counters.jobs) / ends.length,
    syncs: (after.syncs - counters.syncs) / ends.length,
  };
  tell(campaign);
  return campaign;
}

function endOf({ phases }: Pipeline, type: PhaseType): string {
  return phases.find((phase) => phase.type === type)?.ended_at ?? '';
}

function meanPhases(pipelines: Pipeline[]): Record<PhaseType, number> {
  const mean = (type: PhaseType) => {
    const times = pipelines.map(({ phases }) => {
      const phase = phases.find((one) => one.type === type);
      return Date.parse(phase?.ended_at ?? '') - Date.parse(phase?.started_at ?? '');
    });
    return times.reduce((sum, ms) => sum + ms, 0) / times.length / 1000;
  };
  return { PACKAGING: mean('PACKAGING'), VERIFICATION: mean('VERIFICATION'), DISTRIBUTION: mean('DISTRIBUTION') };
}

function tell(campaign: Campaign): void {
  const { name, releases, failed, firstSeconds, lastSeconds, phases, processorMs, memory } = campaign;
  const rounded = (values: Record<string, number>, digits: number) =>
    Object.entries(values)
      .map(([key, value]) => `${key.toLowerCase()} ${value.toFixed(digits)}`)
      .join(', ');
  console.log(
    `${name}: ${releases} releases, ${failed} failed, ${perSecond(campaign).toFixed(2)} a second; first after ${firstSeconds.toFixed(2)} s, last after ${lastSeconds.toFixed(1)} s`,
  );
  console.log(`  seconds by the clock: ${rounded(phases, 2)}`);
  console.log(`  processor ms a release: ${rounded(processorMs, 0)}`);
  console.log(
    `  a release: ${campaign.statements.toFixed(0)} statements, ${campaign.jobs.toFixed(1)} jobs, ${campaign.syncs.toFixed(1)} syncs of the log; peak MiB: ${rounded(memory, 0)}`,
  );
}
