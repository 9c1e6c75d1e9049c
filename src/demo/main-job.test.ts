// The main job with the real API, in which the test advances the pipelines. Requests of an earlier run are found and not
// repeated.
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { catalogOver, type TestCatalog } from '../../test/catalog.ts';
import { libraryWithChart } from '../../test/chart-distribution.ts';
import { organizationOf } from '../../test/estate.ts';
import { loneChartRecipe } from '../../test/fixtures/chart-packaging.ts';
import { type Client, openClient } from '../client/client.ts';
import { recordDiscovery } from '../pipelines/discovery.ts';
import { failPhase } from '../pipelines/phases.ts';
import { runMainJob } from './main-job.ts';

const COMPANY = fileURLToPath(new URL('../../examples/company', import.meta.url));

let api: TestApi;
let catalog: TestCatalog;
let client: Client;
let said: string[];

beforeEach(async () => {
  api = await openTestApi();
  catalog = await catalogOver(api.database, (name) => organizationOf(api, name));
  await catalog.baseMoves('first');
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = api.app.server.address() as AddressInfo;
  client = openClient({ url: `http://127.0.0.1:${port}`, apiToken: api.acme.tokens.OWNER });
  said = [];
});
afterEach(() => api.close());

/** Runs the job. During the job, calls `work` for each open pipeline, like a worker. */
async function runWith(work: (pipelineId: string) => Promise<unknown>, { withChart = false } = {}) {
  let running = true;
  const job = runMainJob({ client, say: (line) => said.push(line), company: COMPANY, withChart }).finally(() => {
    running = false;
  });
  const worker = async () => {
    while (running) {
      const open = await catalog.db.selectFrom('pipelines').select('id').where('status', '=', 'IN_PROGRESS').execute();
      for (const { id } of open) await work(id);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const [done] = await Promise.all([job, worker()]);
  return done;
}

async function counts() {
  const { catalog_id } = api.acme;
  const requests = await client.call('listApplicationRequests', { catalog_id, request_type: 'add' });
  const customizations = await client.call('listCustomizations', { catalog_id });
  return [requests.total_size, customizations.total_size];
}

const fail = (pipeline_id: string) =>
  catalog.write((tx) =>
    failPhase(tx, { pipeline_id, phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'no such package' }),
  );

test('requests the missing applications, and a second run finds them', async () => {
  const { released } = await runWith(catalog.finish);
  expect(released.map(({ customized }) => customized)).toEqual([true, true, true]);
  expect(await counts()).toEqual([1, 1]);
  expect(said.join('\n')).toMatch(/Requesting .* redis +distribution +succeeded.*Adding.* redis +distribution/s);
  said = [];
  expect((await runWith(fail)).released).toEqual(released);
  expect(await counts()).toEqual([1, 1]);
  expect(said).toEqual([
    'In the catalog already: redis 7.0, nginx 1.22, postgresql 15.',
    'The customization «company» is in the catalog already.',
  ]);
});

test('requests the chart too if it is wanted, and waits for the chart with the customization', async () => {
  const recipe = await loneChartRecipe();
  await catalog.write((tx) => recordDiscovery(tx, libraryWithChart(recipe)));
  expect((await runWith(catalog.finish)).released).toHaveLength(3);
  expect(said.join('\n')).not.toContain('chart');
  said = [];
  const { released } = await runWith(catalog.finish, { withChart: true });
  const types = released.map(({ packaging_type }) => packaging_type);
  expect(types).toEqual(['CONTAINER_IMAGE', 'CONTAINER_IMAGE', 'CONTAINER_IMAGE', 'HELM_CHART']);
  expect(said.join('\n')).toMatch(
    /Requesting redis 7\.0 \(chart\) on Debian 12\..* redis chart +distribution +succeeded/s,
  );
  said = [];
  await runWith(catalog.finish, { withChart: true });
  expect(said[0]).toBe('In the catalog already: redis 7.0, nginx 1.22, postgresql 15, redis 7.0 (chart).');
});

test('waits for applications and a customization of an earlier run', async () => {
  await catalog.request(catalog.acme, ['redis', 'nginx']);
  await catalog.customize(catalog.acme, 'company');
  const { released } = await runWith(catalog.finish);
  expect(released).toHaveLength(3);
  // There are two requests and one customization. The test requested redis and nginx together, and the demonstration
  // requested only postgresql.
  expect(await counts()).toEqual([2, 1]);
  expect(said).toContain('In the catalog already: redis 7.0, nginx 1.22.');
  expect(said).toContain('Requesting postgresql 15 on Debian 12.');
});

test('follows a customization that is still being built', async () => {
  await runWith(catalog.finish);
  const [first] = (await client.call('listCustomizations', { catalog_id: api.acme.catalog_id })).items;
  await client.call('deleteCustomization', { catalog_id: api.acme.catalog_id, customization_id: first?.id ?? '' });
  await catalog.customize(catalog.acme, 'company');
  said = [];
  await runWith(catalog.finish);
  expect(said).toContain('The customization «company» of an earlier run is still being applied.');
  expect(await counts()).toEqual([1, 2]);
});

test('reports an application that failed, in this run or before, with the reason', async () => {
  await expect(runWith(fail)).rejects.toThrow('3 of 3 applications failed; the lines above say why.');
  said = [];
  await expect(runWith(catalog.finish)).rejects.toThrow('3 of 3 applications failed');
  expect(said).toContain('  redis 7.0: no such package');
  expect(await counts()).toEqual([1, 0]);
});

test('reports a customization that failed, in this run or before, with the remedy', async () => {
  const { request_id } = await catalog.request(catalog.acme, ['redis', 'nginx', 'postgresql']);
  await expect(
    runWith(async (id) => {
      const request = await client.call('getApplicationRequest', {
        catalog_id: api.acme.catalog_id,
        application_request_id: request_id,
      });
      return request.status === 'COMPLETED' ? await fail(id) : await catalog.finish(id);
    }),
  ).rejects.toThrow(/The customization «company» failed.*customizations delete [0-9a-f-]{36}/);
  said = [];
  await expect(runWith(catalog.finish)).rejects.toThrow('The customization «company» failed');
  expect(said).toContain('  redis 7.0: no such package');
  expect(await counts()).toEqual([1, 1]);
});
