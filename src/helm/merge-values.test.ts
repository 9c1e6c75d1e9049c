// Values are merged into values.yaml. Tests which values helm then reads, and which text stays unchanged.
import { describe, expect, test } from 'vitest';
import { chartKeys, readChartFile } from '../../test/charts/assembled-chart.ts';
import { parseRenderedYaml } from '../packaging/chart/rendered-yaml.ts';
import { ChartError } from './chart-error.ts';
import { mergeValues } from './merge-values.ts';

const read = (text: string) => parseRenderedYaml(text)[0];

describe('values', () => {
  test('are merged in mappings, and replace everything else', () => {
    const text = 'a: # of a\n  b: 1\n  c: [1, 2]\n\n# of d\nd: {}\ne: old # of e\nmode: 0644\n';
    const { text: merged, added } = mergeValues(text, {
      a: { c: ['yes', 0.5] },
      d: { '1e3': null },
      e: { f: [] },
      g: true,
    });
    expect(merged).toBe(
      'a:\n  # of a\n  b: 1\n  c:\n    - "yes"\n    - 0.5\n\n# of d\nd:\n  "1e3": null\ne:\n  "f": []\n  # of e\nmode: 0644\n"g": true\n',
    );
    expect(added).toEqual(['g']);
    expect(read(merged)).toEqual({
      ...{ a: { b: 1, c: ['yes', 0.5] }, d: { '1e3': null }, e: { f: [] }, mode: 0o644, g: true },
    });
  });

  test.each(['yes', '0777', '1_000', 'null', '', ' a', 'a: b', '# c', '{{ tpl }}', 'it\'s "q"\n\tnext\u00e9\u2028'])(
    'that are text stay text: %j',
    (text) => {
      expect(read(mergeValues('a: 1\n', { a: text, list: [text], [text]: text }).text)).toEqual({
        ...{ a: text, list: [text] },
        [text]: text,
      });
    },
  );

  test('can be given to an empty file', () => {
    expect(mergeValues('', { a: 1 }).text).toBe('"a": 1\n');
    expect(mergeValues('# nothing\n', { a: 1 }).text).toContain('"a": 1');
  });

  test('are rejected for a file that is not a mapping or not YAML, and if they replace an anchor that is used', () => {
    expect(() => mergeValues('- a\n', { a: 1 })).toThrow(ChartError);
    expect(() => mergeValues('a: [\n', { a: 1 })).toThrow(ChartError);
    expect(() => mergeValues('a: &x 1\nb: *x\n', { a: 2 })).toThrow(/values\.yaml cannot be written: .*anchor/);
  });
});

test.each(await chartKeys())('in the chart of %s, only the given values change', async (key) => {
  const text = await readChartFile(key, 'values.yaml');
  const before = read(text) as Record<string, object>;
  const { text: merged } = mergeValues(text, { commonLabels: { a: 'b' }, added: { deep: [{ yes: 'no' }] } });
  expect(read(merged)).toEqual({ ...before, commonLabels: { a: 'b' }, added: { deep: [{ yes: 'no' }] } });
  const comments = (one: string) => one.split('\n').filter((line) => /^\s*#/.test(line));
  expect(comments(merged)).toEqual(comments(text));
});
