// The index of charts in the hosted registry and in docker-registry. crane reads it back. Also tests a registry that rejects
// it, and another program that writes it.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ChartDistribution, context, openChartDistribution } from '../../test/chart-distribution.ts';
import { CRANE } from '../../test/clients.ts';
import { getRegistry } from '../catalog/registries.ts';
import { recordRegistryHealth } from '../catalog/registry-checks.ts';
import { removeFromGraph } from '../pipelines/application-graph.ts';
import { giveUp } from './tasks.ts';
import { writeIndexOfRegistry } from './write-charts-index.ts';

const TEST_MS = 120_000;
const INDEX = 'team/charts-index';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const run = promisify(execFile);

let catalog: ChartDistribution;
let outside: string;
beforeEach(async () => {
  catalog = await openChartDistribution();
  outside = await catalog.addRegistry('outside');
});
afterEach(() => catalog.close());

type Index = { apiVersion: string; entries: Record<string, { versions: Record<string, unknown>[] }> };
type Held = { config: { mediaType: string }; layers: { mediaType: string; digest: string; annotations: object }[] };

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(`${catalog.docker.url}/v2/${INDEX}/${path}`, { headers: { accept: MANIFEST }, ...init });
}

async function readOutside(): Promise<{ digest: string | null; held: Held; index: Index }> {
  const answer = await ask('manifests/latest');
  const held = (await answer.json()) as Held;
  const index = (await (await ask(`blobs/${held.layers[0]?.digest}`)).json()) as Index;
  return { digest: answer.headers.get('docker-content-digest'), held, index };
}

const write = (registry_id: string) => writeIndexOfRegistry(catalog.resources, { registry_id }, context);
const faultOf = async (registry_id: string) =>
  (await getRegistry(catalog.db, catalog.acme.principal, { registry_id })).charts_index_fault;

async function releaseChart(registry_ids = [catalog.acme.registry_id, outside]) {
  const { chart, image } = await catalog.requestChart(registry_ids);
  await catalog.releaseImage(image);
  expect(await catalog.waiting('write-charts-index')).toEqual([]);
  await catalog.runChart(chart);
  return { chart, image };
}

