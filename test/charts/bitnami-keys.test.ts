// Compares the values of a chart with those of Bitnami's chart of the same product. In bitnami-keys/, `<chart>.txt` lists the documented keys,
// and `used-<chart>.tsv` the keys that public values files set, each with the number of files.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chartKeys, readChartFile } from './assembled-chart.ts';
import { isDocumented, readChartValues } from './chart-values.ts';

const KEYS = join(import.meta.dirname, 'bitnami-keys');
const GUIDE = readFileSync(new URL('../../docs/migrate-from-bitnami.md', import.meta.url), 'utf8');
const DOCUMENTED_SHARE_MIN = 0.9;
const CHARTS_MIN = 2;

/** Helm reads it for dependencies of an umbrella chart; no chart has it itself. */
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
    const count = `${documented.length - missing.length} of ${documented.length} documented keys`;
    expect(GUIDE).toContain(`${count}: ${(share * 100).toFixed(1)} %`);
    expect(share).toBeGreaterThanOrEqual(DOCUMENTED_SHARE_MIN);
    expect(missing.filter((key) => !isExplained(key))).toEqual([]);
  });

  test('has every key that files for it and for another chart set, or the guide explains it', () => {
    const shared = sharedKeys();
    const wanted = [...shared].filter(([, by]) => by.includes(chart)).map(([key]) => key);
    expect(wanted.filter((key) => !isDocumented(sections, key) && !isExplained(key))).toEqual([]);
  });
});
