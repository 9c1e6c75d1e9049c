// A chart from its request to its releases: its versions, the images that it contains, changes that do not rebuild it, and
// unavailable registries.
import { json } from 'node:stream/consumers';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ChartDistribution, context, openChartDistribution } from '../../test/chart-distribution.ts';
import type { Release } from '../contract/release.ts';
import { readChartArchive } from '../helm/chart-archive.ts';
import { type Manifest, MEDIA_TYPES } from '../oci/descriptor.ts';
import { failPhase } from '../pipelines/phases.ts';
import { distributePipeline } from './distribute-pipeline.ts';
import { packagePipeline } from './package-pipeline.ts';
import { planPipeline } from './plan-pipeline.ts';
import { verifyPipeline } from './verify-pipeline.ts';

const TEST_MS = 120_000;

let catalog: ChartDistribution;
let outside: string;
beforeEach(async () => {
  catalog = await openChartDistribution();
  outside = await catalog.addRegistry('outside');
});
afterEach(() => catalog.close());

async function triggerInfo(release: Release | undefined): Promise<{ reasons: string[] }> {
  const files = release?.platform_release_metadata?.flatMap((one) => one.release_metadata) ?? [];
  const file = files.find(({ mime_type }) => mime_type === 'trigger_info');
  const digest = `sha256:${file?.id}` as const;
  return (await json(await catalog.resources.content.open(digest))) as { reasons: string[] };
}

