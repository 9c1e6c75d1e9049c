// Every chart that the library offers can be planned, built and rendered by helm with the images of its products.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryContent } from '../../src/content/memory.ts';
import { findHelm } from '../../src/helm/run-helm.ts';
import { chartPackaging } from '../../src/packaging/chart/chart-packaging.ts';
import { sandboxMode, testWorkspace } from '../fixtures/build.ts';
import { HELMS, renderChart } from './helm.ts';
import { chartTools, HOST, OFFERED_CHARTS, planOfferedChart, writeBuiltChart } from './offered-chart.ts';

const [helm] = HELMS;

test('Redis, nginx, PostgreSQL, MariaDB, Memcached, HAProxy, Apache and RabbitMQ are offered', () => {
  const keys = ['apache', 'haproxy', 'mariadb', 'memcached', 'nginx', 'postgresql', 'rabbitmq', 'redis'];
  expect(OFFERED_CHARTS.map(({ key }) => key)).toEqual(expect.arrayContaining(keys));
});

test.each(OFFERED_CHARTS)('the chart of $key has a test in effect/, rendering/ and ../kubernetes/', ({ key }) => {
  const files = ['effect', 'rendering', '../kubernetes'].map((folder) => `${folder}/${key}.test.ts`);
  expect(files.filter((file) => !existsSync(join(import.meta.dirname, file)))).toEqual([]);
});

const possible = helm !== undefined && sandboxMode.mode !== 'files-only';

describe.skipIf(!possible).each(OFFERED_CHARTS)('the chart of $key (needs helm and a sandbox)', (recipe) => {
  test('passes its verification, and renders the images of its products', async () => {
    const content = memoryContent();
    const plan = await planOfferedChart(recipe, content);
    await using files = await testWorkspace(content);
    const workspace = { ...files, helm: findHelm({ setting: helm?.path, searchPath: '' }) };
    const tools = chartTools(workspace);
    const artifact = await chartPackaging.build(plan, { ...tools, version: `${plan.chart.series}.3` });
    const { tests, not_verified } = await chartPackaging.verify(plan, artifact, tools);
    expect(tests.filter(({ passed }) => !passed)).toEqual([]);
    expect(tests.map(({ name }) => name)).toContain(`${HOST}: default values: restricted pod security`);
    expect(not_verified).toBeUndefined();
    const rendered = JSON.stringify(
      await renderChart(helm?.path ?? '', await writeBuiltChart(artifact, workspace, 'chart.tgz')),
    );
    const images = [...rendered.matchAll(/"image":"([^"]+)"/g)].map(([, image = '']) => image);
    expect(images.length).toBeGreaterThan(0);
    for (const image of images) expect(image).toMatch(new RegExp(`^${HOST}/containers/debian-13/[a-z-]+:.*@sha256:`));
  });
});
