// A key that `larder charts check-values` reports as ignored has no effect. Helm renders each chart with an unknown key in
// every map of its values.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkValues, type ValuesSchema } from '../../src/cli/chart-values.ts';
import { assembleChart, chartKeys, readChartFile } from './assembled-chart.ts';
import { HELMS, renderText } from './helm.ts';
import { listValueFiles } from './value-sets.ts';

const [helm] = HELMS;
/** The time limit for about ten renderings. */
const RENDERINGS_MS_MAX = 120_000;
const UNKNOWN = 'unknownKey';

type Values = { [name: string]: string | Values };

/**
 * Returns values with an unknown key in each documented map. Each unknown key has its own path, between marks, as its value.
 */
function unknownKeys(schema: ValuesSchema, path = ''): Values {
  const maps = Object.entries(schema.properties ?? {}).filter(([, { properties }]) => properties !== undefined);
  const inner = maps.map(([name, below]) => [name, unknownKeys(below, `${path}${name}.`)] as const);
  return { ...Object.fromEntries(inner), [UNKNOWN]: `<${path}${UNKNOWN}>` };
}

test.skipIf(helm === undefined).each(await chartKeys())(
  'the chart %s ignores what the command calls ignored (needs helm)',
  async (name) => {
    await using chart = await assembleChart(name);
    const directory = await mkdtemp(join(tmpdir(), 'larder-ignored-'));
    const schema: ValuesSchema = JSON.parse(await readChartFile(name, 'values.schema.json'));
    const unknown = JSON.stringify(unknownKeys(schema));
    const file = join(directory, 'unknown.json');
    await writeFile(file, unknown);
    const ignored = checkValues(unknown, schema).filter(({ kind }) => kind === 'ignored');
    expect(ignored.length).toBeGreaterThan(10);
    for (const set of await listValueFiles(name, 'values', 'values-for-effect')) {
      const rendered = await renderText(helm?.path ?? '', chart.path, '-f', set.path, '-f', file);
      const read = ignored.filter(({ key }) => rendered.includes(`<${key}>`)).map(({ key }) => key);
      expect([set.name, read]).toEqual([set.name, []]);
    }
    await rm(directory, { recursive: true });
  },
  RENDERINGS_MS_MAX,
);
