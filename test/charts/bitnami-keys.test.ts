// Compares the values of a chart with the values of Bitnami's chart of the same product. The folder bitnami-keys/ has two
// kinds of files. `<chart>.txt` lists the documented keys of a chart. `used-<chart>.tsv` lists the keys that public values
// files set, each with the number of files.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chartKeys, readChartFile } from './assembled-chart.ts';
import { isDocumented, readChartValues } from './chart-values.ts';

const KEYS = join(import.meta.dirname, 'bitnami-keys');
const GUIDE = readFileSync(new URL('../../docs/migrate-from-bitnami.md', import.meta.url), 'utf8');
const DOCUMENTED_SHARE_MIN = 0.9;
const FILES_MIN = 2;

/** A documented key that no chart itself has. Helm reads it for the dependencies of an umbrella chart. */
const NOT_OF_CHARTS = ['enabled'];

const linesOf = (name: string) => readFileSync(join(KEYS, name), 'utf8').trim().split('\n');

/** Returns the keys that values files of a chart set, with the number of files. */
function usedKeys(chart: string): Map<string, number> {
  const rows = linesOf(`used-${chart}.tsv`).slice(1);
  return new Map(rows.map((line) => line.split('\t')).map(([key = '', files]) => [key, Number(files)]));
}

/** The keys that values files set, with the number of files, one map for each chart. */
const USED_KEYS = readdirSync(KEYS).flatMap((name) => {
  const chart = /^used-(.*)\.tsv$/.exec(name)?.[1];
  return chart === undefined ? [] : [usedKeys(chart)];
});
const filesWith = (key: string) => USED_KEYS.reduce((sum, keys) => sum + (keys.get(key) ?? 0), 0);

/** Whether the migration guide names the key, or names a part above it as `part.*`. */
const isExplained = (key: string) =>
  [key, ...key.split('.').map((_, at, parts) => `${parts.slice(0, at).join('.')}.*`)].some((name) =>
    GUIDE.includes(`\`${name}\``),
  );

const charts = await chartKeys();

describe.each(charts.filter((chart) => existsSync(join(KEYS, `${chart}.txt`))))('the chart %s', async (chart) => {
  const sections = readChartValues(await readChartFile(chart, 'values.yaml'));
  const documented = linesOf(`${chart}.txt`);

  test('has at least nine of ten documented keys, and the guide explains the others', () => {
    const missing = documented.filter((key) => !isDocumented(sections, key));
    const share = 1 - missing.length / documented.length;
    const count = `${documented.length - missing.length} of ${documented.length} documented keys`;
    expect(GUIDE).toContain(`${count}: ${(share * 100).toFixed(1)} %`);
    expect(share).toBeGreaterThanOrEqual(DOCUMENTED_SHARE_MIN);
    expect(missing.filter((key) => !isExplained(key))).toEqual([]);
  });
});

const used = charts.filter((chart) => existsSync(join(KEYS, `used-${chart}.tsv`)));
test.each(used)('the chart %s has every key that two values files set, or the guide explains it', async (chart) => {
  const sections = readChartValues(await readChartFile(chart, 'values.yaml'));
  const wanted = [...usedKeys(chart).keys()].filter(
    (key) => filesWith(key) >= FILES_MIN && !NOT_OF_CHARTS.includes(key),
  );
  expect(wanted.filter((key) => !isDocumented(sections, key) && !isExplained(key))).toEqual([]);
});
