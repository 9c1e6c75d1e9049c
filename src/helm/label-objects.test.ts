// Labels and annotations are added to every object. Renders charts that are written in other ways than Larder's charts, with
// a real helm.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HELMS, renderChart, runHelm } from '../../test/charts/helm.ts';
import { writeChartArchive } from './chart-archive.ts';
import { labelObjects } from './label-objects.ts';

const METADATA = { labels: { team: 'a', own: 'added' }, annotations: { note: 'x' } };

/**
 * A chart as another author might write it. It has lists, several objects in a file, a subchart, hooks, checksums of files,
 * and notes.
 */
const FOREIGN = new Map(
  Object.entries({
    'Chart.yaml': 'apiVersion: v2\nname: other\nversion: 1.0.0\n',
    'values.yaml': 'replicas: 1000000\n',
    'templates/_names.tpl': '{{ define "other.name" }}{{ .Release.Name }}-x{{ end }}',
    'templates/NOTES.txt': 'Thank you for {{ .Chart.Name }}.',
    'templates/config.yaml':
      '{{ define "other.inside" }}v{{ end }}\n---\n# only a comment\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ include "other.name" . }}\n  labels: {own: "", kept: "yes"}\n  annotations:\ndata:\n  a: "---"\n  path: {{ .Template.Name }}\n  b: {{ include "other.inside" . }}\n  block: |\n    line\n\n    other # not a comment\n---\n{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","annotations":{"helm.sh/hook":"post-install","note":"own"}},"stringData":{"n":"0777"}}\n',
    'templates/sub/work.yml':
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  replicas: {{ .Values.replicas }}\n  selector: {matchLabels: {own: d}}\n  template:\n    metadata:\n      labels: {own: d}\n      annotations: {checksum: {{ include (print $.Template.BasePath "/config.yaml") . | sha256sum }}}\n    spec: {containers: [{name: a, image: b}]}\n---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\nspec:\n  schedule: "* * * * *"\n  jobTemplate:\n    spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}}\n---\napiVersion: v1\nkind: List\nmetadata: {}\nitems:\n  - {apiVersion: v1, kind: Service, metadata: {name: one}, spec: {selector: {own: d}}}\n  - {apiVersion: v1, kind: Service, metadata: {name: two}, spec: {selector: {own: d}}}\n---\napiVersion: example.com/v1\nkind: Custom\nmetadata: {name: e}\nspec: {template: {metadata: {name: inner}}}\n',
    'charts/inner/Chart.yaml': 'apiVersion: v2\nname: inner\nversion: 1.0.0\n',
    'charts/inner/values.yaml': '{}\n',
    'charts/inner/templates/empty.yaml': '{{ if .Values.never }}a: b{{ end }}',
    'charts/inner/templates/map.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: inner}\n',
  }).map(([path, text]) => [path, Buffer.from(text)] as const),
);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'larder-labels-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function pack(name: string, files: ReadonlyMap<string, Uint8Array>): Promise<string> {
  const file = join(folder, `${name}.tgz`);
  await writeFile(file, await writeChartArchive('other', files, { epoch: 0 }));
  return file;
}

type Any = Record<string, never> & { metadata: { name: string; labels?: object; annotations?: object } };

describe.skipIf(HELMS.length === 0).each(HELMS)('$name (needs helm)', ({ path }) => {
  test('labels each object of a chart of another author, and changes nothing else', async () => {
    const plain = await renderChart(path, await pack('plain', FOREIGN));
    const labelled = await renderChart(path, await pack('labelled', labelObjects(FOREIGN, METADATA)));
    const find = (name: string) => labelled.find(({ metadata }) => metadata?.name === name) as unknown as Any;
    expect(labelled).toHaveLength(plain.length);
    expect(find('shop-x')).toMatchObject({
      metadata: { labels: { own: '', kept: 'yes', team: 'a' }, annotations: { note: 'x' } },
      data: { a: '---', path: 'other/templates/config.yaml', b: 'v', block: 'line\n\nother # not a comment\n' },
    });
    expect(find('s')).toMatchObject({
      metadata: { labels: METADATA.labels, annotations: { 'helm.sh/hook': 'post-install', note: 'own' } },
      stringData: { n: '0777' },
    });
    expect(find('d')).toMatchObject({
      metadata: METADATA,
      spec: {
        replicas: 1000000,
        selector: { matchLabels: { own: 'd' } },
        template: { metadata: { labels: { own: 'd', team: 'a' } } },
      },
    });
    expect(find('c')).toMatchObject({
      metadata: METADATA,
      spec: { jobTemplate: { metadata: METADATA, spec: { template: { metadata: METADATA } } } },
    });
    expect(find('e')).toMatchObject({ metadata: METADATA, spec: { template: { metadata: { name: 'inner' } } } });
    expect(JSON.stringify(find('e')['spec'])).not.toContain('team');
    expect(find('inner').metadata).toMatchObject(METADATA);
    const list = labelled.find(({ kind }) => kind === 'List') as unknown as { metadata: object; items: Any[] };
    for (const item of list.items) expect(item.metadata).toMatchObject(METADATA);
    expect(list.metadata).toEqual({});
  });

  test('leaves a text that is not an object to helm', async () => {
    const broken = new Map([...FOREIGN, ['templates/broken.yaml', Buffer.from('a: [\n')] as const]);
    const file = await pack('broken', labelObjects(broken, METADATA));
    await expect(runHelm(path, 'template', file)).rejects.toThrow('broken.yaml');
  });
});

test('a chart without metadata to add stays as it is, and names that are needed must be free', () => {
  expect(labelObjects(FOREIGN, { labels: {}, annotations: {} })).toBe(FOREIGN);
  for (const path of ['templates/_larder-customization.tpl', 'templates/_larder-original.config.yaml']) {
    const files = new Map([...FOREIGN, [path, Buffer.from('')] as const]);
    expect(() => labelObjects(files, METADATA)).toThrow(`${path} has a name that Larder needs`);
  }
});
