// Verification of charts with the real helm in a real sandbox: the redis chart, and hostile ones.
import { execFileSync } from 'node:child_process';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { assembleChart } from '../../../test/charts/assembled-chart.ts';
import { HELMS } from '../../../test/charts/helm.ts';
import { listValueFiles } from '../../../test/charts/value-sets.ts';
import { writeChart } from '../../../test/charts/written-chart.ts';
import { sandboxMode, type TestWorkspace, testWorkspace } from '../../../test/fixtures/build.ts';
import { findHelm } from '../../helm/run-helm.ts';
import { type ChartCheck, type ChartToCheck, checkChart } from './check-chart.ts';

const REGISTRY = 'registry.example.com';
const DIGEST = `sha256:${'5'.repeat(64)}`;
const IMAGES = {
  redis: `${REGISTRY}/containers/debian-13/redis:8.0.2@${DIGEST}`,
  exporter: `${REGISTRY}/containers/debian-13/redis-exporter:1.69.0`,
  busy: `${REGISTRY}/busy:1.0`,
};
const possible = sandboxMode.mode !== 'files-only' && HELMS.length > 0;
const [helm] = HELMS;

let workspace: TestWorkspace;
beforeAll(async () => {
  workspace = await testWorkspace();
});
afterAll(() => workspace?.[Symbol.asyncDispose]());

const found = (path = helm?.path ?? '') => findHelm({ setting: path, searchPath: '' });
const EMPTY = { registry: REGISTRY, images: [], values: [{ name: 'defaults', yaml: '' }] };

/** The redis chart as a release has it: its images in Chart.yaml. */
async function redisChart() {
  const chart = await assembleChart('redis');
  const file = join(chart.path, 'Chart.yaml');
  const images = Object.entries(IMAGES).map(([name, image]) => ({ name, image }));
  const metadata = {
    ...parse(await readFile(file, 'utf8')),
    annotations: { images: stringify(images) },
    icon: 'https://x.example',
  };
  await writeFile(file, stringify(metadata));
  return chart;
}

/** A set of the chart's test values, with the image of the registry. */
async function valueSet(name: string) {
  const file = (await listValueFiles('redis', 'values')).find((set) => set.name === name);
  const image = { registry: '', repository: 'containers/debian-13/redis', tag: '8.0.2', digest: DIGEST };
  const overrides = JSON.stringify({ global: { imageRegistry: REGISTRY }, image });
  return { name, yaml: await readFile(file?.path ?? '', 'utf8'), overrides };
}

function failed(check: ChartCheck): Record<string, string> {
  if (!check.rendered) throw new Error(check.reason);
  const { report } = check;
  expect(report.passed).toBe(report.tests.every(({ passed }) => passed));
  return Object.fromEntries(report.tests.filter(({ passed }) => !passed).map(({ name, output }) => [name, output]));
}

describe.skipIf(!possible).each(HELMS)('the redis chart (needs $name and sandboxes)', ({ path }) => {
  test.each(['defaults', 'minimal', 'external-secrets', 'openshift', 'replication', 'everything'])(
    'passes with %s',
    async (name) => {
      await using chart = await redisChart();
      const input: ChartToCheck = {
        chart: chart.path,
        registry: REGISTRY,
        images: Object.values(IMAGES),
        values: [await valueSet(name)],
      };
      const check = await checkChart(input, { workspace: { ...workspace, helm: found(path) } });
      expect(failed(check)).toEqual({});
      if (!check.rendered) throw new Error(check.reason);
      expect(check.report.tests.map((one) => one.name)).toEqual([
        'annotations.images',
        `${name}: lint`,
        `${name}: render for Kubernetes 1.25.0`,
        `${name}: render for Kubernetes 1.37.0`,
        `${name}: objects`,
        `${name}: schemas of Kubernetes 1.25.0`,
        `${name}: schemas of Kubernetes 1.37.0`,
        `${name}: restricted pod security`,
        `${name}: images`,
        `${name}: resources`,
        `${name}: probes`,
        `${name}: service account tokens`,
        `${name}: secrets`,
        `${name}: names`,
      ]);
    },
  );

  test('as an archive of helm package, with several sets of values and images of another registry', async () => {
    await using chart = await redisChart();
    execFileSync(path, ['package', chart.path, '--destination', chart.path], { stdio: 'ignore' });
    const values = [await valueSet('defaults'), { name: 'foreign', yaml: 'global: { imageRegistry: evil.example }\n' }];
    const input = { chart: join(chart.path, 'redis-1.0.0.tgz'), registry: REGISTRY, images: [IMAGES.redis], values };
    const lines = failed(await checkChart(input, { workspace: { ...workspace, helm: found(path) } }));
    expect(Object.keys(lines)).toEqual(['foreign: images']);
    expect(lines['foreign: images']).toContain(
      'StatefulSet release-redis-master: spec.template.spec.containers[0].image is "evil.example/containers/debian-13/redis:8.0.2"; is not in the registry registry.example.com',
    );
  });
});

