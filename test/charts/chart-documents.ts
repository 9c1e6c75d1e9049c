// Generates a chart's values.schema.json and README.md from the comments in its values.yaml.
import type { ChartSection, ChartValue } from './chart-values.ts';
import { listKeys } from './chart-values.ts';

type Schema = Record<string, unknown>;

/**
 * The types of a text value. YAML reads `port: 6379` and `password: 12345` without quotes as numbers, and an empty text means
 * "not set".
 */
const SCALAR = ['string', 'number', 'boolean', 'null'];

function typeOf({ default: value, choices, description }: ChartValue): Schema {
  if (choices) return { enum: choices };
  const list = description.includes(' a list') ? ['array'] : [];
  if (typeof value === 'boolean') return { type: ['boolean', 'null', ...list] };
  if (typeof value === 'number') return { type: ['number', 'string', 'null'] };
  // Users may write a text with templates instead of a list or a map.
  if (Array.isArray(value)) return { type: ['array', 'string', 'null'] };
  if (typeof value === 'object') return { type: ['object', 'string', 'null'] };
  return { type: value === '' ? [...SCALAR, ...list] : SCALAR };
}

/**
 * Returns the schema of a value. It allows unknown keys, because a quarter of the values files in use contain unknown keys.
 * Unknown keys have no effect.
 */
function schemaOf(value: ChartValue): Schema {
  const described = { description: value.description, default: value.default };
  if (value.children.length === 0) return { ...typeOf(value), ...described };
  return { type: ['object', 'null'], description: value.description, properties: propertiesOf(value.children) };
}

function propertiesOf(values: readonly ChartValue[]): Schema {
  return Object.fromEntries(values.map((value) => [value.name, schemaOf(value)]));
}

/** Returns the JSON Schema against which helm checks values. */
export function chartSchema(name: string, sections: readonly ChartSection[]): string {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: `Values of the chart ${name}`,
    type: 'object',
    properties: propertiesOf(sections.flatMap(({ values }) => values)),
  };
  return `${JSON.stringify(schema, null, 1)}\n`;
}

const escapeCell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function row({ key, value }: { key: string; value: ChartValue }): string {
  const choices = value.choices ? ` One of ${value.choices.map((choice) => `\`${choice}\``).join(', ')}.` : '';
  return `| \`${key}\` | ${escapeCell(value.description)}${choices} | \`${escapeCell(JSON.stringify(value.default))}\` |`;
}

export type ChartReadme = { name: string; version: string; description: string; introduction: string };

/** Returns the README: the text of README.head.md, and then a table of keys for each section. */
export function chartReadme(chart: ChartReadme, sections: readonly ChartSection[]): string {
  const tables = sections.map((section) => {
    const keys = listKeys([section]).filter(({ value }) => value.children.length === 0);
    return `### ${section.title}\n\n| key | meaning | default |\n|---|---|---|\n${keys.map(row).join('\n')}\n`;
  });
  return [
    `<!-- Generated from values.yaml and README.head.md by \`npm run charts\`. -->\n# ${chart.name}\n`,
    `${chart.description}\n`,
    chart.introduction,
    '## Values\n',
    'A key that the chart does not know has no effect and causes no error.\n',
    ...tables,
  ].join('\n');
}
