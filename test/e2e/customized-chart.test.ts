// A customization of the chart of Redis in the whole service. The chart is verified by helm, pulled and rendered, and listed
// in the index of charts.
import { chmod, copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HELMS, renderChart, runHelm } from '../charts/helm.ts';
import { archiveOf } from '../customization-archive.ts';
import { PATIENCE_MS, type Service, startTestService, until } from '../service.ts';
import { requestRedisChart } from './request-chart.ts';

const STORY_MS = 3 * PATIENCE_MS;
const [helm] = HELMS;

const COMPANY = {
  'customization.yaml': `chart:
  values:
    architecture: standalone
    company: {team: platform}
    master: {persistence: {size: 20Gi}}
  labels: {example.com/team: platform}
  annotations: {example.com/contact: platform@example.com}
`,
  'chart/templates/company.yaml': `apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "larder.metadata" (dict "root" . "name" (printf "%s-company" .Release.Name)) | nindent 2 }}
data:
  team: {{ .Values.company.team | quote }}
`,
};

let service: Service;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'larder-customized-story-'));
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

async function customize(): Promise<void> {
  const { client, catalog_id } = service;
  const file = await archiveOf(folder, COMPANY, 'company');
  const filter = { product_key: 'redis' };
  const { id: customization_id } = await client.call('createCustomization', {
    catalog_id,
    name: 'company',
    file,
    filter,
  });
  await until('the customization is applied', async () => {
    const one = await client.call('getCustomization', { catalog_id, customization_id });
    if (one.status === 'PROCESSING_CREATE_FAILED') throw new Error(JSON.stringify(one.failed_releases));
    return one.status === 'PROCESSING_CREATE_SUCCEEDED';
  });
}

async function readIndex(repository: string) {
  const { url, apiToken } = service;
  const headers = {
    authorization: `Basic ${Buffer.from(`x:${apiToken}`).toString('base64')}`,
    accept: 'application/vnd.oci.image.manifest.v1+json',
  };
  const held = await fetch(`${url}/v2/${repository}/manifests/latest`, { headers });
  if (held.status === 404) return undefined;
  const { layers } = (await held.json()) as { layers: { digest: string }[] };
  const blob = await fetch(`${url}/v2/${repository}/blobs/${layers[0]?.digest}`, { headers });
  return (await blob.json()) as { entries: Record<string, { versions: { version: string; urls: string[] }[] }> };
}

test.skipIf(helm === undefined)(
  'a customized chart is released without a new image, and helm renders its values, template and labels (needs helm)',
  async () => {
    await requestRedisChart(service);
    await customize();
    const { client, catalog_id, apiToken } = service;
    const { items } = await client.call('listReleases', { catalog_id });
    // The images of Redis and of its exporter.
    expect(items.filter(({ packaging_type }) => packaging_type === 'CONTAINER_IMAGE')).toHaveLength(2);
    const charts = items.filter(({ packaging_type }) => packaging_type === 'HELM_CHART');
    expect(charts.map(({ artifact }) => artifact.version).sort()).toEqual(['1.0.0', '1.0.1']);
    const chart = charts.find(({ artifact }) => artifact.version === '1.0.1');
    expect(chart).toMatchObject({ verified: true });
    const { repository = '', name = '' } = chart?.artifact ?? {};
    const logIn = ['--username', 'x', '--password', apiToken, '--plain-http'];
    const path = helm?.path ?? '';
    await runHelm(path, 'pull', `oci://${repository}/${name}`, '--version', '1.0.1', '-d', folder, ...logIn);
    const objects = await renderChart(path, join(folder, 'redis-1.0.1.tgz'));
    const extra = objects.find(({ metadata }) => metadata.name === 'shop-company');
    expect(extra).toMatchObject({ kind: 'ConfigMap', data: { team: 'platform' } });
    for (const { metadata } of objects) {
      expect(metadata.labels).toMatchObject({ 'example.com/team': 'platform' });
      expect(metadata.annotations).toMatchObject({ 'example.com/contact': 'platform@example.com' });
    }
    expect(objects.filter(({ kind }) => kind === 'StatefulSet')).toHaveLength(1);
    expect(JSON.stringify(objects)).toContain('"storage":"20Gi"');

    const inRegistry = repository.slice(repository.indexOf('/') + 1);
    const root = inRegistry.slice(0, inRegistry.indexOf('/charts/'));
    await until('the index lists both versions', async () => {
      const index = await readIndex(`${root}/charts-index`);
      const versions = index?.entries['charts/debian-12/redis']?.versions ?? [];
      return versions.map(({ version }) => version).join() === '1.0.1,1.0.0';
    });
  },
  STORY_MS,
);
