// Starts a server and a worker like an operator, for benchmarks that use the API. Their PostgreSQL counts statements.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { openClient } from '../src/client/client.ts';
import type { BaseImageDetailed } from '../src/contract/base-image.ts';
import type { ApplicationOffering } from '../src/contract/offering.ts';
import { startEmbedded } from '../src/db/embedded.ts';
import { findAccount } from '../src/host/accounts.ts';
import { PROCESS_FLAGS } from '../src/process/supervise.ts';
import type { ReleasedImage } from './fleet-bases.ts';
import { type Fleet, PAGE, POLLING } from './fleet-campaign.ts';
import { type LarderServer, startLarder, until } from './larder.ts';

/** Starts PostgreSQL with this library, so that it counts statements. */
async function countStatements(directory: string): Promise<void> {
  const account = process.getuid?.() === 0 ? (findAccount('larder') ?? findAccount('nobody')) : undefined;
  const dataDirectory = join(directory, 'postgresql');
  const { url, stop } = await startEmbedded({
    dataDirectory,
    ...(account && { uid: account.uid, gid: account.gid }),
  });
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`alter system set shared_preload_libraries = 'pg_stat_statements'`);
  await client.end();
  await stop();
}

async function startWorker(
  directory: string,
  larder: LarderServer,
  settings: Record<string, string>,
): Promise<ChildProcess> {
  const worker = fork(join(import.meta.dirname, '..', 'src', 'bin', 'worker.ts'), {
    execArgv: PROCESS_FLAGS,
    env: { ...environmentOf(directory, larder), ...settings },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await once(worker, 'message');
  return worker;
}

/** The environment of a process that uses the server's folder and database. */
export function environmentOf(directory: string, { databaseUrl, url }: LarderServer): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ...{ LARDER_DATA: directory, LARDER_DATABASE_URL: databaseUrl, LARDER_LOG_LEVEL: 'error', CI: 'true' },
    LARDER_PUBLIC_URL: url,
  };
}

/** Starts a server and a worker. Both get `settings`. The stack stops them. */
export async function openFleet(
  directory: string,
  stack: AsyncDisposableStack,
  settings: Record<string, string> = {},
): Promise<Fleet> {
  await countStatements(directory);
  const larder = await startLarder(directory, { settings });
  stack.defer(() => larder.stop());
  const database = new pg.Client({ connectionString: larder.databaseUrl });
  await database.connect();
  stack.defer(() => database.end());
  await database.query('create extension pg_stat_statements');
  const worker = await startWorker(directory, larder, settings);
  stack.defer(async () => {
    worker.kill('SIGKILL');
    await once(worker, 'exit');
  });
  const client = openClient({ url: larder.url, apiToken: larder.apiToken });
  const catalog_id = (await client.call('listCatalogs', { owned: true, page_size: 1 })).items[0]?.id ?? '';
  const hosted = (await client.call('listRegistries', { page_size: 1 })).items[0]?.id ?? '';
  const postmaster = readFileSync(join(directory, 'postgresql', 'cluster', 'postmaster.pid'), 'utf8');
  const processes = { server: larder.pid, worker: worker.pid ?? 0, postgres: Number.parseInt(postmaster, 10) };
  return { larder, client, database, processes, catalog_id, hosted };
}

/** Returns a base image once it is healthy. */
export async function baseNamed({ client }: Fleet, name: string): Promise<BaseImageDetailed> {
  return await until<BaseImageDetailed>(`the base image ${name}`, POLLING, async () => {
    const { items } = await client.call('listBaseImages', { name, page_size: PAGE });
    const found = items.find((one) => one.name === name && one.healthy !== undefined);
    if (found?.healthy === false) throw new Error(`${name}: ${found.unhealthy_cause}`);
    return found;
  });
}

/** Returns the offerings of a packaging type on an operating system, once there are any. */
export async function findOfferings(
  { client }: Fleet,
  system: string,
  packaging_type: ApplicationOffering['packaging_type'],
): Promise<ApplicationOffering[]> {
  return await until(`the offerings on ${system}`, POLLING, async () => {
    const { items } = await client.call('listOfferings', {
      ...{ operating_system_name: system, packaging_types: [packaging_type] },
      page_size: PAGE,
    });
    return items.length > 0 ? items : undefined;
  });
}

/** Requests applications. The registry is the hosted registry, unless other registries are given. */
export async function request(
  { client, catalog_id }: Fleet,
  base_image_id: string,
  { offerings, registry_ids }: { offerings: string[]; registry_ids?: string[] },
): Promise<void> {
  await client.call('createApplicationRequest', {
    ...{ catalog_id, kind: 'CREATION' as const, name: 'fleet', base_image_id },
    ...{ application_offering_ids: offerings, ...(registry_ids && { registry_ids }) },
  });
}

/** Returns an image that was released on a base image in the hosted registry. */
export async function releasedOn({ client, catalog_id, hosted }: Fleet, base_image_id: string): Promise<ReleasedImage> {
  const { items } = await client.call('listReleases', { catalog_id, page_size: PAGE });
  const release = items.find(
    ({ base_image, packaging_type, registry }) =>
      base_image?.id === base_image_id && packaging_type === 'CONTAINER_IMAGE' && registry?.id === hosted,
  );
  const artifact = release?.artifact;
  if (artifact === undefined) throw new Error('there is no release');
  return { url: artifact.url, digest: artifact.repo_digest };
}
