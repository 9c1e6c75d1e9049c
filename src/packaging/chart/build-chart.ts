// build(plan) → artifact: builds one chart for each registry; its values name the images of that registry.
import { buffer } from 'node:stream/consumers';
import type { ContentStore } from '../../content/content.ts';
import { type ChartFiles, writeChartArchive } from '../../helm/chart-archive.ts';
import { ChartError } from '../../helm/chart-error.ts';
import { readChartYaml, writeChartYaml } from '../../helm/chart-yaml.ts';
import { formatImagesLock } from '../../helm/images-lock.ts';
import { CHART_MEDIA_TYPES, manifestAnnotations } from '../../helm/oci-chart.ts';
import { editValues } from '../../helm/values-images.ts';
import { type Descriptor, type Manifest, MEDIA_TYPES } from '../../oci/descriptor.ts';
import { once, putDocument } from '../../oci/manifest.ts';
import type { Artifact, Root } from '../../plan/artifact.ts';
import type { ChartPlan, ChartRegistry } from '../../plan/chart-plan.ts';
import { BuildError } from '../../sandbox/build-error.ts';
import { openBuildLog } from '../../sandbox/build-log.ts';
import type { BuildTools } from '../packaging.ts';
import { lockedImages, valuesOf } from './chart-images.ts';
import { customizeChart } from './customize-chart.ts';

const STEP = 'chart';

/** Builds the chart of each registry, with its customizations. The same plan and version give the same bytes. Throws BuildError. */
export async function buildChart(plan: ChartPlan, tools: BuildTools): Promise<Artifact> {
  const { version, signal } = tools;
  const { content } = tools.workspace;
  if (version === undefined) throw new Error(`The chart ${plan.chart.name} has no version to build`);
  const log = openBuildLog(tools.log);
  log.say(`chart ${plan.chart.name} ${version} of ${plan.product.name} ${plan.product.version}`);
  const sources = customizeChart(plan, await readSources(content, plan), { ...tools, log });
  const roots: Record<string, Root> = {};
  for (const [id, registry] of Object.entries(plan.registries)) {
    signal?.throwIfAborted();
    log.say(
      `for ${registry.host}: ${lockedImages(registry)
        .map(({ image }) => image)
        .join(', ')}`,
    );
    roots[id] = await writeChart(content, { plan, version, registry, sources });
  }
  log.say('finished');
  return {
    format: 1,
    packaging_type: plan.packaging_type,
    roots: { by_registry: roots },
    component_sources: [],
    reports: [],
  };
}

async function readSources(content: ContentStore, { chart }: ChartPlan): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const { path, digest } of chart.files) files.set(path, await buffer(await content.open(digest)));
  return files;
}

type ChartOf = { plan: ChartPlan; version: string; registry: ChartRegistry; sources: ChartFiles };

async function writeChart(content: ContentStore, chart: ChartOf): Promise<Root> {
  const { plan } = chart;
  const created = new Date(plan.epoch * 1000).toISOString().replace('.000Z', 'Z');
  const files = fillIn(chart, created);
  const metadata = readChartYaml(textOf(files, 'Chart.yaml'));
  const archive = await writeChartArchive(plan.chart.name, files, { epoch: plan.epoch });
  const stored = await content.put(once(archive));
  const layer: Descriptor = { mediaType: CHART_MEDIA_TYPES.layer, digest: stored.digest, size: stored.size };
  const config = await putDocument(content, CHART_MEDIA_TYPES.config, metadata);
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config,
    layers: [layer],
    annotations: manifestAnnotations(metadata, created),
  };
  const descriptor = await putDocument(content, MEDIA_TYPES.manifest, manifest);
  return { descriptor, content: layer, parts: [{ manifest: descriptor, blobs: [config, layer] }] };
}

/**
 * Returns the files of the chart for a registry, with the version and images filled in. Throws BuildError if Chart.yaml or values.yaml
 * cannot be filled in.
 */
function fillIn({ plan, version, registry, sources }: ChartOf, generated_at: string): ChartFiles {
  const images = lockedImages(registry);
  const chart = { name: plan.chart.name, version, appVersion: plan.product.version };
  try {
    const filled: [string, string][] = [
      ['Chart.yaml', writeChartYaml(textOf(sources, 'Chart.yaml'), { ...chart, images: images.map(nameAndImage) })],
      ['values.yaml', editValues(textOf(sources, 'values.yaml'), valuesOf(registry))],
      ['Images.lock', formatImagesLock({ chart, images, generated_at })],
    ];
    return new Map([...sources, ...filled.map(([path, text]) => [path, Buffer.from(text)] as const)]);
  } catch (cause) {
    if (!(cause instanceof ChartError)) throw cause;
    throw new BuildError(cause.message, { step: STEP, cause_kind: 'BUILD_ERROR', cause });
  }
}

function nameAndImage({ name, image }: { name: string; image: string }): { name: string; image: string } {
  return { name, image };
}

function textOf(files: ChartFiles, path: string): string {
  const bytes = files.get(path);
  if (bytes === undefined) throw new ChartError(path, 'is missing');
  return Buffer.from(bytes).toString('utf8');
}
