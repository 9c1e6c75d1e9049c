// Charts of the library: the values that a recipe reads from them, and every fault with its file.
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { memoryContent } from '../content/memory.ts';
import { loadChart } from './chart.ts';
import { loadRecipes, recipeContents, recipeDigest, storeRecipeFiles } from './recipe.ts';

const IMAGE = '  registry: ""\n  repository: "containers/debian-13/cache"\n  tag: ""\n  digest: ""\n';
const FILES = {
  'products/cache/chart/Chart.yaml':
    'apiVersion: v2\nname: cache\nversion: 2.3.0\ndependencies:\n  - name: common\n    version: 1.x.x\n',
  'products/cache/chart/values.yaml': `global:\n  imageRegistry: ""\nimage:\n${IMAGE}`,
  'products/cache/chart/README.head.md': '# Cache\n',
  'products/cache/chart/templates/service.yaml': 'kind: Service\n',
  'charts/common/Chart.yaml': 'apiVersion: v2\nname: common\nversion: 1.0.0\ntype: library\n',
  'charts/common/templates/_names.tpl': '{{ define "x" }}{{ end }}\n',
};
const RECIPE = `format: 1
key: cache
name: Cache
description: Caches.
long_display_name: Cache by Larder
disclaimer: None.
category: Database
licenses: [MIT]
home_url: https://cache.example
packaging_types: [CONTAINER_IMAGE, HELM_CHART]
branch:
  components: 2
operating_systems: [debian-13]
inputs:
  - purl: pkg:deb/debian/cache
    main: true
user: { name: app, uid: 1001, gid: 0, home: /data }
entrypoint: [/usr/bin/cache]
working_directory: /data
ports: []
tests:
  - { name: version, kind: exec, command: [/usr/bin/cache, --version], timeout_seconds: 5 }
`;

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'larder-library-'));
  for (const [path, text] of Object.entries(FILES)) await write(path, text);
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}

const load = () => loadChart(join(root, 'products'), { key: 'cache', packaging_types: ['HELM_CHART'] });
const reasons = async () => (await load()).violations.map(({ reason }) => reason);

test('a chart has its files and those of the library chart, sorted, and the images of products', async () => {
  const { chart, violations } = await load();
  expect(violations).toEqual([]);
  expect(chart).toMatchObject({ name: 'cache', series: '2.3', images: [{ place: ['image'], product: 'cache' }] });
  expect(chart?.files.map(({ path }) => path)).toEqual([
    'Chart.yaml',
    'charts/common/Chart.yaml',
    'charts/common/templates/_names.tpl',
    'templates/service.yaml',
    'values.yaml',
  ]);
});

test('test values are read beside the chart, and are not part of it', async () => {
  const before = await load();
  await write('products/cache/chart/ci/minimal-values.yaml', 'a: 1\n');
  await write('products/cache/chart/ci/everything-values.yaml', '{}\n');
  const { chart, violations } = await load();
  expect(violations).toEqual([]);
  expect(chart?.files).toEqual(before.chart?.files);
  expect(before.chart).not.toHaveProperty('test_values');
  expect(chart?.test_values?.map(({ path, size }) => [path, size])).toEqual([
    ['ci/everything-values.yaml', 3],
    ['ci/minimal-values.yaml', 5],
  ]);
  await write('products/cache/recipe.yaml', RECIPE);
  const [recipe] = await loadRecipes(join(root, 'products'));
  if (recipe === undefined) throw new Error('there is no recipe');
  const content = memoryContent();
  await storeRecipeFiles(join(root, 'products'), recipe, content);
  for (const { digest } of chart?.test_values ?? []) {
    expect(recipeContents(recipe)).toContain(digest);
    await buffer(await content.open(digest));
  }
});

test('at most ten sets of test values are accepted', async () => {
  for (let n = 0; n < 11; n++) await write(`products/cache/chart/ci/set-${n}-values.yaml`, '{}');
  expect(await reasons()).toEqual(['ci/ has more than 10 files']);
});

