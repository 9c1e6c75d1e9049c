// Customizations of charts, from the upload to the release. Tests which applications they build, and what happens if a chart
// rejects a customization.
import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { archive } from '../../test/catalog.ts';
import { type ChartDistribution, openChartDistribution } from '../../test/chart-distribution.ts';
import { sampleInspection } from '../../test/stored-values.ts';
import { createCustomization, deleteCustomization, updateCustomization } from '../catalog/customization-changes.ts';
import { getCustomization } from '../catalog/customizations.ts';
import { getRelease } from '../catalog/releases.ts';
import type { Release } from '../contract/release.ts';
import { findCustomizationStack } from '../pipelines/customization-stack.ts';
import type { ChartParts, PartKind } from '../plan/chart-parts.ts';
import { writeListing } from '../tar/listing.ts';

let catalog: ChartDistribution;
beforeEach(async () => {
  catalog = await openChartDistribution();
});
afterEach(() => catalog.close());

async function uploaded(name: string, chart: Partial<ChartParts> | undefined, part_kinds: PartKind[]) {
  const parts = { values: {}, labels: {}, annotations: {}, templates: [], ...chart };
  const { digest: listing } = await catalog.resources.content.put(writeListing([]));
  return {
    ...archive(name),
    inspection: { ...sampleInspection(name), listing, part_kinds, ...(chart && { chart: parts }) },
  };
}

/** Uploads a customization for Redis. */
async function customize(
  name: string,
  chart: Partial<ChartParts> | undefined,
  part_kinds: PartKind[],
): Promise<string> {
  const { principal, catalog_id } = catalog.acme;
  const file = await uploaded(name, chart, part_kinds);
  const input = { catalog_id, name, filter: { product_key: 'redis' }, file };
  return (await catalog.write((tx) => createCustomization(tx, principal, input))).id;
}

async function statusOf(customization_id: string): Promise<string> {
  const { principal, catalog_id } = catalog.acme;
  return (await getCustomization(catalog.db, principal, { catalog_id, customization_id })).status;
}

async function reasonsOf(release: Release | undefined): Promise<string[]> {
  const { principal, catalog_id } = catalog.acme;
  const found = await getRelease(catalog.db, principal, {
    catalog_id,
    release_id: release?.id ?? '',
    expand_relationships: false,
  });
  const files = found.platform_release_metadata?.flatMap((one) => one.release_metadata) ?? [];
  const digest = `sha256:${files.find(({ mime_type }) => mime_type === 'trigger_info')?.id}` as const;
  return ((await json(await catalog.resources.content.open(digest))) as { reasons: string[] }).reasons;
}

test('a chart is changed by the parts of a customization for charts, and its image by the other parts', async () => {
  const { chart, image } = await catalog.requestChart();
  await catalog.releaseImage(image);
  await catalog.runChart(chart);
  const labelled = await customize('labels', { labels: { team: 'a' } }, ['CHART']);
  expect([await catalog.openPipelines(image), (await catalog.openPipelines(chart)).length]).toEqual([[], 1]);
  expect(await catalog.runChart(chart)).toMatchObject({ status: 'SUCCEEDED', version: '1.0.1' });
  const [newest] = await catalog.releasesOf('HELM_CHART');
  expect(await reasonsOf(newest)).toContain('Customization labels was applied in version 1.');
  expect(await catalog.releasesOf('CONTAINER_IMAGE')).toHaveLength(1);
  expect(await statusOf(labelled)).toBe('PROCESSING_CREATE_SUCCEEDED');

  // A customization with only files for images changes the chart only through its image.
  await customize('motd', undefined, ['IMAGE']);
  const [again = ''] = await catalog.openPipelines(image);
  const { customizations } = await findCustomizationStack(catalog.db, again);
  expect(customizations.map(({ name }) => name)).toEqual(['motd']);
  const [waiting = ''] = await catalog.openPipelines(chart);
  const ofChart = await findCustomizationStack(catalog.db, waiting);
  expect(ofChart.customizations.map(({ name }) => name)).toEqual(['labels']);
  await catalog.releaseImage(image);
  expect(await catalog.runChart(chart)).toMatchObject({ status: 'SUCCEEDED', version: '1.0.2' });

  await catalog.write((tx) =>
    deleteCustomization(tx, catalog.acme.principal, {
      catalog_id: catalog.acme.catalog_id,
      customization_id: labelled,
    }),
  );
  expect(await catalog.openPipelines(image)).toEqual([]);
  expect(await catalog.runChart(chart)).toMatchObject({ status: 'SUCCEEDED', version: '1.0.3' });
  expect(await statusOf(labelled)).toBe('PROCESSING_DELETE_SUCCEEDED');
});

test('a chart is released without a customization that cannot be applied to it, which is named', async () => {
  const { chart, image } = await catalog.requestChart();
  await catalog.releaseImage(image);
  await catalog.runChart(chart);
  const bad = await customize('bad', { templates: [{ path: 'services.yaml', text: 'a: b', defines: [] }] }, ['CHART']);
  const { status, phases } = await catalog.runChart(chart);
  expect(status).toBe('FAILED');
  expect(phases[0]?.failure).toMatchObject({
    error_message: expect.stringContaining('chart/templates/services.yaml has the name of a template of the chart'),
  });
  expect(await statusOf(bad)).toBe('PROCESSING_CREATE_FAILED');
  // Later waves build the chart without the rejected customization.
  await catalog.wave(chart, { force: true });
  expect(await catalog.runChart(chart)).toMatchObject({ status: 'SUCCEEDED', version: '1.0.2' });
});

test('a new version builds what the old or the new version changes', async () => {
  const { chart, image } = await catalog.requestChart();
  await catalog.releaseImage(image);
  await catalog.runChart(chart);
  const customization_id = await customize('both', { labels: { team: 'a' } }, ['IMAGE', 'CHART']);
  expect(await catalog.openPipelines(image)).toHaveLength(1);
  await catalog.releaseImage(image);
  await catalog.runChart(chart);
  const { principal, catalog_id } = catalog.acme;
  const file = await uploaded('chart alone', { labels: { team: 'b' } }, ['CHART']);
  await catalog.write((tx) => updateCustomization(tx, principal, { catalog_id, customization_id, file }));
  const [pipeline = ''] = await catalog.openPipelines(image);
  expect((await findCustomizationStack(catalog.db, pipeline)).customizations).toEqual([]);
  expect(await catalog.openPipelines(chart)).toHaveLength(1);
});
