// Checks a finished chart as a registry will serve it: reads its archive, and compares the images that its files name.
import { buffer } from 'node:stream/consumers';
import { parse } from 'yaml';
import type { ContentStore } from '../../content/content.ts';
import { readChartArchive } from '../../helm/chart-archive.ts';
import { readChartYaml } from '../../helm/chart-yaml.ts';
import { type Artifact, rootFor } from '../../plan/artifact.ts';
import type { ChartPlan, ChartRegistry } from '../../plan/chart-plan.ts';
import type { EngineTools } from '../packaging.ts';
import type { TestReport, TestResult } from '../test-report.ts';
import { lockedImages, valuesOf } from './chart-images.ts';

/** The report of every chart has this text: Larder does not render charts yet, so none counts as verified. */
const NOT_RENDERED =
  'Not rendered: this version of Larder checks the files of a chart, and does not render its templates.';

/** Reads back the chart of each registry. The report says that its templates were not rendered. */
export async function verifyChart(
  plan: ChartPlan,
  artifact: Artifact,
  { workspace, signal }: EngineTools,
): Promise<TestReport> {
  const tests: TestResult[] = [];
  for (const [id, registry] of Object.entries(plan.registries)) {
    signal?.throwIfAborted();
    const started = performance.now();
    const { content } = rootFor(artifact, id);
    const fault = await findFault(workspace.content, { plan, registry, digest: content.digest });
    tests.push({
      name: `files for ${registry.host}`,
      passed: fault === undefined,
      duration_ms: Math.round(performance.now() - started),
      output: fault ?? '',
    });
  }
  return { passed: tests.every(({ passed }) => passed), tests, not_verified: NOT_RENDERED };
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
