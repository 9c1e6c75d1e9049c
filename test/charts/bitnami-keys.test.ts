// How much of the interface that users of Bitnami's charts know a chart has. The key names are facts; bitnami-keys/ has them.
// `<chart>.txt`: documented keys. `used-<chart>.tsv`: keys that values files in public set, with how many set each.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chartKeys, readChartFile } from './assembled-chart.ts';
import { isDocumented, readChartValues } from './chart-values.ts';

const KEYS = join(import.meta.dirname, 'bitnami-keys');
const GUIDE = readFileSync(new URL('../../docs/migrate-from-bitnami.md', import.meta.url), 'utf8');
const DOCUMENTED_SHARE_MIN = 0.9;
const CHARTS_MIN = 2;

/** In every chart: whether an umbrella chart has it at all. Helm's own, never a chart's. */
const NOT_OF_CHARTS = ['enabled'];

const usedKeys = (chart: string) =>
  readFileSync(join(KEYS, `used-${chart}.tsv`), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t')[0] ?? '');

/** Keys that the files of at least two charts set, with the charts. */
function sharedKeys(): Map<string, string[]> {
  const charts = readdirSync(KEYS).flatMap((name) => /^used-(.*)\.tsv$/.exec(name)?.[1] ?? []);
  const all = new Map<string, string[]>();
  for (const chart of charts) for (const key of usedKeys(chart)) all.set(key, [...(all.get(key) ?? []), chart]);
  return new Map([...all].filter(([key, by]) => by.length >= CHARTS_MIN && !NOT_OF_CHARTS.includes(key)));
}

/** Keys that the migration guide names for a chart, as `key` or as `part.*`. */
const isExplained = (key: string) =>
  [key, ...key.split('.').map((_, at, parts) => `${parts.slice(0, at).join('.')}.*`)].some((name) =>
    GUIDE.includes(`\`${name}\``),
  );

describe.each(await chartKeys())('the chart %s', async (chart) => {
  const sections = readChartValues(await readChartFile(chart, 'values.yaml'));
  const documented = readFileSync(join(KEYS, `${chart}.txt`), 'utf8')
    .trim()
    .split('\n');

  test('has at least nine of ten documented keys, and the guide explains the others', () => {
    const missing = documented.filter((key) => !isDocumented(sections, key));
    const share = 1 - missing.length / documented.length;
    console.log(
      `${chart}: ${documented.length - missing.length} of ${documented.length} documented keys (${(share * 100).toFixed(1)} %)`,
    );
    expect(share).toBeGreaterThanOrEqual(DOCUMENTED_SHARE_MIN);
    expect(missing.filter((key) => !isExplained(key))).toEqual([]);
  });

  test('has every key that files for it and for another chart set, or the guide explains it', () => {
    const shared = sharedKeys();
    const wanted = [...shared].filter(([, by]) => by.includes(chart)).map(([key]) => key);
    expect(wanted.filter((key) => !isDocumented(sections, key) && !isExplained(key))).toEqual([]);
  });
});
