// Built charts with a real helm. They are pulled by tag from the hosted registry and from docker-registry, and rendered with
// the images of each registry.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { createEgress } from '../../src/egress/egress.ts';
import { contentTarget } from '../../src/oci/content-target.ts';
import { copyArtifact } from '../../src/oci/copy.ts';
import type { Manifest } from '../../src/oci/descriptor.ts';
import { openRegistry } from '../../src/oci/remote/remote-repository.ts';
import { chartPackaging } from '../../src/packaging/chart/chart-packaging.ts';
import { readDocument } from '../../src/packaging/image/image.ts';
import type { BuildTools } from '../../src/packaging/packaging.ts';
import { type Artifact, rootFor } from '../../src/plan/artifact.ts';
import type { ChartPlan } from '../../src/plan/chart-plan.ts';
import { storeRecipeFiles } from '../../src/recipes/recipe.ts';
import { hostedTarget } from '../../src/registry/target.ts';
import { exclusiveBy, keyedLocks } from '../../src/sandbox/exclusive.ts';
import { type DockerRegistry, startDockerRegistry } from '../docker-registry.ts';
import { sandboxMode } from '../fixtures/build.ts';
import { chartReleases, planRedisChart, redisChartRecipe } from '../fixtures/chart-packaging.ts';
import { noCache } from '../redis-builds.ts';
import { openTestRegistry, type TestRegistry } from '../registry.ts';
import { HELMS, renderChart, runHelm } from './helm.ts';

const PRODUCTS = join(import.meta.dirname, '../../products');
const VERSION = '1.0.17';
const REPOSITORY = 'charts/debian-12/redis';

let hosted: TestRegistry;
let docker: DockerRegistry;
let folder: string;
let plan: ChartPlan;
let artifact: Artifact;

const hosts = () => [new URL(hosted.url).host, docker.host];
const pathIn = (host: string) => (host === docker.host ? REPOSITORY : `acme/${REPOSITORY}`);

beforeAll(async () => {
  [hosted, docker] = await Promise.all([openTestRegistry(), startDockerRegistry()]);
  folder = await mkdtemp(join(tmpdir(), 'larder-helm-'));
  const recipe = await redisChartRecipe();
  await storeRecipeFiles(PRODUCTS, recipe, hosted.content);
  plan = await planRedisChart(chartReleases(...hosts()), { recipe });
  artifact = await buildChart();
  for (const host of hosts()) await push(host);
}, 60_000);
afterAll(async () => {
  await hosted?.close();
  await docker?.stop();
  await rm(folder, { recursive: true, force: true });
});

function tools(): BuildTools {
  const exclusive = exclusiveBy(keyedLocks());
  const workspace = { directory: folder, content: hosted.content, probe: sandboxMode, exclusive };
  return { workspace, log: { write: () => undefined }, layers: noCache, inspections: new Map(), names: new Map() };
}

async function buildChart(version = VERSION): Promise<Artifact> {
  return await chartPackaging.build(plan, { ...tools(), version });
}

/** Pushes like Larder, because clients cannot push to Larder's repositories in the hosted registry. */
async function push(host: string): Promise<void> {
  const { pool } = hosted.database;
  const egress = createEgress({ allow: ['127.0.0.1'] });
  const target =
    host === docker.host
      ? openRegistry({ url: docker.url, egress }).repository(REPOSITORY)
      : hostedTarget({ pool, content: hosted.content, organization_id: hosted.acme.id, repository: pathIn(host) });
  await copyArtifact(contentTarget(hosted.content), target, rootFor(artifact, host).descriptor, { tags: [VERSION] });
}

test('the same plan and version give the same chart, and another version gives another one', async () => {
  expect(await buildChart()).toEqual(artifact);
  const [host = ''] = hosts();
  expect(rootFor(await buildChart('1.0.18'), host).content.digest).not.toBe(rootFor(artifact, host).content.digest);
});

