// Verification of a built chart: its files, and its rendering by the real helm in a sandbox.
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HELMS } from '../../../test/charts/helm.ts';
import { sandboxMode, type TestWorkspace, testWorkspace } from '../../../test/fixtures/build.ts';
import { chartReleases, planRedisChart, redisChartRecipe } from '../../../test/fixtures/chart-packaging.ts';
import { noCache } from '../../../test/redis-builds.ts';
import { findHelm } from '../../helm/run-helm.ts';
import type { ChartPlan } from '../../plan/chart-plan.ts';
import { storeRecipeFiles } from '../../recipes/recipe.ts';
import type { BuildTools } from '../packaging.ts';
import type { TestReport } from '../test-report.ts';
import { chartPackaging } from './chart-packaging.ts';

const PRODUCTS = new URL('../../../products/', import.meta.url).pathname;
const HOSTS = ['one.example.com', 'two.example.com:5000'];
const [helm] = HELMS;
const possible = sandboxMode.mode !== 'files-only' && helm !== undefined;

let workspace: TestWorkspace;
let plan: ChartPlan;
beforeAll(async () => {
  workspace = await testWorkspace();
  const recipe = await redisChartRecipe();
  await storeRecipeFiles(PRODUCTS, recipe, workspace.content);
  plan = await planRedisChart(chartReleases(...HOSTS), { recipe });
});
afterAll(() => workspace?.[Symbol.asyncDispose]());

async function buildAndVerify(built: ChartPlan, found: BuildTools['workspace']['helm']): Promise<TestReport> {
  const tools: BuildTools = {
    workspace: { ...workspace, ...(found && { helm: found }) },
    log: { write: () => undefined },
    ...{ layers: noCache, inspections: new Map(), names: new Map() },
  };
  const artifact = await chartPackaging.build(built, { ...tools, version: '1.0.3' });
  return await chartPackaging.verify(built, artifact, tools);
}

/** Adds a template to the chart. */
async function withTemplate(text: string): Promise<ChartPlan> {
  const { digest, size } = await workspace.content.put(Readable.from([Buffer.from(text)]));
  const files = [...plan.chart.files, { path: 'templates/added.yaml', digest, size }];
  return { ...plan, chart: { ...plan.chart, files } };
}

describe.skipIf(!possible)('with helm (needs helm and a sandbox)', () => {
  const found = findHelm({ setting: helm?.path, searchPath: '' });

  test('the chart of each registry is rendered with its own images', async () => {
    const report = await buildAndVerify(plan, found);
    expect(report.tests.filter(({ passed }) => !passed)).toEqual([]);
    expect(report).not.toHaveProperty('not_verified');
    for (const host of HOSTS) {
      expect(report.tests.map(({ name }) => name)).toEqual(
        expect.arrayContaining([`files for ${host}`, `${host}: default values: images`]),
      );
    }
  });

  test('the chart of one registry is rendered with the test values too', async () => {
    const report = await buildAndVerify(plan, found);
    const sets = new Set(report.tests.flatMap(({ name }) => /^(.*: [a-z-]+-values): lint$/.exec(name)?.[1] ?? []));
    const names = ['everything', 'replication'];
    expect([...sets]).toEqual(names.map((name) => `${HOSTS[0]}: ${name}-values`));
  });

  test('test values with which the chart cannot be rendered, or breaks a rule, fail it', async () => {
    const withValues = async (text: string): Promise<ChartPlan> => {
      const { digest, size } = await workspace.content.put(Readable.from([Buffer.from(text)]));
      return { ...plan, chart: { ...plan.chart, test_values: [{ path: 'ci/odd-values.yaml', digest, size }] } };
    };
    const failing = await buildAndVerify(await withValues('architecture: none\n'), found);
    expect(failing.passed).toBe(false);
    expect(failing.tests.find(({ passed }) => !passed)?.name).toMatch(/^one\.example\.com: odd-values: /);
    const root = 'master: { containerSecurityContext: { runAsNonRoot: false } }\n';
    const broken = (await buildAndVerify(await withValues(root), found)).tests.filter(({ passed }) => !passed);
    expect(broken.map(({ name }) => name)).toEqual(['one.example.com: odd-values: restricted pod security']);
  });

  test('a template that fails, or renders an image of elsewhere, fails the check of each registry', async () => {
    const failing = await buildAndVerify(await withTemplate('{{ fail "no such value" }}'), found);
    expect(failing.passed).toBe(false);
    expect(
      failing.tests.find(({ name }) => name === `${HOSTS[1]}: default values: render for Kubernetes 1.37.0`)?.output,
    ).toContain('no such value');
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } };
    const spec = { containers: [{ name: 'a', image: 'docker.io/library/redis:latest' }] };
    const foreign = await buildAndVerify(await withTemplate(JSON.stringify({ ...pod, spec })), found);
    expect(foreign.passed).toBe(false);
    for (const host of HOSTS) {
      const images = foreign.tests.find(({ name }) => name === `${host}: default values: images`);
      expect(images?.output).toContain(`is not in the registry ${host}`);
    }
  });
});

test('without helm, the chart is not verified, for the reason why there is none', async () => {
  const report = await buildAndVerify(plan, { reason: 'there is no helm on PATH, and LARDER_HELM is not set' });
  expect(report.passed).toBe(true);
  expect(report.not_verified).toBe('Not rendered: there is no helm on PATH, and LARDER_HELM is not set');
});
