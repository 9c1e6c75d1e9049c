// Charts with customizations: what a real helm renders from them, their order, and what fails the build.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { HELMS, renderChart, runHelm } from '../../../test/charts/helm.ts';
import type { KubernetesObject } from '../../../test/charts/object-rules.ts';
import { type TestWorkspace, testWorkspace } from '../../../test/fixtures/build.ts';
import { chartReleases, planRedisChart, redisChartRecipe } from '../../../test/fixtures/chart-packaging.ts';
import { inspect, yaml } from '../../../test/fixtures/customization.ts';
import { entry } from '../../../test/fixtures/tar.ts';
import { noCache } from '../../../test/redis-builds.ts';
import { digestOf, sampleInspection } from '../../../test/stored-values.ts';
import type { Inspection } from '../../customization/inspection.ts';
import { readChartArchive } from '../../helm/chart-archive.ts';
import { type Root, rootFor } from '../../plan/artifact.ts';
import type { ChartPlan } from '../../plan/chart-plan.ts';
import { storeRecipeFiles } from '../../recipes/recipe.ts';
import type { PlannedCustomization } from '../packaging.ts';
import { chartPackaging } from './chart-packaging.ts';

const PRODUCTS = new URL('../../../products/', import.meta.url).pathname;
const HOST = 'one.example.com';

