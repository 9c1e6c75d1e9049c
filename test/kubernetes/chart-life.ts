// The life of a chart in a real Kubernetes API, with helm 3 and helm 4. The chart is installed, upgraded to its next release
// with the same values, rolled back and uninstalled. The test file of each product calls this for its chart, so that charts
// are tested separately.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chartPackaging } from '../../src/packaging/chart/chart-packaging.ts';
import { soleRoot } from '../../src/plan/artifact.ts';
import { HELMS, renderChart } from '../charts/helm.ts';
import { chartTools, OFFERED_CHARTS, planOfferedChart, writeBuiltChart } from '../charts/offered-chart.ts';
import { KUBERNETES_PROGRAMS } from '../clients.ts';
import { type TestWorkspace, testWorkspace } from '../fixtures/build.ts';
import { sampleArtifact } from '../stored-values.ts';
import { type Cluster, startCluster } from './cluster.ts';
import {
  imagesOfPods,
  imagesOfWorkloads,
  keptClaims,
  listEverything,
  openNamespace,
  readSecrets,
} from './cluster-state.ts';
import type { ClusterObject } from './kubernetes-api.ts';

const run = promisify(execFile);

const VALUES = join(import.meta.dirname, '../charts/values');
/** The time limit of one life. It takes half a minute on an idle machine. */
const LIFE_MS_MAX = 300_000;
/** The time limit of a change. Pods start and objects disappear within seconds on an idle machine. */
const CHANGE_MS_MAX = 120_000;
/** How long helm waits until all pods are ready. */
const HELM_WAIT = '120s';
const RELEASE = 'shop';
/** Warnings of the API server: the restricted profile forbids a pod, or a field is not known. */
const FAULTS = /would violate|unknown field/i;
/** Also that a field will be removed. The values that set everything set such fields on purpose (`externalIPs`). */
const WARNINGS = /would violate|unknown field|deprecated/i;
/** With these values, pods wait for nodes and schedulers that the cluster does not have, and have images of their own. */
const UNREADY_SETS = ['everything'];

const [helm] = HELMS;

/** Declares the tests of a product's chart. */
export function testChartInKubernetes(key: string): void {
  const sets = readdirSync(join(VALUES, key)).map((name) => name.replace('.yaml', ''));
  const needed = '(needs helm and `npm run clients -- kubernetes`)';
  describe.skipIf(helm === undefined || KUBERNETES_PROGRAMS === undefined)(`the chart of ${key} ${needed}`, () => {
    let cluster: Cluster;
    let workspace: TestWorkspace;
    let charts: BuiltCharts;
    beforeAll(async () => {
      workspace = await testWorkspace();
      charts = await buildTwoReleases(key, workspace);
      cluster = await startCluster();
    }, LIFE_MS_MAX);
    afterAll(async () => {
      await cluster?.[Symbol.asyncDispose]();
      await workspace?.[Symbol.asyncDispose]();
    });

    describe.each(HELMS)('$name', ({ name, path }) => {
      test.each(sets)(
        'installs, upgrades, rolls back and removes it with the values %s',
        { timeout: LIFE_MS_MAX },
        (set) =>
          live({
            cluster,
            charts,
            helm: path,
            namespace: `${name.replace(' ', '-')}-${set}`,
            values: join(VALUES, key, `${set}.yaml`),
            isReady: !UNREADY_SETS.includes(set),
          }),
      );
    });
  });
}

/** The paths of two releases of a chart. */
type BuiltCharts = { first: string; second: string };

/** Builds the chart with the images of two releases of its products. */
async function buildTwoReleases(key: string, workspace: TestWorkspace): Promise<BuiltCharts> {
  const [first, second] = await Promise.all(['r0', 'r1'].map((revision) => buildRelease(key, revision, workspace)));
  if (first === undefined || second === undefined) throw new Error(`${key} is not offered as a chart`);
  return { first, second };
}

async function buildRelease(key: string, revision: string, workspace: TestWorkspace): Promise<string | undefined> {
  const recipe = OFFERED_CHARTS.find((one) => one.key === key);
  if (recipe === undefined) return undefined;
  const root = soleRoot(sampleArtifact(`image ${revision}`));
  const images = { root, tag: `1.0.0-debian-13-${revision}` };
  const plan = await planOfferedChart(recipe, workspace.content, images);
  const version = `${plan.chart.series}.${revision === 'r0' ? 7 : 8}`;
  const artifact = await chartPackaging.build(plan, { ...chartTools(workspace), version });
  return await writeBuiltChart(artifact, workspace, `${key}-${version}.tgz`);
}

type Life = {
  cluster: Cluster;
  charts: BuiltCharts;
  helm: string;
  namespace: string;
  values: string;
  /** Whether all objects become ready in a simulated cluster. */
  isReady: boolean;
};

async function live({ cluster, charts, helm, namespace, values, isReady }: Life): Promise<void> {
  const { api, kubeconfig } = cluster;
  const { first, second } = charts;
  const render = (chart: string) => renderChart(helm, chart, '--values', values, '--namespace', namespace);
  const others = ((await render(first)) as ClusterObject[]).map(({ metadata }) => metadata.namespace ?? namespace);
  for (const one of new Set([namespace, ...others])) await openNamespace(api, one);
  const before = await listEverything(api);
  const wait = isReady ? ['--wait', '--timeout', HELM_WAIT] : [];
  const call = async (...words: string[]) => {
    const { stderr } = await run(helm, [...words, '--namespace', namespace, ...wait], {
      env: { PATH: process.env['PATH'] ?? '', HOME: dirname(kubeconfig), KUBECONFIG: kubeconfig },
      timeout: LIFE_MS_MAX,
    });
    expect(stderr).not.toMatch(isReady ? WARNINGS : FAULTS);
  };
  const runs = async (chart: string) => {
    if (!isReady) return;
    const images = imagesOfWorkloads(await render(chart));
    await expect.poll(() => imagesOfPods(api, namespace), { timeout: CHANGE_MS_MAX }).toEqual(images);
  };

  await call('install', RELEASE, first, '--values', values);
  await runs(first);
  const secrets = await readSecrets(api, namespace);
  await call('upgrade', RELEASE, second, '--values', values);
  await runs(second);
  expect(await readSecrets(api, namespace)).toEqual(secrets);
  await call('rollback', RELEASE, '1');
  await runs(first);
  expect(await readSecrets(api, namespace)).toEqual(secrets);

  const claims = await keptClaims(api, namespace);
  await call('uninstall', RELEASE);
  await expect
    .poll(async () => (await listEverything(api)).filter((one) => !before.includes(one)), { timeout: CHANGE_MS_MAX })
    .toEqual(claims);
}
