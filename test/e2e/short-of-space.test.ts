// A whole Larder on a disk that fills up. With less than five per cent free space, Larder rejects uploads and does not start
// builds. The rejection and the waiting build give the reason. When five per cent are free again, uploads and builds
// continue.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Client, openClient } from '../../src/client/client.ts';
import { ProblemError } from '../../src/client/problem-error.ts';
import { archiveOf } from '../customization-archive.ts';
import { endEntrances, type StartedEntrance, startEntrance } from '../entrance.ts';
import { until } from '../service.ts';

const STORY_MS = 420_000;

let scratch: string;
let service: StartedEntrance;
let client: Client;
let apiToken: string;
let catalog_id: string;

function leaveFree(share: number): void {
  writeFileSync(join(scratch, 'share'), String(share));
}

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'larder-space-'));
  // Everybody can read the folder, because Larder reads it as another account if it is started as root.
  chmodSync(scratch, 0o755);
  leaveFree(0.5);
  const NODE_OPTIONS = `--import=${new URL('../free-share.ts', import.meta.url).href}`;
  const env = { NODE_OPTIONS, TEST_FREE_SHARE: join(scratch, 'share'), LARDER_LOG_LEVEL: 'info' };
  service = await startEntrance('all-in-one', { env });
  await service.ready();
  apiToken = /^API token: (\S+)$/m.exec(service.said())?.[1] ?? '';
  client = openClient({ url: service.url, apiToken });
  catalog_id = (await client.call('listCatalogs', {})).items[0]?.id ?? '';
}, STORY_MS);
afterAll(async () => {
  await endEntrances();
  rmSync(scratch, { recursive: true, force: true });
}, STORY_MS);

async function content(): Promise<unknown> {
  const answer = await fetch(`${service.url}/readyz`);
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { checks: { content: unknown } }).checks.content;
}

/** Uploads a customization for a base image without applications. It is accepted, and nothing is built for it. */
async function upload(): Promise<number> {
  const file = await archiveOf(scratch, { 'rootfs/etc/motd': 'hello\n' }, `company-${Math.random()}`);
  const { items } = await client.call('listBaseImages', {});
  const filter = { base_image_id: items.find(({ name }) => name === 'Debian 13')?.id ?? '' };
  return await client.call('createCustomization', { catalog_id, name: 'company', file, filter }).then(
    () => 201,
    (error) => (error instanceof ProblemError ? error.problem.status : -1),
  );
}

async function push(): Promise<number> {
  const authorization = `Basic ${Buffer.from(`x:${apiToken}`).toString('base64')}`;
  const url = `${service.url}/v2/main/own/redis/blobs/uploads/`;
  return (await fetch(url, { method: 'POST', headers: { authorization } })).status;
}

async function request(key: string): Promise<string> {
  const base = (await client.call('listBaseImages', {})).items.find(({ name }) => name === 'Debian 12');
  const { items } = await client.call('listOfferings', {
    operating_system_name: 'Debian 12',
    packaging_types: ['CONTAINER_IMAGE'],
    page_size: 100,
  });
  const application_offering_ids = items.filter(({ product }) => product.key === key).map(({ id }) => id);
  const request = { kind: 'CREATION' as const, name: key, application_offering_ids, base_image_id: base?.id ?? '' };
  return (await client.call('createApplicationRequest', { catalog_id, ...request })).id;
}

async function completed(application_request_id: string): Promise<void> {
  await until('the request is completed', async () => {
    const { status } = await client.call('getApplicationRequest', { catalog_id, application_request_id });
    if (status === 'FAILED') throw new Error('The request failed');
    return status === 'COMPLETED';
  });
}

test('with free space, uploads are accepted and applications are built', { timeout: STORY_MS }, async () => {
  expect(await content()).toEqual({ ok: true, free_percent: 50, has_room: true });
  expect([await upload(), await push()]).toEqual([201, 202]);
  await completed(await request('redis'));
});

test('just below five per cent, uploads get 503, and a build waits and logs the reason', {
  timeout: STORY_MS,
}, async () => {
  leaveFree(0.0499);
  expect(await content()).toEqual({ ok: true, free_percent: 4.9, has_room: false });
  expect(await upload()).toBe(503);
  // The registry measures the free space every second.
  await until('the registry takes nothing', async () => (await push()) === 503);
  await request('memcached');
  await service.says(/the content store's disk has 4\.9 % left; builds wait until it has 5 %/);
  const { items } = await client.call('listPipelines', { catalog_id, page_size: 100 });
  const phases = items.filter(({ product }) => product.key === 'memcached').flatMap((one) => one.phases);
  expect(phases.map(({ status }) => status)).toEqual(['PENDING', 'PENDING', 'PENDING']);
});

test('at five per cent, uploads and builds continue', { timeout: STORY_MS }, async () => {
  leaveFree(0.05);
  expect(await content()).toEqual({ ok: true, free_percent: 5, has_room: true });
  expect(await upload()).toBe(201);
  await until('the registry takes content', async () => (await push()) === 202);
  await until('the image is released', async () => {
    const { items } = await client.call('listReleases', { catalog_id, page_size: 100 });
    return items.some(({ artifact }) => artifact.url?.includes('memcached'));
  });
});
