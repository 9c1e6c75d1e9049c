// The chart of Redis on the whole service: requested alone, built after its image, pulled and rendered by helm.
import { chmod, copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HELMS, renderChart, runHelm } from '../charts/helm.ts';
import { PATIENCE_MS, type Service, startTestService, until } from '../service.ts';

const STORY_MS = 2 * PATIENCE_MS;
const [helm] = HELMS;

let service: Service;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'larder-chart-story-'));
  // The service gives up root, and its account may not be able to enter the folder of the clients.
  await chmod(folder, 0o755);
  const program = join(folder, 'helm');
  if (helm !== undefined) await copyFile(helm.path, program);
  service = await startTestService(helm === undefined ? {} : { LARDER_HELM: program });
}, STORY_MS);
afterAll(async () => {
  await service?.stop();
  await rm(folder, { recursive: true, force: true });
}, STORY_MS);

test.skipIf(helm === undefined)(
  'a request for the chart releases its image and the chart, which helm pulls and renders (needs helm)',
  async () => {
    const { client, catalog_id, url, apiToken } = service;
    const base = (await client.call('listBaseImages', {})).items.find(({ name }) => name === 'Debian 12');
    const offerings = await client.call('listOfferings', {
      ...{ product_key: 'redis', operating_system_name: 'Debian 12' },
      packaging_types: ['HELM_CHART'],
    });
    const { id: application_request_id } = await client.call('createApplicationRequest', {
      ...{ catalog_id, kind: 'CREATION' as const, name: 'chart', base_image_id: base?.id ?? '' },
      application_offering_ids: offerings.items.map(({ id }) => id),
    });
    await until('the chart is released', async () => {
      const { status } = await client.call('getApplicationRequest', { catalog_id, application_request_id });
      if (status === 'FAILED') throw new Error(JSON.stringify(await client.call('listPipelines', { catalog_id })));
      return status === 'COMPLETED';
    });
    const { items } = await client.call('listReleases', { catalog_id, expand_relationships: true });
    const chart = items.find(({ packaging_type }) => packaging_type === 'HELM_CHART');
    const [image] = chart?.dependencies ?? [];
    expect(chart).toMatchObject({ verified: true, artifact: { version: '1.0.0' } });
    expect(image).toMatchObject({ packaging_type: 'CONTAINER_IMAGE', verified: true });
    const applications = await client.call('listApplications', { catalog_id });
    expect(applications.items.map(({ packaging_type }) => packaging_type)).toEqual(['HELM_CHART']);
    const path = helm?.path ?? '';
    const { repository, name, version } = chart?.artifact ?? { repository: '', name: '', version: '' };
    const logIn = ['--username', 'x', '--password', apiToken, '--plain-http'];
    await runHelm(path, 'pull', `oci://${repository}/${name}`, '--version', version ?? '', '-d', folder, ...logIn);
    const rendered = JSON.stringify(await renderChart(path, join(folder, `redis-${version}.tgz`)));
    const { url: tagged, repo_digest } = image?.artifact ?? {};
    expect(rendered).toContain(`"image":"${tagged}@${repo_digest}"`);
    expect(tagged).toContain(new URL(url).host);
  },
  STORY_MS,
);
