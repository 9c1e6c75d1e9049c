// Every documented value of a chart has an effect: with another value, at least one rendering changes. The charts are
// rendered with the test values of the product, and with the sets in values/ and in values-for-effect/. The last folder has
// values that the rules of Pod Security reject, or that exclude other values.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { assembleChart, readChartFile } from './assembled-chart.ts';
import { type ChartValue, listKeys, readChartValues } from './chart-values.ts';
import { HELMS, renderText, withoutRandom } from './helm.ts';
import { listValueFiles } from './value-sets.ts';

const [helm] = HELMS;
const GUIDE = new URL('../../docs/migrate-from-bitnami.md', import.meta.url);
/** The time limit. There are about 700 renderings of 0.1 seconds. On a busy machine, they take several times as long. */
const EFFECT_MS_MAX = 400_000;
/** The beginning of the errors that the chart itself causes. */
const CHART_MESSAGE = 'The values are not valid';
/** How many renderings run at a time. */
const PARALLEL = 4;

/** Values for keys that do not accept the value "other". They are selected by the end of the key. */
const OTHERS: [RegExp, unknown][] = [
  [/^extraDeploy$/, [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'other' } }]],
  [/^containerPorts$/, [{ name: 'other', containerPort: 9 }]],
  [/^service\.ports$/, [{ name: 'other', port: 9 }]],
  [/\.users$/, [{ username: 'other' }]],
  [/\.extraHosts$/, [{ name: 'other' }]],
  [/ngress\.secrets$/, [{ name: 'other', certificate: 'other', key: 'other' }]],
  [/nodePorts\.\w+$/, 31000],
  [/(Limit|minAvailable|maxUnavailable|targetCPU|targetMemory)$/, 7],
  [/nodeAffinityPreset\.type$|(pod|podAnti)AffinityPreset$/, 'hard'],
  [/resourcesPreset$/, 'xlarge'],
  [/\.kind$/, 'DaemonSet'],
  [/service\.type$/, 'ExternalName'],
];

function otherThan(current: unknown, key: string, { choices }: ChartValue): unknown {
  const other = OTHERS.find(([pattern]) => pattern.test(key))?.[1];
  if (other !== undefined) return other;
  if (choices) return choices.find((choice) => choice !== current);
  if (typeof current === 'boolean') return !current;
  if (typeof current === 'number') return current + 1;
  if (Array.isArray(current)) return ['other'];
  return typeof current === 'object' && current !== null ? { other: 'other' } : 'other';
}

const partsOf = (key: string) => key.split('.');
const lookUp = (values: unknown, key: string) =>
  partsOf(key).reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], values);
const nest = (key: string, value: unknown) =>
  partsOf(key).reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);

/** Tests the values of one chart. Each chart has a file in effect/, because one chart takes up to a minute. */
export function testEffect(name: string): void {
  test.skipIf(helm === undefined)(
    'each value of the chart changes a rendering, or says that it has no effect (needs helm)',
    async () => {
      await using chart = await assembleChart(name);
      const directory = await mkdtemp(join(tmpdir(), 'larder-effect-'));
      const render = async (...files: string[]) =>
        withoutRandom(await renderText(helm?.path ?? '', chart.path, ...files.flatMap((file) => ['--values', file])));
      try {
        const files = (await listValueFiles(name, 'values', 'values-for-effect')).map(({ path }) => path);
        const sets = await Promise.all(
          files.map(async (file) => ({ file, text: await readFile(file, 'utf8'), before: await render(file) })),
        );
        // The largest set comes first, because it shows the effect of most keys. The other sets need not be rendered for these
        // keys.
        sets.sort((a, b) => b.text.length - a.text.length);
        const hasEffect = async (key: string, value: ChartValue) => {
          for (const { file, text, before } of sets) {
            const changed = join(directory, `${key}.yaml`);
            await writeFile(
              changed,
              stringify(nest(key, otherThan(lookUp(parse(text), key) ?? value.default, key, value))),
            );
            // If the chart rejects the value with its own message, the value has an effect. After any other error, the next set
            // is tried.
            const after = await render(file, changed).catch((error) =>
              String(error).includes(CHART_MESSAGE) ? '' : before,
            );
            if (after !== before) return true;
          }
          return false;
        };
        const keys = listKeys(readChartValues(await readChartFile(name, 'values.yaml')));
        const left = keys.filter(({ value }) => value.children.length === 0);
        const without: string[] = [];
        const work = async () => {
          for (let next = left.pop(); next !== undefined; next = left.pop()) {
            if (!(await hasEffect(next.key, next.value))) without.push(next.key);
          }
        };
        await Promise.all(Array.from({ length: PARALLEL }, work));
        const documented = keys
          .filter(({ value }) => value.description.endsWith('without effect.'))
          .map(({ key }) => key);
        expect(without.sort()).toEqual(documented.sort());
        const guide = await readFile(GUIDE, 'utf8');
        expect(documented.filter((key) => !guide.includes(`\`${key}\``))).toEqual([]);
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    },
    EFFECT_MS_MAX,
  );
}
