// README.md and values.schema.json of each chart must equal the files that are generated from values.yaml. `npm run charts`
// writes them.
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { chartFolder, chartKeys, readChartFile } from './assembled-chart.ts';
import { chartReadme, chartSchema } from './chart-documents.ts';
import { listKeys, readChartValues } from './chart-values.ts';

describe.each(await chartKeys())('the chart %s', async (key) => {
  const values = await readChartFile(key, 'values.yaml');
  const sections = readChartValues(values);
  const { name, version, description } = parse(await readChartFile(key, 'Chart.yaml'));
  const introduction = await readChartFile(key, 'README.head.md');

  test('has the generated schema', async () => {
    await expect(chartSchema(name, sections)).toMatchFileSnapshot(`${chartFolder(key)}/values.schema.json`);
  });

  test('has the generated README', async () => {
    const readme = chartReadme({ name, version, description, introduction }, sections);
    await expect(readme).toMatchFileSnapshot(`${chartFolder(key)}/README.md`);
  });

  test('has defaults that its schema accepts, and a schema that rejects a list for a map', () => {
    const validate = new Ajv({ strict: false }).compile(JSON.parse(chartSchema(name, sections)));
    expect(validate(parse(values)), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ image: [] })).toBe(false);
    // An unknown key has no effect, and must cause no error.
    expect(validate({ sentinal: { enabled: true } })).toBe(true);
  });

  test('describes every key in a sentence', () => {
    const faults = listKeys(sections).filter(({ value }) => !/[.)`]$/.test(value.description));
    expect(faults.map((fault) => fault.key)).toEqual([]);
  });
});

test('a key without a description is rejected by name', () => {
  expect(() => readChartValues('## Names\n\n# Said.\na: 1\nb: 2\n')).toThrow('keys without a description: b');
});
