// Converts the schema of a format to a JSON Schema for editors. It uses draft 7, which the YAML language server supports.
import type { TSchema } from 'typebox';

/**
 * Returns the schema as a plain document. `expects` becomes the message that editors show for a value that does not match the
 * pattern.
 */
export function toJsonSchema(schema: TSchema, title: string): Record<string, unknown> {
  return { $schema: 'http://json-schema.org/draft-07/schema#', title, ...(plain(schema) as Record<string, unknown>) };
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  // Removes `discriminator`, because it is a keyword of OpenAPI and of Larder's reader, but not of JSON Schema.
  const { expects, discriminator: _, ...keywords } = value as Record<string, unknown>;
  const entries = Object.entries(keywords).map(([name, held]) => [name, plain(held)]);
  return {
    ...Object.fromEntries(entries),
    ...(typeof expects === 'string' && { patternErrorMessage: `must be ${expects}` }),
  };
}
