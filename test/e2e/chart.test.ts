// The chart of Redis in the whole service. It is requested alone, built after its images, verified by the worker that has
// helm, and pulled and rendered by helm.
import { chmod, copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HELMS, renderChart, runHelm } from '../charts/helm.ts';
import { PATIENCE_MS, type Service, startTestService, startTestWorker, until } from '../service.ts';
import { requestRedisChart } from './request-chart.ts';

type Readiness = { checks: { workers: { alive: { helm: string | null; helm_reasons: string[] }[] } } };

const STORY_MS = 2 * PATIENCE_MS;
const [helm] = HELMS;

let service: Service;
let folder: string;
let withHelm: { stop(): Promise<void> } | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'larder-chart-story-'));
  // The service gives up root, and its account may not be able to enter the folder of the clients. So the client is copied.
  await chmod(folder, 0o755);
  const program = join(folder, 'helm');
  // The worker of the service has no helm. A second worker has helm.
  service = await startTestService({ LARDER_HELM: join(folder, 'none') });
  if (helm === undefined) return;
  await copyFile(helm.path, program);
  withHelm = await startTestWorker(service, { LARDER_HELM: program });
}, STORY_MS);
afterAll(async () => {
  await withHelm?.stop();
  await service?.stop();
  await rm(folder, { recursive: true, force: true });
}, STORY_MS);

test.skipIf(helm === undefined)(
  'a request for the chart releases its images and the chart, which helm pulls and renders (needs helm)',
  async () => {
    const { client, catalog_id, url, apiToken } = service;
    await requestRedisChart(service);
    const { items } = await client.call('listReleases', { catalog_id, expand_relationships: true });
    const chart = items.find(({ packaging_type }) => packaging_type === 'HELM_CHART');
    const [image, exporter] = ['redis', 'redis-exporter'].map((name) =>
      chart?.dependencies?.find(({ artifact }) => artifact.name === name),
    );
    expect(chart).toMatchObject({ verified: true, artifact: { version: '1.0.0' } });
    expect(image).toMatchObject({ packaging_type: 'CONTAINER_IMAGE', verified: true });
    expect(exporter).toMatchObject({ packaging_type: 'CONTAINER_IMAGE', verified: true });
    const applications = await client.call('listApplications', { catalog_id });
    expect(applications.items.map(({ packaging_type }) => packaging_type)).toEqual(['HELM_CHART']);
    const path = helm?.path ?? '';
    const { repository, name, version } = chart?.artifact ?? { repository: '', name: '', version: '' };
    const logIn = ['--username', 'x', '--password', apiToken, '--plain-http'];
    await runHelm(path, 'pull', `oci://${repository}/${name}`, '--version', version ?? '', '-d', folder, ...logIn);
    const withMetrics = ['--set', 'metrics.enabled=true'];
    const rendered = JSON.stringify(await renderChart(path, join(folder, `redis-${version}.tgz`), ...withMetrics));
    for (const needed of [image, exporter]) {
      const { url: tagged, repo_digest } = needed?.artifact ?? {};
      expect(rendered).toContain(`"image":"${tagged}@${repo_digest}"`);
      expect(tagged).toContain(new URL(url).host);
    }
  },
  STORY_MS,
);

test.skipIf(helm === undefined)(
  'a chart that no worker can render is released, and says that it is not verified',
  async () => {
    const { client, catalog_id } = service;
    await withHelm?.stop();
    withHelm = undefined;
    const { id: application_id = '' } = (await client.call('listApplications', { catalog_id })).items[0] ?? {};
    await client.call('rebuildApplication', { catalog_id, application_id, force: true });
    const release = await until('the chart is released again', async () => {
      const { items } = await client.call('listReleases', { catalog_id, expand_relationships: true });
      return items.find(({ artifact }) => artifact.version === '1.0.1');
    });
    expect(release).toMatchObject({ packaging_type: 'HELM_CHART', verified: false });
    const { pipeline_id = '' } = release;
    const { phases } = await client.call('getPipeline', { catalog_id, pipeline_id });
    expect(phases.find(({ type }) => type === 'VERIFICATION')?.status).toBe('SKIPPED');
    const { checks } = (await (await fetch(`${service.url}/readyz`)).json()) as Readiness;
    expect(checks.workers.alive).toMatchObject([
      { helm: null, helm_reasons: [expect.stringContaining('LARDER_HELM')] },
    ]);
  },
  STORY_MS,
);