describe('the index of charts', { timeout: TEST_MS }, () => {
  test('lists the released charts of each registry at its root, once for all releases that wait', async () => {
    const { chart } = await releaseChart();
    await catalog.wave(chart, { force: true });
    expect(await catalog.runChart(chart)).toMatchObject({ version: '1.0.1' });
    expect((await catalog.waiting('write-charts-index')).sort()).toEqual([catalog.acme.registry_id, outside].sort());
    await write(outside);
    const { held, index } = await readOutside();
    expect(held).toMatchObject({
      config: { mediaType: 'application/vnd.vmware.charts.index.config.v1+json' },
      layers: [
        {
          mediaType: 'application/vnd.vmware.charts.index.layer.v1+json',
          annotations: { 'org.opencontainers.image.title': 'charts-index.json' },
        },
      ],
    });
    expect(index).toEqual({ apiVersion: 'v1', entries: { 'charts/debian-12/redis': { versions: expect.any(Array) } } });
    const releases = (await catalog.releasesOf('HELM_CHART')).filter(({ registry }) => registry?.id === outside);
    expect(index.entries['charts/debian-12/redis']?.versions).toEqual(
      ['1.0.1', '1.0.0'].map((version) => {
        const release = releases.find(({ artifact }) => artifact.version === version);
        return {
          ...{ version, appVersion: '7.0.15', name: 'redis', urls: [release?.artifact.url] },
          ...{ digest: release?.artifact.repo_digest, releasedAt: release?.released_at },
        };
      }),
    );
  });

  test('is in the namespace of the organization in the hosted registry, and is not written again if nothing changed', async () => {
    const { chart } = await releaseChart();
    await write(catalog.acme.registry_id);
    const first = await catalog.hosted('acme/charts-index', 'latest');
    expect(first).toMatch(/^sha256:/);
    await write(catalog.acme.registry_id);
    expect(await catalog.hosted('acme/charts-index', 'latest')).toBe(first);
    await write(outside);
    const { digest } = await readOutside();
    catalog.proxy.fault = (request) => (request.method === 'PUT' ? { status: 500 } : undefined);
    await write(outside);
    catalog.proxy.fault = () => undefined;
    expect((await readOutside()).digest).toBe(digest);
    await catalog.wave(chart, { force: true });
    await catalog.runChart(chart);
    await Promise.all([
      write(catalog.acme.registry_id),
      write(catalog.acme.registry_id),
      write(outside),
      write(outside),
    ]);
    expect(await catalog.hosted('acme/charts-index', 'latest')).not.toBe(first);
    expect((await readOutside()).index.entries['charts/debian-12/redis']?.versions).toHaveLength(2);
  });

  test('keeps in the hosted registry only its newest two states, with their content', async () => {
    const { chart } = await releaseChart([catalog.acme.registry_id]);
    const { registry_id } = catalog.acme;
    const digests: (string | undefined)[] = [];
    for (let number = 0; number < 3; number++) {
      if (number > 0) {
        await catalog.wave(chart, { force: true });
        await catalog.runChart(chart);
      }
      await write(registry_id);
      digests.push(await catalog.hosted('acme/charts-index', 'latest'));
    }
    const { rows: held } = await catalog.resources.pool.query<{ digest: string; refers_to: string[] }>(
      `select m.digest, m.refers_to from repository_manifests m join repositories r on r.id = m.repository_id
       where r.name = 'acme/charts-index' order by m.created_at`,
    );
    expect(held.map(({ digest }) => digest)).toEqual(digests.slice(1));
    const { rows: uses } = await catalog.resources.pool.query<{ digest: string }>(
      `select u.digest from content_uses u join repositories r on r.id::text = u.id and u.kind = 'repository'
       where r.name = 'acme/charts-index'`,
    );
    const needed = new Set(held.flatMap(({ digest, refers_to }) => [digest, ...refers_to]));
    expect(uses.map(({ digest }) => digest).sort()).toEqual([...needed].sort());
    await write(registry_id);
    expect(await catalog.hosted('acme/charts-index', 'latest')).toBe(digests[2]);
  });

  test('keeps entries of other programs, replaces what is not an index, and drops removed applications', async () => {
    const { chart } = await releaseChart();
    await write(outside);
    const foreign = { versions: [{ version: '9.9.9', name: 'other' }] };
    await put(JSON.stringify({ apiVersion: 'v1', entries: { 'charts/other': foreign, 'charts/debian-12/redis': {} } }));
    await write(outside);
    const { entries } = (await readOutside()).index;
    expect(entries['charts/other']).toEqual(foreign);
    expect(entries['charts/debian-12/redis']?.versions).toHaveLength(1);
    await put('not JSON');
    await write(outside);
    expect(Object.keys((await readOutside()).index.entries)).toEqual(['charts/debian-12/redis']);
    await catalog.clearJobs();
    await catalog.write((tx) => removeFromGraph(tx, [chart], 'a person'));
    expect(await catalog.waiting('write-charts-index')).toContain(outside);
    await write(outside);
    expect((await readOutside()).index.entries).toEqual({});
  });

  test('does not lose a release if a registry rejects it: the fault is shown, and a healthy check repeats the job', async () => {
    await releaseChart();
    catalog.proxy.fault = (request) => (request.url?.includes('charts-index') ? { status: 403 } : undefined);
    await write(outside);
    expect(await faultOf(outside)).toContain('lets nobody push to team/charts-index');
    expect(await catalog.releasesOf('HELM_CHART')).toHaveLength(2);
    await catalog.clearJobs();
    await catalog.write((tx) => recordRegistryHealth(tx, { registry_id: outside }));
    expect(await catalog.waiting('write-charts-index')).toEqual([outside]);
    catalog.proxy.fault = () => ({ status: 503 });
    const error = await write(outside).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ temporary: true });
    await giveUp(catalog.resources, { task: 'write-charts-index', payload: { registry_id: outside } }, error);
    expect(await faultOf(outside)).toContain('it was tried several times');
    catalog.proxy.fault = () => undefined;
    await write(outside);
    expect(await faultOf(outside)).toBeUndefined();
    await catalog.clearJobs();
    await catalog.write((tx) => recordRegistryHealth(tx, { registry_id: outside }));
    expect(await catalog.waiting('write-charts-index')).toEqual([]);
  });

  test('is not written to a registry without charts, or one that was removed', async () => {
    await write(catalog.acme.registry_id);
    expect(await catalog.hosted('acme/charts-index', 'latest')).toBeUndefined();
    await releaseChart();
    await catalog.write((tx) =>
      tx.updateTable('registries').set({ removed_at: new Date() }).where('id', '=', outside).execute(),
    );
    await write(outside);
    expect((await ask('manifests/latest')).status).toBe(404);
  });

  test.skipIf(CRANE === undefined)('is read by crane (built by npm run clients)', async () => {
    await releaseChart();
    await write(outside);
    const { index, held } = await readOutside();
    const reference = `${catalog.docker.host}/${INDEX}`;
    const { stdout: manifest } = await run(CRANE ?? '', ['manifest', '--insecure', `${reference}:latest`]);
    expect(JSON.parse(manifest)).toEqual(held);
    const { stdout: blob } = await run(CRANE ?? '', ['blob', '--insecure', `${reference}@${held.layers[0]?.digest}`]);
    expect(JSON.parse(blob)).toEqual(index);
  });
});

/** Pushes an index with these bytes, as another program would. */
async function put(text: string): Promise<void> {
  const push = async (bytes: string): Promise<{ digest: string; size: number }> => {
    const digest = `sha256:${Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(bytes))).toString('hex')}`;
    const begun = await ask('blobs/uploads/', { method: 'POST' });
    const to = new URL(begun.headers.get('location') ?? '', catalog.docker.url);
    to.searchParams.set('digest', digest);
    const headers = { 'content-type': 'application/octet-stream' };
    const ended = await fetch(to, { method: 'PUT', body: bytes, headers });
    expect(ended.status).toBe(201);
    return { digest, size: bytes.length };
  };
  const config = { mediaType: 'application/vnd.vmware.charts.index.config.v1+json', ...(await push('{}')) };
  const layer = { mediaType: 'application/vnd.vmware.charts.index.layer.v1+json', ...(await push(text)) };
  const body = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers: [layer] });
  const answer = await ask('manifests/latest', { method: 'PUT', body, headers: { 'content-type': MANIFEST } });
  expect(answer.status).toBe(201);
}
