// The start and the first images. Measures the time until Larder is ready, with an empty folder and with a used one. Measures
// the time from a request to its release, with a new and with an existing base image. Also measures one patched package with
// Larder and with apt.
// `npm run bench:start`
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, openClient } from '../src/client/client.ts';
import { prepareBench } from './host.ts';
import { freePort, type Polling, printedToken, ratio, until } from './larder.ts';
import { measurePatch } from './patch.ts';

const READY_AIM_SECONDS = 10;
const COLD_AIM_SECONDS = 60;
const WARM_AIM_SECONDS = 8;

/**
 * `pollMs` is shorter than the precision of the results. A start or a release that takes longer than `patienceMs` has failed.
 */
const POLLING: Polling = { pollMs: 25, patienceMs: 240_000 };

type Service = { client: Client; seconds: number; apiToken: string; stop(): Promise<void> };

/**
 * Runs `npm start` with this folder, and measures the time until /readyz answers 200. A second start prints no token, so the
 * caller passes the token of the first start.
 */
async function startService(data: string, known?: string): Promise<Service> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const begun = performance.now();
  const service = spawn(process.execPath, [join(import.meta.dirname, '..', 'src', 'bin', 'all-in-one.ts')], {
    env: { ...process.env, LARDER_DATA: data, LARDER_PORT: String(port), LARDER_LOG_LEVEL: 'error', CI: 'true' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    const token = known ?? (await printedToken(service));
    service.stdout.resume();
    await until('the start', POLLING, async () => {
      if (service.exitCode !== null) throw new Error(`Larder ended with ${service.exitCode}`);
      const ready = await fetch(`${url}/readyz`).catch(() => undefined);
      return ready?.status === 200 ? true : undefined;
    });
    const seconds = (performance.now() - begun) / 1000;
    return { client: openClient({ url, apiToken: token }), seconds, apiToken: token, stop: () => endService(service) };
  } catch (error) {
    await endService(service);
    throw error;
  }
}

async function endService(service: ChildProcess): Promise<void> {
  if (service.exitCode === null && service.kill('SIGTERM')) await once(service, 'exit');
}

/** Requests a product, waits for its release, and returns the number of seconds. */
async function requestProduct(client: Client, product_key: string): Promise<number> {
  const catalog_id = (await client.call('listCatalogs', {})).items[0]?.id ?? '';
  const offering = await until('an offering', POLLING, async () => {
    const { items } = await client.call('listOfferings', { product_key, packaging_types: ['CONTAINER_IMAGE'] });
    return items.find(({ operating_systems }) => operating_systems.some(({ name }) => /Debian/.test(name)));
  });
  const base = (await client.call('listBaseImages', {})).items.find(({ name }) => /Debian 12/.test(name));
  if (base === undefined) throw new Error('there is no base image Debian 12');
  const begun = performance.now();
  const request = await client.call('createApplicationRequest', {
    catalog_id,
    kind: 'CREATION',
    name: product_key,
    application_offering_ids: [offering.id],
    base_image_id: base.id,
  });
  await until(`the release of ${product_key}`, POLLING, async () => {
    const application_request_id = request.id;
    const { status } = await client.call('getApplicationRequest', { catalog_id, application_request_id });
    if (status === 'FAILED') throw new Error(`${product_key} could not be built`);
    return status === 'COMPLETED' ? true : undefined;
  });
  return (performance.now() - begun) / 1000;
}

/** Makes the data folder of a start. The account to which Larder switches must be able to enter the folder. */
async function inFolder<T>(act: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'larder-bench-start-'));
  chmodSync(folder, 0o755);
  try {
    return await act(folder);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function measureService(): Promise<{ first: number; second: number; cold: number; warm: number }> {
  return await inFolder(async (folder) => {
    const data = join(folder, 'data');
    const service = await startService(data);
    let cold: number;
    let warm: number;
    try {
      console.error(`first start: ready after ${service.seconds.toFixed(2)} s`);
      cold = await requestProduct(service.client, 'redis');
      console.error(`redis on a base that is not built: ${cold.toFixed(1)} s`);
      warm = await requestProduct(service.client, 'memcached');
      console.error(`memcached on a base that is built: ${warm.toFixed(1)} s`);
    } finally {
      await service.stop();
    }
    const again = await startService(data, service.apiToken);
    await again.stop();
    return { first: service.seconds, second: again.seconds, cold, warm };
  });
}

await prepareBench();
const { first, second, cold, warm } = await measureService();
const patch = await inFolder(measurePatch);
const row = (label: string, seconds: number) => console.log(`${label.padEnd(64)} ${seconds.toFixed(2).padStart(7)} s`);
row('start to /readyz 200, empty folder', first);
row('start to /readyz 200, again', second);
row('request to released redis image, no base image is built yet', cold);
row('request to released memcached image, its first one, base is built', warm);
row('libssl3 into an image, Larder from its lock, to the layer', patch.ours);
row('libssl3 into an image, apt in the same sandbox, to the layer', patch.apt);
row("Larder's solving, once for each state of the archive's indexes", patch.solve);
console.log('apt has the indexes and the .deb already and no network, so that neither side fetches; medians of five');
ratio('start to ready, first / the aim of 10 s', first / READY_AIM_SECONDS);
ratio('start to ready, again / the aim of 10 s', second / READY_AIM_SECONDS);
ratio('request to release with a cold base / the aim of 60 s', cold / COLD_AIM_SECONDS);
ratio('request to release with a warm base / the aim of 8 s', warm / WARM_AIM_SECONDS);
ratio('patched package, Larder / apt (aim 0.20)', patch.ours / patch.apt);
