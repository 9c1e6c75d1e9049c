// Every chart that the library offers can be planned, built, and rendered by helm with the images of its products.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { memoryContent } from '../../src/content/memory.ts';
import { findHelm } from '../../src/helm/run-helm.ts';
import { chartPackaging } from '../../src/packaging/chart/chart-packaging.ts';
import { rootFor } from '../../src/plan/artifact.ts';
import { loadRecipes, storeRecipeFiles } from '../../src/recipes/recipe.ts';
import { sandboxMode, testWorkspace } from '../fixtures/build.ts';
import { planRedisChart, redisRelease } from '../fixtures/chart-packaging.ts';
import { noCache } from '../redis-builds.ts';
import { HELMS, renderChart } from './helm.ts';

const PRODUCTS = join(import.meta.dirname, '../../products');
const HOST = 'registry.example.com';
const [helm] = HELMS;
const offered = (await loadRecipes(PRODUCTS)).filter(({ packaging_types }) => packaging_types.includes('HELM_CHART'));

test('Redis, nginx, PostgreSQL, Memcached, HAProxy and Apache are offered', () => {
  const keys = ['apache', 'haproxy', 'memcached', 'nginx', 'postgresql', 'redis'];
  expect(offered.map(({ key }) => key)).toEqual(expect.arrayContaining(keys));
});

const possible = helm !== undefined && sandboxMode.mode !== 'files-only';

describe.skipIf(!possible).each(offered)('the chart of $key (needs helm and a sandbox)', (recipe) => {
  test('passes its verification, and renders the images of its products', async () => {
    const content = memoryContent();
    await storeRecipeFiles(PRODUCTS, recipe, content);
    const products = new Set(recipe.chart?.images.map(({ product }) => product));
    const needs = [...products].map((product_key) =>
      redisRelease(HOST, { product_key, repository: `containers/debian-13/${product_key}` }),
    );
    const plan = await planRedisChart(needs, { recipe });
    await using files = await testWorkspace(content);
    const workspace = { ...files, helm: findHelm({ setting: helm?.path, searchPath: '' }) };
    const tools = {
      workspace,
      log: { write: () => undefined },
      layers: noCache,
      inspections: new Map(),
      names: new Map(),
    };
    const artifact = await chartPackaging.build(plan, { ...tools, version: `${plan.chart.series}.3` });
    const { tests, not_verified } = await chartPackaging.verify(plan, artifact, tools);
    expect(tests.filter(({ passed }) => !passed)).toEqual([]);
    expect(tests.map(({ name }) => name)).toContain(`${HOST}: default values: restricted pod security`);
    expect(not_verified).toBeUndefined();
    const file = join(files.directory, 'chart.tgz');
    await writeFile(file, await buffer(await content.open(rootFor(artifact, HOST).content.digest)));
    const rendered = JSON.stringify(await renderChart(helm?.path ?? '', file));
    const images = [...rendered.matchAll(/"image":"([^"]+)"/g)].map(([, image = '']) => image);
    expect(images.length).toBeGreaterThan(0);
    for (const image of images) expect(image).toMatch(new RegExp(`^${HOST}/containers/debian-13/[a-z-]+:.*@sha256:`));
  });
});