test('without helm, and without a sandbox, nothing counts as rendered', async () => {
  await using chart = await writeChart({});
  const input = { ...EMPTY, chart: chart.path };
  expect(
    await checkChart(input, { workspace: { ...workspace, helm: findHelm({ searchPath: '/nonexistent' }) } }),
  ).toEqual({
    rendered: false,
    reason: 'there is no helm on PATH, and LARDER_HELM is not set',
  });
  await using files = await testWorkspace(undefined, { mode: 'files-only', reasons: ['No bwrap.'] });
  expect(await checkChart(input, { workspace: { ...files, helm: { path: '/usr/bin/helm' } } })).toEqual({
    rendered: false,
    reason: 'No bwrap.',
  });
});

test.skipIf(!possible)('after the time limit no further set of values is rendered (needs helm)', async () => {
  await using chart = await writeChart({});
  const values = ['first', 'second', 'third'].map((name) => ({ name, yaml: '' }));
  const input = { ...EMPTY, chart: chart.path, values };
  const check = await checkChart(input, { workspace: { ...workspace, helm: found() }, renderMsMax: 0 });
  expect(failed(check)).toEqual({ 'second: render': 'The sets of values before this one took more than 0 s.' });
});

const POD = `apiVersion: v1
kind: Pod
metadata: { name: evil }
spec:
  hostNetwork: true
  containers:
    - name: a
      image: docker.io/library/alpine:latest
      securityContext: { privileged: true }
`;

async function checkHostile(files: Record<string, string>, limits = {}): Promise<Record<string, string>> {
  await using chart = await writeChart(files);
  return failed(
    await checkChart({ ...EMPTY, chart: chart.path }, { workspace: { ...workspace, helm: found() }, limits }),
  );
}

