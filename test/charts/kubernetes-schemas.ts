// Makes the schemas in charts/schemas/ from the schemas that `npm run clients` installs. They have only the kinds that charts
// may contain, and no descriptions.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KUBERNETES_KINDS } from '../../src/packaging/chart/kubernetes-kinds.ts';
import { SCHEMAS } from '../clients.ts';

type Schema = { [keyword: string]: unknown };

/**
 * Keywords that define which values are valid. The other keywords describe a field, or define how two versions of an object
 * are merged.
 */
const KEPT = ['type', 'enum', 'required', '$ref', 'items', 'properties', 'additionalProperties'];
/** The bounds of the formats of whole numbers. */
const INT32 = { minimum: -(2 ** 31), maximum: 2 ** 31 - 1 };
/** The syntax of base64 (RFC 4648, section 4), as the API server decodes it. */
const BASE64 = '^(?:[A-Za-z0-9+/\\s]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\\s*$';

/** Returns the text of a file in charts/schemas/. */
export async function reducedSchemas(version: string): Promise<string> {
  const file = join(SCHEMAS ?? '', `v${version}-standalone-strict`, '_definitions.json');
  const { $defs } = JSON.parse(await readFile(file, 'utf8')) as { $defs: Record<string, Schema> };
  const reduced: Record<string, Schema> = {};
  const left = Object.values(KUBERNETES_KINDS);
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    if (name in reduced) continue;
    const definition = $defs[name];
    if (definition === undefined) throw new Error(`Kubernetes ${version} has no definition ${name}`);
    reduced[name] = reduce(definition);
    left.push(...referencesIn(reduced[name]));
  }
  const lines = Object.keys(reduced)
    .sort()
    .map((name) => `${JSON.stringify(name)}: ${JSON.stringify(reduced[name])}`);
  return `{\n"$defs": {\n${lines.join(',\n')}\n}}\n`;
}

function reduce(schema: Schema): Schema {
  // The value is a text or a number. The published schema is a `oneOf` that wrongly rejects null, because both of its
  // branches allow null.
  const union = schema['oneOf'] as { type: string[] }[] | undefined;
  if (union !== undefined) return { type: [...new Set(union.flatMap(({ type }) => type))] };
  const kept = KEPT.filter((keyword) => keyword in schema).map((keyword) => [
    keyword,
    reduceKeyword(keyword, schema[keyword]),
  ]);
  const bounds = schema['format'] === 'int32' ? INT32 : schema['format'] === 'byte' ? { pattern: BASE64 } : {};
  return { ...Object.fromEntries(kept), ...bounds };
}

/** Fields that Kubernetes writes itself, so that charts must not set them. */
const NOT_OF_CHARTS = ['status', 'managedFields'];

function reduceKeyword(keyword: string, value: unknown): unknown {
  if (keyword === 'properties') {
    const fields = Object.entries(value as Record<string, Schema>).filter(([name]) => !NOT_OF_CHARTS.includes(name));
    return Object.fromEntries(fields.map(([name, field]) => [name, reduce(field)]));
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? reduce(value as Schema) : value;
}

function referencesIn(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const own = (schema as Schema)['$ref'];
  return [
    ...(typeof own === 'string' ? [own.replace('#/$defs/', '')] : []),
    ...Object.values(schema).flatMap(referencesIn),
  ];
}
