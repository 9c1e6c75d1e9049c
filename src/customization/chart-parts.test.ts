// The parts of customizations that change charts: what is accepted, and each rejection.
import { describe, expect, it } from 'vitest';
import { inspect, rejections, rootfs, yaml } from '../../test/fixtures/customization.ts';
import { entry } from '../../test/fixtures/tar.ts';
import { CHART_TEMPLATES_BYTES_MAX, CHART_TEMPLATES_MAX } from './limits.ts';

const template = (path: string, content: string | Buffer = 'kind: ConfigMap\n') =>
  entry(`chart/templates/${path}`, { content });

describe('accepted', () => {
  it('values with their types, labels, annotations and templates', async () => {
    const { chart, part_kinds } = await inspect([
      yaml(
        'chart:',
        '  values:',
        '    replicaCount: 3',
        '    persistence: {enabled: false, size: 8Gi}',
        '    quoted: ["yes", \'0777\', "1_000"]',
        '    nothing:',
        '    image: {pullPolicy: Always, debug: true}',
        '    ports: {x: 0x10, ip: 127.0.0.1, ratio: 1.5}',
        '    sidecars: [{name: a, image: \'{{ include "larder.image" . }}\'}]',
        '  labels: {example.com/team: platform, cost-center: 4711, empty: ""}',
        '  annotations: {example.com/text: "any `text`\\n{{ not a template }}"}',
      ),
      template('extra.yaml'),
      template('tests/extra.yml'),
      template('_extra.tpl', '{{- define "company.a" }}{{ end }}{{ block `company.b` . }}{{ end }}'),
    ]);
    expect(part_kinds).toEqual(['CHART']);
    expect(chart?.values).toMatchObject({
      replicaCount: 3,
      persistence: { enabled: false, size: '8Gi' },
      quoted: ['yes', '0777', '1_000'],
      nothing: null,
      ports: { x: 16, ip: '127.0.0.1', ratio: 1.5 },
    });
    expect(chart?.labels).toEqual({ 'example.com/team': 'platform', 'cost-center': '4711', empty: '' });
    expect(chart?.annotations).toEqual({ 'example.com/text': 'any `text`\n{{ not a template }}' });
    expect(chart?.templates.map(({ path, defines }) => [path, defines])).toEqual([
      ['_extra.tpl', ['company.a', 'company.b']],
      ['extra.yaml', []],
      ['tests/extra.yml', []],
    ]);
  });

  it('an archive with parts for images alone, for both, and with an empty chart', async () => {
    expect(await inspect([rootfs('a', { content: 'x' }), yaml('chart: {values: {}}')])).toMatchObject({
      part_kinds: ['IMAGE'],
    });
    expect(await inspect([rootfs('a', { content: 'x' })])).not.toHaveProperty('chart');
    expect((await inspect([rootfs('a', { content: 'x' }), template('a.yaml')])).part_kinds).toEqual(['IMAGE', 'CHART']);
    expect(await rejections(yaml('chart:'))).toEqual([expect.stringContaining('the archive changes nothing')]);
  });
});