test('a recipe keeps its chart, and its files become content', async () => {
  await write('products/cache/recipe.yaml', RECIPE);
  const [recipe] = await loadRecipes(join(root, 'products'));
  if (recipe === undefined) throw new Error('there is no recipe');
  const content = memoryContent();
  await storeRecipeFiles(join(root, 'products'), recipe, content);
  for (const digest of recipeContents(recipe)) await buffer(await content.open(digest));
  expect(recipeContents(recipe)).toHaveLength(5);
  await write('charts/common/templates/_names.tpl', 'changed');
  const [changed] = await loadRecipes(join(root, 'products'));
  expect(changed && recipeDigest(changed)).not.toBe(recipeDigest(recipe));
});

test('a chart that is not offered may be unfinished', async () => {
  await write('products/cache/chart/Chart.yaml', '[');
  expect(await loadChart(join(root, 'products'), { key: 'cache', packaging_types: ['CONTAINER_IMAGE'] })).toEqual({
    violations: [],
  });
});

test('an image without a repository belongs to no product', async () => {
  const exporter = `metrics:\n  image:\n    registry: ""\n    repository: ""\n    tag: ""\n    digest: ""\n`;
  await write('products/cache/chart/values.yaml', FILES['products/cache/chart/values.yaml'] + exporter);
  expect((await load()).chart?.images).toEqual([{ place: ['image'], product: 'cache' }]);
});

test('an image of a product that the library does not have is rejected with the file', async () => {
  const other = `other:\n${IMAGE.replace('/cache', '/exporter')}`;
  await write('products/cache/chart/values.yaml', FILES['products/cache/chart/values.yaml'] + other);
  await write('products/cache/recipe.yaml', RECIPE);
  await expect(loadRecipes(join(root, 'products'))).rejects.toThrow(
    'cache/chart/values.yaml:1: other.repository names the product exporter, which is not in the library',
  );
});

describe('is rejected', () => {
  const chart = FILES['products/cache/chart/Chart.yaml'];
  const values = FILES['products/cache/chart/values.yaml'];
  test.each([
    ['Chart.yaml', chart.replace('name: cache', 'name: other'), "must have the name of the product's folder, cache"],
    ['Chart.yaml', chart.replace('name: common', 'name: absent'), 'the dependency absent is not in charts/'],
    ['Chart.yaml', chart.replace('name: common', 'name: ../products'), 'the dependency ../products is not the name'],
    ['Chart.yaml', `${chart}    repository: https://a\n`, 'the dependency common must not have a repository'],
    ['Chart.yaml', '[', 'is not valid YAML'],
    ['values.yaml', values.replace('  imageRegistry: ""', '  other: ""'), 'has no text at global.imageRegistry'],
    ['values.yaml', values.replace('debian-13/cache', 'debian-13/other'), 'has no image with the repository'],
    ['values.yaml', values.replace('containers/debian-13/', 'docker.io/'), 'than containers/<base image>/<product>'],
    ['values.yaml', values.replace('tag: ""', 'tag: [a]'), 'has no text at image.tag'],
    ['charts/other/Chart.yaml', 'a: 1', 'library charts are not copied here'],
    ['Images.lock', '', 'Images.lock is written for each release'],
    ['ci/values.yaml', '{}', 'ci/values.yaml must be named ci/<name>-values.yaml'],
    ['ci/more/a-values.yaml', '{}', 'ci/more/a-values.yaml must be named ci/<name>-values.yaml'],
    ['ci/a-values.yaml', `a: ${'x'.repeat(64 * 1024)}`, 'ci/a-values.yaml has more than 65536 bytes'],
    ['ci/a-values.yaml', '[a]', 'ci/a-values.yaml must be a mapping'],
    ['ci/a-values.yaml', 'a: {', 'ci/a-values.yaml is not valid YAML'],
  ])('%s: %s', async (path, text, reason) => {
    await write(`products/cache/chart/${path}`, text);
    expect(await reasons()).toEqual([expect.stringContaining(reason)]);
  });

  test('a chart that is offered and missing', async () => {
    await rm(join(root, 'products/cache/chart'), { recursive: true });
    expect(await reasons()).toEqual([
      'Chart.yaml is missing, and packaging_types has HELM_CHART',
      'values.yaml is missing, and packaging_types has HELM_CHART',
    ]);
  });

  test('a link, which could name any file of the machine', async () => {
    await symlink('/etc/passwd', join(root, 'products/cache/chart/secrets'));
    expect(await reasons()).toEqual(['chart/secrets is not a regular file']);
  });
});