describe('a chart', { timeout: TEST_MS }, () => {
  test('is released with the image of its wave, in its own repository and version, and says that it was not rendered', async () => {
    const { chart, image } = await catalog.requestChart();
    expect(await catalog.waiting('plan-pipeline')).toEqual(await catalog.openPipelines(image));
    await catalog.releaseImage(image);
    const ended = await catalog.runChart(chart);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', version: '1.0.0', product_version: '7.0.15', revision: '0' });
    expect(ended.phases.map(({ status }) => status)).toEqual(['SUCCEEDED', 'SKIPPED', 'SUCCEEDED']);
    const [release, ...more] = await catalog.releasesOf('HELM_CHART');
    expect(more).toEqual([]);
    const [pulled] = await catalog.releasesOf('CONTAINER_IMAGE');
    expect(release).toMatchObject({
      ...{ version: '7.0.15', revision: '0', verified: false, platforms: [] },
      artifact: {
        ...{ name: 'redis', version: '1.0.0', repository: '127.0.0.1:8080/acme/charts/debian-12' },
        url: '127.0.0.1:8080/acme/charts/debian-12/redis:1.0.0',
      },
    });
    expect(release?.dependencies?.map(({ id }) => id)).toEqual([pulled?.id]);
    expect(pulled?.dependants?.map(({ id }) => id)).toEqual([release?.id]);
    expect(await catalog.hosted('acme/charts/debian-12/redis', '1.0.0')).toBe(release?.artifact.repo_digest);
    expect((await triggerInfo(release)).reasons).toContain('The image of redis 7.0.15-debian-12-r0 was added.');
  });

  test('is not released again if nothing changed, and gets the next version if it is forced', async () => {
    const { chart, image } = await catalog.requestChart();
    await catalog.releaseImage(image);
    await catalog.runChart(chart);
    await catalog.wave(chart);
    const unchanged = await catalog.runChart(chart);
    expect(unchanged).toMatchObject({ status: 'SUCCEEDED', version: '1.0.0', product_version: '7.0.15' });
    expect(unchanged.phases.map(({ status }) => status)).toEqual(['SUCCEEDED', 'SKIPPED', 'SKIPPED']);
    expect(await catalog.releasesOf('HELM_CHART')).toHaveLength(1);
    await catalog.wave(chart, { force: true });
    expect(await catalog.runChart(chart)).toMatchObject({ status: 'SUCCEEDED', version: '1.0.1', revision: '1' });
    const found = await catalog.releasesOf('HELM_CHART');
    expect(found.map(({ artifact }) => artifact.version).sort()).toEqual(['1.0.0', '1.0.1']);
    expect(new Set(found.map(({ artifact }) => artifact.content_digest)).size).toBe(2);
  });

  test('is released once more, in the same wave, when the base of its image moves', async () => {
    const { chart, image } = await catalog.requestChart();
    await catalog.releaseImage(image);
    await catalog.runChart(chart);
    await catalog.moveBase('second');
    const waves = await catalog.db.selectFrom('waves').selectAll().where('cause', '=', 'BASE_IMAGE').execute();
    expect(waves).toHaveLength(1);
    await catalog.releaseImage(image);
    const ended = await catalog.runChart(chart);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', version: '1.0.1' });
    const served = await catalog.db
      .selectFrom('wave_pipelines')
      .selectAll()
      .where('pipeline_id', '=', ended.id)
      .execute();
    expect(served.map(({ wave_id }) => wave_id)).toContain(waves[0]?.id);
    const [newest] = await catalog.releasesOf('HELM_CHART');
    expect((await triggerInfo(newest)).reasons).toEqual(
      expect.arrayContaining(['The image of redis changed from 7.0.15-debian-12-r0 to 7.0.15-debian-12-r1.']),
    );
  });

  test('is built with the latest release of an image whose pipeline failed, and says so', async () => {
    const { chart, image } = await catalog.requestChart();
    await catalog.releaseImage(image);
    await catalog.runChart(chart);
    await catalog.wave(image);
    const [failed = ''] = await catalog.openPipelines(image);
    const fault = { phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'broken' } as const;
    await catalog.write((tx) => failPhase(tx, { pipeline_id: failed, ...fault }));
    await sql`update pipelines set force = true where application_id = ${chart} and status = 'IN_PROGRESS'`.execute(
      catalog.db,
    );
    expect(await catalog.runChart(chart)).toMatchObject({ status: 'SUCCEEDED', version: '1.0.1' });
    const [newest] = await catalog.releasesOf('HELM_CHART');
    expect((await triggerInfo(newest)).reasons).toContain(
      `The pipeline ${failed} of redis 7.0 is FAILED: the latest release of it is used.`,
    );
  });

  test('whose image was never released is not built', async () => {
    const { chart, image } = await catalog.requestChart();
    const [failed = ''] = await catalog.openPipelines(image);
    const fault = { phase: 'PACKAGING', cause: 'BUILD_ERROR', message: 'broken' } as const;
    await catalog.write((tx) => failPhase(tx, { pipeline_id: failed, ...fault }));
    const [pipeline_id = ''] = await catalog.openPipelines(chart);
    await planPipeline(catalog.resources, { pipeline_id }, context);
    const ended = await catalog.pipeline(pipeline_id);
    expect(ended.status).toBe('CANCELLED');
    expect(ended.phases[0]?.failure?.error_message).toContain('redis 7.0');
  });

  test('names in each registry the image there', async () => {
    const { chart, image } = await catalog.requestChart([catalog.acme.registry_id, outside]);
    await catalog.releaseImage(image);
    expect(await catalog.runChart(chart)).toMatchObject({ status: 'SUCCEEDED', version: '1.0.0' });
    const found = await catalog.releasesOf('HELM_CHART');
    expect(new Set(found.map(({ artifact }) => artifact.content_digest)).size).toBe(2);
    for (const release of found) {
      expect(release.dependencies?.map(({ registry }) => registry?.id)).toEqual([release.registry?.id]);
    }
    const answer = await fetch(`${catalog.docker.url}/v2/team/charts/debian-12/redis/tags/list`);
    const { tags } = (await answer.json()) as { tags: string[] };
    // All other tags belong to signatures.
    expect(tags.filter((tag) => !tag.startsWith('sha256-'))).toEqual(['1.0.0']);
    expect(tags.filter((tag) => tag.endsWith('.sig'))).toHaveLength(1);
  });

  test('is released to the organization for charts of a registry, and names the images in that for images', async () => {
    const organization_id = catalog.acme.principal.organization_id;
    const hub = { name: 'hub', url: `${catalog.proxy.url}/acme`, provider: 'DOCKERHUB', organization_id } as const;
    const { id } = await catalog.write((tx) =>
      tx
        .insertInto('registries')
        .values({ ...hub, charts_organization: 'acme-charts' })
        .returning('id')
        .executeTakeFirstOrThrow(),
    );
    const { chart, image } = await catalog.requestChart([id]);
    await catalog.releaseImage(image);
    expect(await catalog.runChart(chart)).toMatchObject({ status: 'SUCCEEDED', version: '1.0.0' });
    const [release] = await catalog.releasesOf('HELM_CHART');
    const host = new URL(catalog.proxy.url).host;
    expect(release?.artifact.url).toBe(`${host}/acme-charts/charts--debian-12--redis:1.0.0`);
    const [pulled] = release?.dependencies ?? [];
    expect(pulled?.artifact?.url).toContain(`${host}/acme/containers--debian-12--redis:`);
    const at = `${catalog.docker.url}/v2/acme-charts/charts--debian-12--redis`;
    const manifest = await fetch(`${at}/manifests/1.0.0`, { headers: { accept: MEDIA_TYPES.manifest } });
    const { layers } = (await manifest.json()) as Manifest;
    const archive = Buffer.from(await (await fetch(`${at}/blobs/${layers[0]?.digest}`)).arrayBuffer());
    const values = (await readChartArchive('redis', archive)).get('values.yaml')?.toString();
    expect(values).toContain('"acme/containers--debian-12--redis"');
    expect((await fetch(`${catalog.docker.url}/v2/acme/charts--debian-12--redis/tags/list`)).status).toBe(404);
  });

  test('is sent without a lookup of blobs, and its referrers without their common config', async () => {
    const { chart, image } = await catalog.requestChart([catalog.acme.registry_id, outside]);
    await catalog.releaseImage(image);
    await catalog.runChart(chart);
    await catalog.wave(chart, { force: true });
    const from = catalog.proxy.seen.length;
    expect(await catalog.runChart(chart)).toMatchObject({ status: 'SUCCEEDED', version: '1.0.1' });
    const seen = catalog.proxy.seen.slice(from).filter((line) => line.includes('/charts/debian-12/'));
    expect(seen.filter((line) => /^HEAD .*\/blobs\//.test(line))).toEqual([]);
    // Config and archive of the chart, its bundle, and payload and config of the older form of its signature.
    expect(seen.filter((line) => line.startsWith('POST '))).toHaveLength(5);
  });

  test('waits for a registry that lacks its image, and follows when the image comes there', async () => {
    catalog.proxy.fault = () => ({ status: 503 });
    const { chart, image } = await catalog.requestChart([catalog.acme.registry_id, outside]);
    const pipeline_id = await catalog.releaseImage(image);
    const waiting = await catalog.runChart(chart);
    expect(waiting.distributions).toEqual([
      expect.objectContaining({ registry_name: 'Hosted registry', status: 'RELEASED' }),
      expect.objectContaining({
        ...{ registry_name: 'outside', status: 'WAITING' },
        cause: 'The registry outside does not have a release yet that this release needs.',
      }),
    ]);
    catalog.proxy.fault = () => undefined;
    await distributePipeline(catalog.resources, { pipeline_id }, context);
    expect((await catalog.pipeline(pipeline_id)).status).toBe('SUCCEEDED');
    const [late] = await catalog.db.selectFrom('waves').selectAll().where('cause', '=', 'LATE_RELEASE').execute();
    const followed = await catalog.runChart(chart);
    expect(followed).toMatchObject({ status: 'SUCCEEDED', version: '1.0.1', wave_id: late?.id });
    expect((await catalog.pipeline(waiting.id)).status).toBe('SUCCEEDED');
    const places = (await catalog.releasesOf('HELM_CHART')).map(({ registry, artifact }) => [
      registry?.name,
      artifact.version,
    ]);
    expect(places.sort()).toEqual([
      ['Hosted registry', '1.0.0'],
      ['Hosted registry', '1.0.1'],
      ['outside', '1.0.1'],
    ]);
  });

  test('whose version is taken by an artifact of somebody else fails, and its retry takes the next version', async () => {
    const { chart, image } = await catalog.requestChart([catalog.acme.registry_id, outside]);
    await catalog.releaseImage(image);
    const [pipeline_id = ''] = await catalog.openPipelines(chart);
    for (const phase of [planPipeline, packagePipeline, verifyPipeline]) {
      await phase(catalog.resources, { pipeline_id }, context);
    }
    const manifest = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] };
    const put = await fetch(`${catalog.docker.url}/v2/team/charts/debian-12/redis/manifests/1.0.0`, {
      method: 'PUT',
      headers: { 'content-type': manifest.mediaType },
      body: JSON.stringify(manifest),
    });
    expect(put.status).toBe(201);
    await distributePipeline(catalog.resources, { pipeline_id }, context);
    const failed = await catalog.pipeline(pipeline_id);
    expect(failed.phases.at(-1)?.failure?.error_message).toMatch(
      /\/team\/charts\/debian-12\/redis:1\.0\.0 names another artifact, which Larder did not push: retry the pipeline/,
    );
    await catalog.wave(chart);
    expect(await catalog.runChart(chart)).toMatchObject({ status: 'SUCCEEDED', version: '1.0.1' });
  });
});
