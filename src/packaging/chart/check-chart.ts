// Verifies a chart: helm lints and renders it with each set of values, rendering for two versions of Kubernetes, and each rendered object
// is checked.
import { type FoundHelm, HELM_FOLDER, type Helm, type HelmExit, openHelm } from '../../helm/run-helm.ts';
import type { SandboxLimits } from '../../sandbox/sandbox-command.ts';
import { visibleText } from '../../sandbox/visible-text.ts';
import type { Workspace } from '../../sandbox/workspace.ts';
import type { TestReport } from '../test-report.ts';
import { checkProbes, checkResources, checkTokens } from './check-containers.ts';
import { ChartFilesError, type StagedChart, stageChart } from './check-files.ts';
import { annotatedImages, checkImages, givenImages, type ImageRules } from './check-images.ts';
import { checkNames } from './check-names.ts';
import { checkPodSecurity } from './check-pod-security.ts';
import { checkSchemas } from './check-schemas.ts';
import { checkSecrets } from './check-secrets.ts';
import { KUBERNETES_VERSIONS, type KubernetesVersion } from './kubernetes-kinds.ts';
import {
  parseRendering,
  RELEASE_NAMESPACE,
  type RenderedObject,
  type Violation,
  violationLine,
} from './rendered-objects.ts';
import { type Json, parseRenderedYaml, RenderedYamlError } from './rendered-yaml.ts';

export type ChartToCheck = {
  /** Path on this machine of the chart: a folder or a .tgz. */
  chart: string;
  /** The registry as in references of its images: host, port and perhaps a path. */
  registry: string;
  /** Full references of the images that the chart may use. */
  images: readonly string[];
  /** Sets of values, each as YAML. With an empty text, the chart is rendered with its own values. */
  values: readonly ValueSet[];
};

export type ValueSet = {
  name: string;
  /** Values below those of `yaml`, as YAML: those that the chart had before customizations changed them. */
  authored?: string;
  yaml: string;
  /** Values that override those of `yaml`, as YAML. */
  overrides?: string;
};

export type ChartTools = {
  workspace: Workspace;
  limits?: Partial<SandboxLimits>;
  /** After this time no further set of values is rendered. Default: RENDER_MS_MAX. */
  renderMsMax?: number;
  signal?: AbortSignal | undefined;
};

/** There is a report only if the chart was rendered: otherwise the chart was not verified. */
export type ChartCheck = { rendered: true; report: TestReport } | { rendered: false; reason: string };

const NO_HELM: FoundHelm = { reason: 'this process was started without helm' };

/** Limit of violations that a report lists for one check: further ones usually have the same cause. */
const LINES_MAX = 50;
/** Limit of time for the sets of values of a chart: ten sets take ten seconds, or a minute on a busy machine. */
const RENDER_MS_MAX = 5 * 60_000;
/** Limit of characters of a message of helm in a report. */
const MESSAGE_CHARACTERS_MAX = 4000;

/**
 * Verifies a chart. Violations are in the report. Returns `rendered: false` if this machine has no sandbox or no helm. Throws errors
 * of this machine.
 */
export async function checkChart(chart: ChartToCheck, tools: ChartTools): Promise<ChartCheck> {
  const { workspace } = tools;
  const { helm = NO_HELM } = workspace;
  if (helm.path === undefined) return { rendered: false, reason: helm.reason };
  // Charts are rendered only in a sandbox: templates may compute without end, and may read any file that helm can read.
  if (workspace.probe.mode === 'files-only') return { rendered: false, reason: workspace.probe.reasons.join(' ') };
  try {
    await using staged = await stageChart(workspace, chart.chart);
    return await checkStaged(chart, staged, { ...tools, path: helm.path });
  } catch (error) {
    if (!(error instanceof ChartFilesError)) throw error;
    return {
      rendered: true,
      report: reportOf([{ name: 'files', passed: false, duration_ms: 0, output: visibleText(error.message) }]),
    };
  }
}

type TestResult = TestReport['tests'][number];
type Rendering = ChartTools & { path: string };

async function checkStaged(chart: ChartToCheck, staged: StagedChart, tools: Rendering): Promise<ChartCheck> {
  const { annotated, violations } = readAnnotations(staged.chartYaml);
  const tests = [testOf('annotations.images', () => violations)];
  const { renderMsMax = RENDER_MS_MAX } = tools;
  const end = performance.now() + renderMsMax;
  for (const [index, set] of chart.values.entries()) {
    tools.signal?.throwIfAborted();
    if (index > 0 && performance.now() > end) {
      tests.push(notRendered(set, renderMsMax));
      break;
    }
    const files = await Promise.all(
      [set.authored ?? '', set.yaml, set.overrides ?? ''].map(async (yaml, order) => {
        const file = `values-${index}-${order}.yaml`;
        await staged.write(file, yaml);
        return file;
      }),
    );
    const given = givenImages(set.yaml, chart.registry);
    const rules = { registry: chart.registry, images: chart.images, annotated, given };
    tests.push(...(await checkValues({ set, files, rules }, staged, tools)));
  }
  return { rendered: true, report: reportOf(tests) };
}

function notRendered({ name }: ValueSet, renderMsMax: number): TestResult {
  const output = `The sets of values before this one took more than ${renderMsMax / 1000} s.`;
  return { name: `${name}: render`, passed: false, duration_ms: 0, output };
}

function reportOf(tests: TestResult[]): TestReport {
  return { passed: tests.every(({ passed }) => passed), tests };
}