describe('rejected', () => {
  it.each([
    ['chart/values.yaml', 'only chart/templates/ may be in chart/; write the values into customization.yaml'],
    ['chart/Chart.yaml', 'only chart/templates/ may be in chart/'],
    ['charts/templates/a.yaml', 'rename it to chart'],
    ['templates/a.yaml', 'move it to chart/templates'],
    ['chart/templates/a.txt', 'a template is called NAME.yaml'],
    ['chart/templates/_a.yaml', 'a template is called NAME.yaml'],
    ['chart/templates/a.tpl', 'a template is called NAME.yaml'],
    ['chart/templates/NOTES.txt', 'the chart has its own NOTES.txt'],
    ['chart/templates/_larder-original.a.tpl', 'names that begin with _larder- are those of Larder'],
    ['chart/templates/a b.yaml', 'names in chart/templates/ are'],
    ['chart/templates/.hidden.yaml', 'names in chart/templates/ are'],
    ['chart/templates/a/b/c/d/e.yaml', 'it is deeper than 3 folders'],
  ])('the name %s', async (path, message) => {
    expect(await rejections(entry(path, { content: 'x' }))).toEqual([expect.stringContaining(message)]);
  });

  it('names that lead out of the folder, links and devices', async () => {
    expect(await rejections(template('../../../etc/a.yaml'))).toEqual([expect.stringContaining('..')]);
    for (const type of ['symlink', 'hardlink'] as const) {
      const told = await rejections(entry('chart/templates/a.yaml', { type, target: '/etc/passwd' }));
      expect(told).toEqual([expect.stringMatching(/regular file|hard link/)]);
    }
    expect(await rejections(entry('chart/templates/a.yaml', { type: 'fifo' }))).toHaveLength(1);
    expect(await rejections(entry('chart/templates', { content: 'x' }))).toEqual([
      expect.stringContaining('it must be a folder'),
    ]);
    expect(await rejections(entry('chart', { content: 'x' }))).toEqual([
      expect.stringContaining('it must be a folder'),
    ]);
  });

  it.each([
    [' \n', 'the template is empty'],
    [Buffer.from([0xff, 0x61]), 'a template must be UTF-8'],
    ['\ufeffa: b', 'byte order mark'],
    ['a: \u0001', 'control characters'],
    ['{{ define "a\\x62" }}{{ end }}', 'names have letters, digits'],
  ])('the text %j', async (text, message) => {
    expect(await rejections(template('a.yaml', text))).toEqual([expect.stringContaining(message)]);
  });

  it('too many templates, too large ones, and two that define one name', async () => {
    const many = Array.from({ length: CHART_TEMPLATES_MAX + 1 }, (_, n) => template(`${n}.yaml`));
    expect(await rejections(...many)).toEqual([
      `file: the archive has more than ${CHART_TEMPLATES_MAX} templates in chart/templates/`,
    ]);
    const half = 'a'.repeat(CHART_TEMPLATES_BYTES_MAX / 2 + 1);
    expect(await rejections(template('a.yaml', half), template('b.yaml', half))).toEqual([
      expect.stringContaining('the templates of an archive may have'),
    ]);
    expect(await rejections(template('a.yaml', half + half))).toEqual([
      expect.stringContaining('the templates of an archive may have'),
    ]);
    const define = '{{define "x"}}{{end}}';
    expect(await rejections(template('_a.tpl', define), template('_b.tpl', define))).toEqual([
      'file:chart/templates/_b.tpl: it defines "x", which _a.tpl defines too',
    ]);
  });

  it.each([
    ['values: {enabled: yes}', 'line 2: chart.values.enabled is "yes" without quotes'],
    ['values: {mode: 0644}', 'chart.values.mode is "0644" without quotes'],
    ['values: {a: [{b: 1_000}]}', 'chart.values.a["0"].b is "1_000" without quotes'],
    ['values: {a: 12:30}', 'without quotes'],
    ['values: {a: .inf}', 'chart.values.a is a number that programs read differently'],
    ['values: {a: 12345678901234567890}', 'chart.values.a is a number that programs read differently'],
    ['values: {a: "x\\0"}', 'text without NUL'],
    ['values: {__proto__: {a: b}}', 'is not allowed as a key'],
    ['values: [a]', 'chart.values must be a mapping'],
    ['values: {a: !!binary aGk=}', 'tags'],
    ['values: {a: *b}', 'has no anchor'],
    ['labels: {a: b c}', 'chart.labels.a must be the value of a label of Kubernetes'],
    ['labels: {-a: b}', 'a key of chart.labels must be a name of Kubernetes'],
    ['labels: {Example.com/a: b}', 'a key of chart.labels must be a name of Kubernetes'],
    ['labels: {app.kubernetes.io/name: b}', 'app.kubernetes.io/name is set by charts'],
    ['annotations: {helm.sh/hook: b}', 'helm.sh/hook has a meaning for helm'],
    ['annotations: {meta.helm.sh/release-name: b}', 'has a meaning for helm'],
    ['template: {}', 'chart.template is not known; expected values, labels, annotations'],
  ])('%s', async (line, message) => {
    expect(await rejections(yaml('chart:', `  ${line}`))).toEqual([expect.stringContaining(message)]);
  });

  it.each([
    'image: {registry: evil.example.com}',
    'image: {tag: latest}',
    'metrics: {image: {digest: ""}}',
    'volumePermissions: {image: null}',
    'image: evil.example.com/redis:latest',
    'sidecars: [{name: a, image: evil.example.com/redis}]',
    'other: {repository: a, tag: b}',
    'global: {imageRegistry: evil.example.com}',
  ])('the image in values: {%s}', async (value) => {
    const told = await rejections(yaml('chart:', '  values:', `    ${value}`));
    expect(told.length).toBeGreaterThan(0);
    for (const one of told)
      expect(one).toMatch(
        /line \d+: chart\.values\..* names an image, and the images of a chart are those of its release/,
      );
  });

  it('values and annotations that are too large, also by aliases, in little time', async () => {
    const long = 'x'.repeat(500_000);
    expect(await rejections(yaml('chart:', `  values: {a: ${long}}`))).toEqual([
      expect.stringContaining('chart.values is larger than'),
    ]);
    const tens = (anchor: string) => Array.from({ length: 40 }, () => `*${anchor}`).join(', ');
    const bomb = yaml(
      `labels: {x: &t ${'x'.repeat(4000)}}`,
      'chart:',
      '  values:',
      `    a: &a [${tens('t')}]`,
      `    b: [${tens('a')}]`,
    );
    const started = performance.now();
    expect(await rejections(bomb)).toEqual([expect.stringContaining('chart.values is larger than')]);
    expect(performance.now() - started).toBeLessThan(2000);
    const annotations = Array.from({ length: 5 }, (_, n) => `    a${n}: ${'x'.repeat(15_000)}`);
    expect(await rejections(yaml('chart:', '  annotations:', ...annotations))).toEqual([
      expect.stringContaining('chart.annotations is larger than'),
    ]);
    const deep = `${'{a: '.repeat(40)}b${'}'.repeat(40)}`;
    expect(await rejections(yaml(`chart: {values: ${deep}}`))).toEqual([expect.stringContaining('nested too deeply')]);
  });
});
