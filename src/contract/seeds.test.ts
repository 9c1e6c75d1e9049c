// The contract has every field of the published examples, with the same type.
import { readFileSync } from 'node:fs';
import type { TSchema } from 'typebox';
import { describe, expect, test } from 'vitest';
import { CatalogApplicationRequest } from './application-request.ts';
import { CustomizationDetailedPage } from './customization.ts';
import { endpoints } from './endpoints.ts';
import { ConstraintsViolationsError, Problem } from './problem.ts';
import { Release } from './release.ts';

/** Names and types of the fields, by document. `a[].b` is the field b of the items of a. */
const documents = JSON.parse(
  readFileSync(new URL('../../test/fixtures/seed-fields.json', import.meta.url), 'utf8'),
) as Record<string, Record<string, string>>;

const schemas: Record<string, TSchema> = {
  CustomizationDetailedPage,
  Release,
  CatalogApplicationRequest,
  CustomizationCreate: endpoints.createCustomization.multipart.fields,
  ConstraintsViolationsError,
  Error: Problem,
};

type Shape = { type?: string; format?: string; properties?: Record<string, Shape>; items?: Shape; title?: string };

function fieldAt(schema: TSchema, path: string): Shape | undefined {
  let at: Shape | undefined = schema as Shape;
  for (const step of path.split('.')) {
    at = at?.properties?.[step.replace('[]', '')];
    if (step.endsWith('[]')) at = at?.items;
  }
  return at;
}

function typeOf(shape: Shape | undefined): string | undefined {
  if (shape?.title === 'EmbeddedRelease') return 'release';
  return shape?.format === 'date-time' ? 'date-time' : shape?.type;
}

describe.each(Object.entries(documents))('%s', (name, fields) => {
  const wanted = Object.entries(fields).filter(([path]) => path !== 'file');
  test.each(wanted)('%s is %s', (path, type) => {
    const schema = schemas[name];
    expect(schema && typeOf(fieldAt(schema, path))).toBe(type);
  });
});