function helmOptions({ folder }: StagedChart, { path, limits, signal }: Rendering) {
  return { path, given: folder, ...(limits && { limits }), signal };
}

function readAnnotations(chartYaml: string): { annotated: string[]; violations: Violation[] } {
  try {
    const [chart = null]: Json[] = parseRenderedYaml(chartYaml);
    return annotatedImages(chart);
  } catch (error) {
    if (!(error instanceof RenderedYamlError)) throw error;
    return { annotated: [], violations: [{ kind: 'File', name: 'Chart.yaml', path: '', reason: error.message }] };
  }
}

type Checked = { set: ValueSet; files: string[]; rules: ImageRules };

/**
 * The name of the release for each version of Kubernetes. For the older version it is the longest name that helm accepts, to find names of
 * objects that become too long. Each set of values is rendered with both names.
 */
const RELEASES: Record<KubernetesVersion, string> = { '1.25.0': 'r'.repeat(53), '1.37.0': 'release' };

/** Lints and renders the chart with one set of values, in a sandbox of its own, and checks the rendered objects. */
async function checkValues(
  { set, files, rules }: Checked,
  staged: StagedChart,
  tools: Rendering,
): Promise<TestResult[]> {
  await using helm = await openHelm(tools.workspace, helmOptions(staged, tools));
  const chart = `${HELM_FOLDER}/${staged.chart}`;
  const values = ['--namespace', RELEASE_NAMESPACE, ...files.flatMap((file) => ['--values', `${HELM_FOLDER}/${file}`])];
  const newest = KUBERNETES_VERSIONS.at(-1) ?? '';
  const [lint, ...renderings] = await Promise.all([
    timed(helm, ['lint', '--strict', chart, ...values, '--kube-version', newest]),
    ...KUBERNETES_VERSIONS.map(async (version) => ({
      version,
      ...(await timed(helm, [
        'template',
        RELEASES[version],
        chart,
        ...values,
        '--include-crds',
        '--kube-version',
        version,
      ])),
    })),
  ]);
  const named = (name: string) => `${set.name}: ${name}`;
  const tests = [runResult(named('lint'), lint)];
  for (const rendering of renderings)
    tests.push(runResult(named(`render for Kubernetes ${rendering.version}`), rendering));
  if (renderings.some(({ exit }) => isFailed(exit))) return tests;
  return [...tests, ...checkRenderings(renderings, rules).map((test) => ({ ...test, name: named(test.name) }))];
}

type Timed = { exit: HelmExit; duration_ms: number };

async function timed(helm: Helm, args: readonly string[]): Promise<Timed> {
  const begin = performance.now();
  const exit = await helm.run(args);
  return { exit, duration_ms: Math.round(performance.now() - begin) };
}

function isFailed({ code, why }: HelmExit): boolean {
  return code !== 0 || why !== undefined;
}

function runResult(name: string, { exit, duration_ms }: Timed): TestResult {
  const passed = !isFailed(exit);
  if (passed) return { name, passed, duration_ms, output: '' };
  const message = exit.why === undefined ? `${exit.stderr}\n${lintLines(exit.stdout)}` : `helm ${exit.why}`;
  return { name, passed, duration_ms, output: messageOf(message) };
}

/** Returns only the findings of `helm lint`: on a failure, `helm template` prints a part of the rendering, which is left out. */
function lintLines(stdout: string): string {
  return stdout
    .split('\n')
    .filter((line) => /^\[(?:WARNING|ERROR|INFO)\]/.test(line))
    .join('\n');
}

/** Shortens a message of helm in the middle. The beginning names the template, and the end names the cause. */
function messageOf(text: string): string {
  const whole = text.trim();
  const half = MESSAGE_CHARACTERS_MAX / 2;
  return visibleText(whole.length > 2 * half ? `${whole.slice(0, half)} … ${whole.slice(-half)}` : whole);
}

/** Runs all checks on the objects of both renderings. A violation that both have is listed once. */
function checkRenderings(
  renderings: readonly { version: KubernetesVersion; exit: HelmExit }[],
  rules: ImageRules,
): TestResult[] {
  const parsed = renderings.map(({ version, exit }) => ({ version, ...parseRendering(exit.stdout) }));
  const inBoth = (check: (objects: readonly RenderedObject[]) => Violation[]) =>
    parsed.flatMap(({ objects }) => check(objects));
  return [
    testOf('objects', () => parsed.flatMap(({ violations }) => violations)),
    ...parsed.map(({ version }) =>
      testOf(`schemas of Kubernetes ${version}`, () => inBoth((objects) => checkSchemas(objects, version))),
    ),
    testOf('restricted pod security', () => inBoth(checkPodSecurity)),
    testOf('images', () => inBoth((objects) => checkImages(objects, rules))),
    testOf('resources', () => inBoth(checkResources)),
    testOf('probes', () => inBoth(checkProbes)),
    testOf('service account tokens', () => inBoth(checkTokens)),
    testOf('secrets', () => inBoth(checkSecrets)),
    testOf('names', () => inBoth(checkNames)),
  ];
}

function testOf(name: string, check: () => Violation[]): TestResult {
  const begin = performance.now();
  const lines = [...new Set(check().map(violationLine))];
  const more = lines.length > LINES_MAX ? [`${lines.length - LINES_MAX} more`] : [];
  const output = [...lines.slice(0, LINES_MAX), ...more].join('\n');
  return { name, passed: lines.length === 0, duration_ms: Math.round(performance.now() - begin), output };
}
