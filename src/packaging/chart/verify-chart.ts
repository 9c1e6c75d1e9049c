// Verifies a finished chart as a registry will serve it: compares the images that its files name, and renders it with helm.
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { parse } from 'yaml';
import type { ContentStore } from '../../content/content.ts';
import type { Digest } from '../../contract/vocabulary.ts';
import { readChartArchive } from '../../helm/chart-archive.ts';
import { readChartYaml } from '../../helm/chart-yaml.ts';
import { type Artifact, rootFor } from '../../plan/artifact.ts';
import type { ChartPlan, ChartRegistry } from '../../plan/chart-plan.ts';
import { ensureFolder } from '../../sandbox/workspace.ts';
import type { EngineTools } from '../packaging.ts';
import type { TestReport } from '../test-report.ts';
import { imageOverrides, lockedImages, valuesOf } from './chart-images.ts';
import { type ChartCheck, checkChart, type ValueSet } from './check-chart.ts';

/** A chart is rendered as it is installed when its user sets nothing. */
const DEFAULT_VALUES: ValueSet = { name: 'default values', yaml: '' };

/**
 * Reads back the chart of each registry, and renders it if its files are right: each with its default values, and the chart of the first
 * registry with the test values too. If this machine cannot render charts, the report says that the chart is not verified.
 */
export async function verifyChart(plan: ChartPlan, artifact: Artifact, tools: EngineTools): Promise<TestReport> {
  const tests: TestReport['tests'] = [];
  let not_verified: string | undefined;
  for (const [id, registry] of Object.entries(plan.registries)) {
    tools.signal?.throwIfAborted();
    const started = performance.now();
    const { digest } = rootFor(artifact, id).content;
    const fault = await findFault(tools.workspace.content, { plan, registry, digest });
    tests.push({
      name: `files for ${registry.host}`,
      passed: fault === undefined,
      duration_ms: Math.round(performance.now() - started),
      output: fault ?? '',
    });
    if (fault !== undefined) continue;
    // The charts of the registries have the same templates, and differ only in the references of images in their values.
    const isFirst = registry === Object.values(plan.registries)[0];
    const values = [DEFAULT_VALUES, ...(isFirst ? await readTestValues(plan, registry, tools.workspace.content) : [])];
    const check = await renderBuilt({ plan, registry, digest }, values, tools);
    if (check.rendered)
      tests.push(...check.report.tests.map((test) => ({ ...test, name: `${registry.host}: ${test.name}` })));
    else not_verified = `Not rendered: ${check.reason}`;
  }
  return { passed: tests.every(({ passed }) => passed), tests, ...(not_verified !== undefined && { not_verified }) };
}

/** Lints, renders and checks the chart of one registry. */
async function renderBuilt(
  { plan, registry, digest }: BuiltChart,
  values: ValueSet[],
  { workspace, signal }: EngineTools,
): Promise<ChartCheck> {
  const folder = ensureFolder(workspace, 'given', randomUUID());
  try {
    const chart = join(folder, `${plan.chart.name}.tgz`);
    await pipeline(await workspace.content.open(digest), createWriteStream(chart));
    const images = lockedImages(registry).map(({ image }) => image);
    return await checkChart({ chart, registry: registry.host, images, values }, { workspace, signal });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Returns the sets of test values. Each is rendered with the images of the release, even if it names others for them. A set counts on the
 * values that the author gave the chart: with those of a customization, it could contradict itself. So the values of a customization are
 * rendered once, as default values, and its templates with each set.
 */
async function readTestValues(
  { chart, customizations }: ChartPlan,
  registry: ChartRegistry,
  content: ContentStore,
): Promise<ValueSet[]> {
  const overrides = imageOverrides(registry);
  const read = async (digest: Digest) => (await buffer(await content.open(digest))).toString('utf8');
  const own = customizations.some(({ in_chart }) => in_chart)
    ? chart.files.find(({ path }) => path === 'values.yaml')
    : undefined;
  const authored = own && (await read(own.digest));
  const sets = (chart.test_values ?? []).map(async ({ path, digest }) => {
    return { name: basename(path, '.yaml'), ...(authored && { authored }), yaml: await read(digest), overrides };
  });
  return await Promise.all(sets);
}

type BuiltChart = { plan: ChartPlan; registry: ChartRegistry; digest: `sha256:${string}` };

async function findFault(content: ContentStore, { plan, registry, digest }: BuiltChart): Promise<string | undefined> {
  const files = await readChartArchive(plan.chart.name, await buffer(await content.open(digest)));
  const text = (path: string) => files.get(path)?.toString('utf8') ?? '';
  const lost = plan.chart.files.find(({ path }) => !files.has(path));
  if (lost !== undefined) return `${lost.path} is missing`;
  const values: unknown = parse(text('values.yaml'));
  const wrong = valuesOf(registry).find(({ place, value }) => valueAt(values, place) !== value);
  if (wrong !== undefined) return `values.yaml does not have ${wrong.value} at ${wrong.place.join('.')}`;
  const { annotations } = readChartYaml(text('Chart.yaml'));
  const lock = parse(text('Images.lock')) as { images: { image: string }[] };
  const expected = lockedImages(registry).map(({ image }) => image);
  for (const [file, images] of [
    ['Chart.yaml', parse(annotations?.['images'] ?? '[]')],
    ['Images.lock', lock.images],
  ] as const) {
    const named = (images as { image: string }[]).map(({ image }) => image);
    if (named.join() !== expected.join()) return `${file} names ${named.join(', ')} instead of ${expected.join(', ')}`;
  }
  return undefined;
}

function valueAt(values: unknown, place: readonly string[]): unknown {
  return place.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], values);
}