test('each registry gets a chart of its own, with the annotations that helm writes', async () => {
  const roots = hosts().map((host) => rootFor(artifact, host));
  expect(new Set(roots.map(({ content }) => content.digest)).size).toBe(2);
  for (const [index, root] of roots.entries()) {
    const manifest = await readDocument<Manifest>(hosted.content, root.descriptor.digest);
    expect(manifest.config.mediaType).toBe('application/vnd.cncf.helm.config.v1+json');
    expect(manifest.layers.map(({ mediaType }) => mediaType)).toEqual([
      'application/vnd.cncf.helm.chart.content.v1.tar+gzip',
    ]);
    expect(manifest.annotations).toMatchObject({
      'org.opencontainers.image.title': 'redis',
      'org.opencontainers.image.version': VERSION,
      'org.opencontainers.image.url': 'https://redis.io',
      images: expect.stringContaining(`image: ${hosts()[index]}/`),
    });
  }
});

test('a chart without a version is not built, and one whose values lost a place is rejected', async () => {
  await expect(chartPackaging.build(plan, tools())).rejects.toThrow('has no version to build');
  const moved = structuredClone(plan);
  for (const { images } of Object.values(moved.registries)) for (const image of images) image.place = ['gone'];
  await expect(chartPackaging.build(moved, { ...tools(), version: VERSION })).rejects.toThrow(
    'values.yaml has no text at gone.repository',
  );
});

test('the verification finds a chart that does not match its plan, and says that nothing was rendered', async () => {
  const good = await chartPackaging.verify(plan, artifact, tools());
  expect(good).toMatchObject({ passed: true, not_verified: expect.stringContaining('Not rendered') });
  const other = structuredClone(plan);
  for (const { images } of Object.values(other.registries)) for (const image of images) image.tag = 'other';
  const bad = await chartPackaging.verify(other, artifact, tools());
  expect(bad.passed).toBe(false);
  expect(bad.tests[0]?.output).toBe('values.yaml does not have other at image.tag');
});

describe.skipIf(HELMS.length === 0).each(HELMS)('$name (needs helm)', ({ name, path }) => {
  test.each([0, 1])('pulls the chart by tag from registry %i and renders its images', async (index) => {
    const host = hosts()[index] ?? '';
    const into = await mkdtemp(join(folder, 'pulled-'));
    const logIn = index === 0 ? ['--username', 'anyone', '--password', hosted.acme.tokens.VIEWER] : [];
    const reference = `oci://${host}/${pathIn(host)}`;
    await runHelm(path, 'pull', reference, '--version', VERSION, '--plain-http', '--untar', '-d', into, ...logIn);
    const chart = join(into, 'redis');
    const lint = await runHelm(path, 'lint', '--strict', chart);
    expect(lint).toContain('0 chart(s) failed');
    const { annotations, version, appVersion } = parse(await readFile(join(chart, 'Chart.yaml'), 'utf8'));
    expect([version, appVersion]).toEqual([VERSION, '7.0.15']);
    const named = (parse(annotations.images) as { image: string }[]).map(({ image }) => image);
    const lock = parse(await readFile(join(chart, 'Images.lock'), 'utf8'));
    expect(lock.images.map(({ image }: { image: string }) => image)).toEqual(named);
    const tags = ['redis:7.0.15-debian-12-r0', 'redis-exporter:1.45.0-debian-12-r0'];
    const prefix = `^${host}/team/containers/debian-12`;
    expect(named).toEqual(
      tags.map((tag) => expect.stringMatching(new RegExp(`${prefix}/${tag}@sha256:[0-9a-f]{64}$`))),
    );
    const everyImage = ['sentinel', 'volumePermissions', 'sysctl', 'metrics'].map((key) => `${key}.enabled=true`);
    for (const [values, expected] of [
      [[], named.slice(0, 1)],
      [['--set', everyImage.join(',')], named],
    ] as const) {
      const rendered = JSON.stringify(await renderChart(path, chart, ...values));
      const images = [...rendered.matchAll(/"image":"([^"]+)"/g)].map(([, image]) => image);
      expect([...new Set(images)].sort(), name).toEqual(expected.toSorted());
    }
    const mirrored = JSON.stringify(await renderChart(path, chart, '--set', 'global.imageRegistry=mirror.example.com'));
    expect(mirrored).toContain('"image":"mirror.example.com/team/containers/debian-12/redis:');
  });
});