let workspace: TestWorkspace;
let folder: string;
beforeAll(async () => {
  workspace = await testWorkspace();
  folder = await mkdtemp(join(tmpdir(), 'larder-customized-'));
  await storeRecipeFiles(PRODUCTS, await redisChartRecipe(), workspace.content);
});
afterAll(async () => {
  await workspace?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const template = (path: string, content: string) => entry(`chart/templates/${path}`, { content });

const CONFIG_MAP = `apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "larder.metadata" (dict "root" . "name" "company") | nindent 2 }}
data:
  team: {{ .Values.company.team | quote }}
`;

const COMPANY = () =>
  inspect([
    yaml(
      'chart:',
      '  values:',
      '    company: {team: platform}',
      '    master: {persistence: {size: 20Gi}, podAnnotations: {a: "yes"}}',
      '    architecture: standalone',
      '  labels: {example.com/team: platform, tier: first}',
      '  annotations: {example.com/note: "`all` {{ .Values }} of it"}',
    ),
    template('company.yaml', CONFIG_MAP),
    template(
      'company-list.yaml',
      '{{- range $n := until 2 }}\n---\n{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c{{ $n }}"}}\n{{- end }}\n',
    ),
  ]);

type Given = { id: string; inspection: Inspection; version?: number };

/** Plans the chart with these customizations, in their order. */
async function planWith(...given: Given[]): Promise<ChartPlan> {
  const customizations: PlannedCustomization[] = given.map(({ id, version = 1 }) => ({
    ...{ id, version, name: id, digest: digestOf(`archive ${id} ${version}`), epoch: 1 },
    inspection: sampleInspection(id),
  }));
  return await planRedisChart(chartReleases(HOST), { customizations });
}

async function build(plan: ChartPlan, ...given: Given[]): Promise<{ root: Root; log: string }> {
  const lines: string[] = [];
  const inspections = new Map(
    given.map(({ id, inspection, version = 1 }) => [digestOf(`archive ${id} ${version}`), inspection]),
  );
  const artifact = await chartPackaging.build(plan, {
    ...{
      workspace,
      log: { write: (bytes: Buffer) => void lines.push(bytes.toString()) },
      layers: noCache,
      inspections,
    },
    ...{ names: new Map(given.map(({ id }) => [id, id])), version: '1.0.3' },
  });
  return { root: rootFor(artifact, HOST), log: lines.join('') };
}

async function buildWith(...given: Given[]) {
  return await build(await planWith(...given), ...given);
}

async function fileIn({ content }: Root, path: string): Promise<string> {
  const files = await readChartArchive('redis', await buffer(await workspace.content.open(content.digest)));
  return files.get(path)?.toString('utf8') ?? '';
}

async function archiveOf({ content }: Root): Promise<string> {
  const file = join(folder, `${content.digest.slice(7)}.tgz`);
  await writeFile(file, await buffer(await workspace.content.open(content.digest)));
  return file;
}

/** The metadata of an object, and of the pods that it makes. */
function metadataOf(object: KubernetesObject): KubernetesObject['metadata'][] {
  const spec = object.spec as { template?: { metadata?: KubernetesObject['metadata'] } } | undefined;
  return [object.metadata, ...(spec?.template?.metadata ? [spec.template.metadata] : [])];
}

describe.skipIf(HELMS.length === 0).each(HELMS)('$name (needs helm)', ({ path }) => {
  test('renders the values and templates, and the labels and annotations on every object and pod', async () => {
    const { root, log } = await buildWith({ id: 'company', inspection: await COMPANY() });
    const file = await archiveOf(root);
    expect(await runHelm(path, 'lint', '--strict', file)).toContain('0 chart(s) failed');
    const objects = await renderChart(path, file, '--set', 'networkPolicy.enabled=true,rbac.create=true');
    expect(objects.filter(({ kind }) => kind === 'ConfigMap').map(({ metadata }) => metadata.name)).toEqual(
      expect.arrayContaining(['company', 'c0', 'c1']),
    );
    for (const metadata of objects.flatMap(metadataOf)) {
      expect(metadata.labels).toMatchObject({ 'example.com/team': 'platform', tier: 'first' });
      expect(metadata.annotations).toMatchObject({ 'example.com/note': '`all` {{ .Values }} of it' });
    }
    expect(
      objects.some(({ kind, metadata }) => kind === 'Pod' && metadata.annotations?.['helm.sh/hook'] === 'test'),
    ).toBe(true);
    const company = objects.find(({ metadata }) => metadata.name === 'company');
    expect(company).toMatchObject({
      data: { team: 'platform' },
      metadata: { labels: { 'app.kubernetes.io/name': 'redis' } },
    });
    const [workload, ...others] = objects.filter(({ kind }) => kind === 'StatefulSet');
    expect(others).toEqual([]);
    const text = JSON.stringify(workload);
    expect(text).toContain('"storage":"20Gi"');
    expect(JSON.stringify(workload?.spec?.['volumeClaimTemplates'])).not.toContain('example.com');
    expect(JSON.stringify(workload?.spec?.['selector'])).not.toContain('example.com');
    expect(text).toContain(`"image":"${HOST}/`);
    expect(log).toContain('company is not a value of this chart');
    expect(log).not.toContain('master.persistence.size is not a value');
  });

  test('changes nothing of an object but its labels and annotations', async () => {
    const labels = await inspect([yaml('chart: {labels: {tier: first}, annotations: {note: x}}')]);
    const plain = await renderChart(path, await archiveOf((await buildWith()).root), '--set', 'auth.password=x');
    const marked = await renderChart(
      path,
      await archiveOf((await buildWith({ id: 'a', inspection: labels })).root),
      ...['--set', 'auth.password=x'],
    );
    for (const object of marked) {
      for (const metadata of metadataOf(object)) {
        expect([metadata.labels?.['tier'], metadata.annotations?.['note']]).toEqual(['first', 'x']);
        delete metadata.labels?.['tier'];
        delete metadata.annotations?.['note'];
        if (Object.keys(metadata.annotations ?? {}).length === 0) delete metadata.annotations;
      }
    }
    const withoutChecksums = (objects: unknown) =>
      JSON.parse(JSON.stringify(objects).replace(/"checksum\/[^,}]*,?/g, ''));
    expect(withoutChecksums(marked)).toEqual(withoutChecksums(plain));
  });

  test('of two customizations, takes the value, label and template of the later one', async () => {
    const first = await COMPANY();
    const second = await inspect([
      yaml('chart:', '  values: {company: {team: data}}', '  labels: {tier: second}'),
      template('company.yaml', CONFIG_MAP.replace('team:', 'group:')),
    ]);
    const { root } = await buildWith({ id: 'first', inspection: first }, { id: 'second', inspection: second });
    const objects = await renderChart(path, await archiveOf(root));
    const company = objects.find(({ metadata }) => metadata.name === 'company');
    expect(company).toMatchObject({
      data: { group: 'data' },
      metadata: { labels: { tier: 'second', 'example.com/team': 'platform' } },
    });
  });
});

test('the same customizations give the same archive, and a chart without any is unchanged', async () => {
  const inspection = await COMPANY();
  const once = await buildWith({ id: 'company', inspection });
  const twice = await buildWith({ id: 'company', inspection: JSON.parse(JSON.stringify(inspection)) });
  expect(twice.root).toEqual(once.root);
  const plain = await buildWith();
  expect(plain.root.content.digest).not.toBe(once.root.content.digest);
  // A customization of the image alone is in the plan, and not in the files.
  expect((await planWith()).customizations).toHaveLength(1);
});

test.each([
  [
    'a template of the chart',
    [template('services.yaml', 'a: b')],
    /^chart\/templates\/services\.yaml has the name of a template of the chart/,
  ],
  [
    'a name of the library chart',
    [template('_a.tpl', '{{ define "larder.labels" }}{{ end }}')],
    /defines larder\.labels, which charts\/common\/templates\/_labels\.tpl/,
  ],
])('%s in a customization fails the build', async (_, entries, message) => {
  const inspection = await inspect(entries);
  await expect(buildWith({ id: 'bad', inspection, version: 3 })).rejects.toMatchObject({
    ...{ cause_kind: 'CUSTOMIZATION_BUILD_ERROR', customization: { id: 'bad', version: 3 } },
    message: expect.stringMatching(message),
  });
});

test('a customization may set the other values of an image, and remove values', async () => {
  const inspection = await inspect([yaml('chart: {values: {image: {pullPolicy: Always}, networkPolicy: null}}')]);
  const { root } = await buildWith({ id: 'company', inspection });
  const before = parse(await fileIn((await buildWith()).root, 'values.yaml'));
  expect(parse(await fileIn(root, 'values.yaml'))).toEqual({
    ...before,
    ...{ image: { ...before.image, pullPolicy: 'Always' }, networkPolicy: null },
  });
});

test('values that reach an image of the chart by a name that the inspection does not know fail the build', async () => {
  const inspection = await inspect([yaml('chart: {values: {engine: {tag: old}}}')]);
  const given = { id: 'bad', inspection };
  const moved = structuredClone(await planWith(given));
  for (const { images } of Object.values(moved.registries)) for (const image of images) image.place = ['engine'];
  await expect(build(moved, given)).rejects.toThrow('chart.values.engine changes an image');
  for (const image of Object.values(moved.registries).flatMap(({ images }) => images))
    image.place = ['engine', 'tag', 'deep'];
  await expect(build(moved, given)).rejects.toThrow('chart.values.engine.tag.deep changes an image');
});

test('two customizations that define one name in different files fail the build', async () => {
  const define = '{{ define "company.x" }}{{ end }}';
  const first = await inspect([template('_a.tpl', define)]);
  const second = await inspect([template('_b.tpl', define)]);
  const built = buildWith({ id: 'first', inspection: first }, { id: 'second', inspection: second });
  await expect(built).rejects.toMatchObject({
    customization: { id: 'second' },
    message: expect.stringContaining('company.x, which chart/templates/_a.tpl of another customization defines too'),
  });
  const same = await inspect([template('_a.tpl', `${define}{{/* newer */}}`)]);
  const { root } = await buildWith({ id: 'first', inspection: first }, { id: 'same', inspection: same });
  expect(await fileIn(root, 'templates/_a.tpl')).toContain('newer');
});