describe.skipIf(!possible)('a hostile chart (needs helm and sandboxes)', () => {
  test('with a privileged pod breaks one rule after the other', async () => {
    const lines = await checkHostile({ 'templates/pod.yaml': POD });
    expect(Object.keys(lines)).toEqual([
      'defaults: restricted pod security',
      'defaults: images',
      'defaults: resources',
      'defaults: probes',
      'defaults: service account tokens',
    ]);
    expect(lines['defaults: restricted pod security']?.split('\n')[0]).toBe(
      'Pod evil: spec.hostNetwork is true; expected false or no value',
    );
    expect(lines['defaults: images']).toContain('has the tag latest');
  });

  test.each([
    [
      'counts without end',
      '{{ range $a := until 100000 }}{{ range $b := until 100000 }}{{ if eq $a -1 }}x{{ end }}{{ end }}{{ end }}',
    ],
    ['includes itself', '{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}'],
  ])('whose template %s', async (_name, template) => {
    const begin = performance.now();
    const lines = await checkHostile({ 'templates/a.yaml': template }, { wallClockMs: 2000 });
    expect(lines['defaults: render for Kubernetes 1.37.0']).toMatch(/ran longer than 2 s|has a nested reference name/);
    expect(performance.now() - begin).toBeLessThan(20_000);
  });

  test('that fills the memory', async () => {
    const template = '{{ $list := list 1 }}{{ range until 60 }}{{ $list = concat $list $list }}{{ end }}';
    const lines = await checkHostile({ 'templates/a.yaml': template }, { memoryBytes: 256 * 1024 ** 2 });
    expect(lines['defaults: render for Kubernetes 1.37.0']).toContain('memory');
  });

  test('that prints 100 MB', async () => {
    const template =
      '{{ range until 1000 }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: a{{ . }} }\ndata: { a: {{ repeat 100000 "x" }} }\n{{ end }}';
    const lines = await checkHostile({ 'templates/a.yaml': template });
    expect(lines['defaults: render for Kubernetes 1.37.0']).toMatch(
      /^helm (printed more than 4 MiB|used more than 768 MiB of memory)$/,
    );
  });

  test('with a bomb of aliases', async () => {
    const names = [...'abcdefghi'];
    const levels = names
      .slice(1)
      .map((name, at) => `  ${name}: &${name} [${names[at] ? `*${names[at]}, ` : ''}${`*${names[at]}, `.repeat(9)}]`);
    const template = `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: bomb }\ndata:\n  a: &a [x, x, x, x, x, x, x, x, x]\n${levels.join('\n')}\n`;
    expect(Object.values(await checkHostile({ 'templates/a.yaml': template })).join()).toMatch(/alias/);
  });

  test('that looks up the cluster and a host finds neither', async () => {
    let asked = 0;
    const server = createServer(() => (asked += 1)).listen(0, '127.0.0.1');
    const template = [
      'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: found }\ndata:',
      '  nodes: {{ lookup "v1" "Node" "" "" | toJson | quote }}',
      '  host: {{ getHostByName "localhost.example.com" | quote }}',
      '  home: {{ .Files.Get "/etc/passwd" | quote }}',
    ].join('\n');
    expect(await checkHostile({ 'templates/a.yaml': `${template}\n` })).toEqual({});
    expect(asked).toBe(0);
    server.close();
  });

  test.each([
    ['objects', 'metadata: { name: x }\napiVersion: v1\n', 'has no kind'],
    ['objects', 'kind: ConfigMap\nmetadata: { name: x }\n', 'has no apiVersion'],
    ['objects', 'apiVersion: v1\nkind: ConfigMap\n', 'of kind ConfigMap has no metadata.name'],
    [
      'schemas of Kubernetes 1.25.0',
      'apiVersion: v1\nkind: List\nmetadata: { name: x }\nitems: []\n',
      'kind is "List"',
    ],
    [
      'names',
      'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: "{{ .Release.Name }}-{{ repeat 220 "x" }}" }\n',
      'has more than 253 characters',
    ],
  ])('with an object that fails %s: %s', async (check, template, message) => {
    const lines = await checkHostile({ 'templates/a.yaml': template });
    expect(`${lines[`defaults: ${check}`]}${lines['defaults: render for Kubernetes 1.37.0'] ?? ''}`).toContain(message);
  });

  test('with a definition of a kind of its own', async () => {
    const crd =
      'apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: { name: a.example.com }\n';
    const lines = await checkHostile({ 'crds/a.yaml': crd });
    expect(lines['defaults: schemas of Kubernetes 1.37.0']).toContain('kind is "CustomResourceDefinition"');
  });

  test('with a symbolic link to a file of this machine', async () => {
    await using chart = await writeChart({});
    await symlink('/etc/passwd', join(chart.path, 'passwd'));
    const check = await checkChart({ ...EMPTY, chart: chart.path }, { workspace: { ...workspace, helm: found() } });
    expect(failed(check)).toEqual({ files: 'passwd is a symbolic link' });
  });

  test('is left when the caller gives up', async () => {
    await using chart = await writeChart({
      'templates/a.yaml': '{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}',
    });
    const signal = AbortSignal.timeout(500);
    const begin = performance.now();
    await expect(
      checkChart({ ...EMPTY, chart: chart.path }, { workspace: { ...workspace, helm: found() }, signal }),
    ).rejects.toThrow();
    expect(performance.now() - begin).toBeLessThan(5000);
  });
});
