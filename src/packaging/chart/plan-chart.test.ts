// Plans of charts: the images of each registry, what is kept, and what cannot be planned.
import { beforeAll, describe, expect, test } from 'vitest';
import {
  chartReleases,
  exporterRelease,
  loneChartRecipe,
  planRedisChart,
  redisChartRecipe,
  redisRelease,
} from '../../../test/fixtures/chart-packaging.ts';
import { digestOf, sampleArtifact, sampleInspection, samplePlan, sampleRecipe } from '../../../test/stored-values.ts';
import { soleRoot } from '../../plan/artifact.ts';
import { readStoredPlan } from '../../plan/plan.ts';
import type { Recipe } from '../../plan/recipe.ts';
import { chartPackaging } from './chart-packaging.ts';

let recipe: Recipe;
let lone: Recipe;
beforeAll(async () => {
  recipe = await redisChartRecipe();
  lone = await loneChartRecipe();
});

test('the chart of the library has its images, the library chart, and nothing that only generates files', () => {
  expect(recipe.chart).toMatchObject({
    name: 'redis',
    series: '1.0',
    images: [
      { place: ['image'], product: 'redis' },
      { place: ['metrics', 'image'], product: 'redis-exporter' },
    ],
  });
  const paths = recipe.chart?.files.map(({ path }) => path) ?? [];
  expect(paths).toEqual(expect.arrayContaining(['Chart.yaml', 'charts/common/Chart.yaml', 'scripts/start-node.sh']));
  expect(paths).not.toContain('README.head.md');
});

describe('a plan', () => {
  test('has each registry with its image by digest, and the product, base and customizations of the image', async () => {
    const other = soleRoot(sampleArtifact('other'));
    const needs = [
      redisRelease('a.example.com'),
      redisRelease('b.example.com:5000', { root: other, tag: '7.0.15-debian-12-r3' }),
    ];
    const plan = await planRedisChart(needs, { recipe: lone });
    const image = samplePlan();
    expect(plan).toMatchObject({ product: image.product, base: image.base, operating_system: 'debian-12' });
    expect(plan.customizations).toEqual([expect.objectContaining({ id: 'c1', version: 2, packages: [] })]);
    expect(plan.registries).toEqual({
      'a.example.com': {
        host: 'a.example.com',
        images: [
          {
            product: 'redis',
            place: ['image'],
            repository: 'team/containers/debian-12/redis',
            tag: '7.0.15-debian-12-r0',
            digest: digestOf('image'),
            platforms: [{ platform: { os: 'linux', architecture: 'amd64' }, digest: digestOf('image') }],
          },
        ],
      },
      'b.example.com:5000': {
        host: 'b.example.com:5000',
        images: [expect.objectContaining({ tag: '7.0.15-debian-12-r3', digest: digestOf('other') })],
      },
    });
    expect(chartPackaging.needs(plan, 'b.example.com:5000')).toEqual([digestOf('other')]);
    expect(chartPackaging.needs(plan, 'c')).toEqual([]);
  });

  test('does not change when the same releases are planned again, and has no version of the chart', async () => {
    const plan = await planRedisChart(chartReleases('a.example.com'));
    expect(await planRedisChart(chartReleases('a.example.com'))).toEqual(plan);
    expect(JSON.stringify(plan)).not.toContain('"1.0.0"');
    expect(() => chartPackaging.place(plan).immutableTag(0)).toThrow('no version yet');
  });

  test('has its own customizations after those of its images, and not the version that broke it', async () => {
    const own = (id: string, version: number) => ({
      ...{ id, version, name: null, digest: digestOf(`${id} ${version}`), epoch: 5 },
      inspection: sampleInspection(id),
    });
    const inImage = expect.objectContaining({ id: 'c1', version: 2 });
    const pin = (id: string, version: number) => ({
      ...{ id, version, digest: digestOf(`${id} ${version}`), epoch: 5, packages: [], in_chart: true },
    });
    const needs = chartReleases('a.example.com');
    const both = await planRedisChart(needs, { customizations: [own('c0', 1), own('c9', 3)] });
    expect(both.customizations).toEqual([inImage, pin('c0', 1), pin('c9', 3)]);
    const older = await planRedisChart(needs, { customizations: [own('c1', 1)] });
    expect(older.customizations).toEqual([pin('c1', 1)]);
    const without = await planRedisChart(needs, { left_out: [{ id: 'c1', version: 2 }] });
    expect(without.customizations).toEqual([]);
    const later = await planRedisChart(needs, { left_out: [{ id: 'c1', version: 3 }] });
    expect(later.customizations).toEqual([inImage]);
    expect(readStoredPlan(JSON.parse(JSON.stringify(both)), 'sha256:1')).toEqual(both);
  });

  test('leaves out a registry that lacks an image', async () => {
    const needs = [...chartReleases('a.example.com'), redisRelease('b.example.com')];
    const plan = await planRedisChart(needs);
    expect(Object.keys(plan.registries)).toEqual(['a.example.com']);
    expect(plan.registries['a.example.com']?.images.map(({ product }) => product)).toEqual(['redis', 'redis-exporter']);
  });

  test('keeps the source of a kept plan, and takes the new images', async () => {
    const kept = await planRedisChart([redisRelease('a.example.com')], { recipe: lone });
    const changed: Recipe = { ...recipe, chart: { name: 'redis', series: '2.0', files: [], images: [] } };
    const newer = redisRelease('a.example.com', {
      root: soleRoot(sampleArtifact('newer')),
      tag: '7.0.15-debian-12-r1',
    });
    const plan = await planRedisChart([newer], { recipe: changed, kept });
    expect(plan.chart).toEqual(kept.chart);
    expect(plan.registries['a.example.com']?.images[0]).toMatchObject({ digest: digestOf('newer'), place: ['image'] });
  });

  test('without a release of an image is rejected with the name of the product', async () => {
    const needs = [redisRelease('a.example.com')];
    await expect(planRedisChart(needs)).rejects.toThrow('an image of redis-exporter');
    await expect(planRedisChart([])).rejects.toThrow('an image of redis');
    const apart = [redisRelease('a.example.com'), exporterRelease('b.example.com')];
    await expect(planRedisChart(apart)).rejects.toThrow('all of its images');
  });

  test('of a product that lost its chart is rejected', async () => {
    const without = planRedisChart([redisRelease('a.example.com')], { recipe: sampleRecipe() });
    await expect(without).rejects.toThrow('no longer has a chart of Redis');
  });

  test('that is stored with a wrong field is rejected with this field', async () => {
    const plan = await planRedisChart(chartReleases('a.example.com'));
    const read = () => readStoredPlan({ ...plan, chart: { ...plan.chart, files: [{ path: 'a' }] } }, 'sha256:1');
    expect(read).toThrow(/plan sha256:1 .*\/chart\/files/);
  });
});
