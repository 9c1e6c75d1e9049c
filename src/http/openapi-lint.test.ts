// Checks the OpenAPI document with Redocly's recommended rules, all as errors. Also checks the examples and links.
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { openApiDocument } from './openapi/openapi.ts';
import { LOCATION_PARAMETER } from './openapi/openapi-links.ts';

/** Rules in addition to `recommended-strict`, in which every recommended rule is an error. None of its rules is disabled. */
const RULES = {
  'no-invalid-media-type-examples': {
    severity: 'error',
    // Without this, the rule would also check the parts of `allOf`, and each part names only some of the fields. Schemas that
    // reject unknown fields say so themselves (additionalProperties).
    allowAdditionalProperties: true,
  },
  'operation-4xx-problem-details-rfc7807': 'error',
  'operation-tag-defined': 'error',
  'parameter-description': 'error',
  'path-params-defined': 'error',
  'component-name-unique': 'error',
} as const;

type Media = { example?: unknown; schema: unknown };
type Answer = { $ref?: string; content?: Record<string, Media>; links?: Record<string, Link> };
type Link = { operationId: string; parameters: Record<string, string>; [LOCATION_PARAMETER]?: string };
type OperationObject = {
  operationId: string;
  parameters?: { name?: string; in?: string }[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, Answer>;
};

const document = openApiDocument() as {
  paths: Record<string, Record<string, OperationObject>>;
  components: { responses: Record<string, Answer> };
};
const operations = Object.values(document.paths).flatMap((path) => Object.values(path));

describe('the linter', () => {
  let problems: Awaited<ReturnType<typeof lintFromString>>;
  beforeAll(async () => {
    const config = await createConfig({ extends: ['recommended-strict'], rules: RULES });
    problems = await lintFromString({ source: JSON.stringify(document), absoluteRef: 'openapi.json', config });
  });

  test('finds no problem', () => {
    const found = problems.map(
      ({ ruleId, message, location }) => `${ruleId}: ${message} (${location[0]?.pointer ?? ''})`,
    );
    expect(found).toEqual([]);
  });

  test('finds a wrong example', async () => {
    const config = await createConfig({ extends: ['recommended-strict'], rules: RULES });
    const broken = structuredClone(document);
    const [first] = Object.values(broken.paths['/v1/registries'] ?? {}).filter(({ requestBody }) => requestBody);
    if (first?.requestBody) first.requestBody.content['application/json'] = { schema: { type: 'object' }, example: 7 };
    const found = await lintFromString({ source: JSON.stringify(broken), absoluteRef: 'openapi.json', config });
    expect(found.map(({ ruleId }) => ruleId)).toContain('no-invalid-media-type-examples');
  });
});

describe('examples', () => {
  test('exist for every body of requests, answers and problems', () => {
    const answers = [
      ...operations.flatMap((one) => Object.values(one.responses)),
      ...Object.values(document.components.responses),
    ];
    const media = [...operations.map(({ requestBody }) => requestBody), ...answers].flatMap((one) =>
      Object.values(one?.content ?? {}),
    );
    expect(media.length).toBeGreaterThan(operations.length);
    expect(media.filter(({ example }) => example === undefined)).toEqual([]);
  });
});

describe('links', () => {
  const links = operations.flatMap((one) =>
    Object.values(one.responses).flatMap((answer) => Object.values(answer.links ?? {}).map((link) => ({ one, link }))),
  );

  test('lead to existing operations, with all their path parameters', () => {
    const pathOf = (id: string) =>
      Object.entries(document.paths).find(([, path]) => Object.values(path).some((one) => one.operationId === id))?.[0];
    for (const { link } of links) {
      const names = [...(pathOf(link.operationId) ?? '{nowhere}').matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const made = link[LOCATION_PARAMETER];
      expect([...Object.keys(link.parameters), ...(made === undefined ? [] : [made])].sort()).toEqual(names.sort());
    }
  });

  test('use the runtime expressions of the specification', () => {
    // OpenAPI 3.1.0, Link Object, runtime expressions. This pattern accepts only the RFC 6901 pointers and RFC 7230 tokens
    // that ids need.
    const source =
      /^\$(url|method|statusCode|(request|response)\.(header\.[\w-]+|query\.\w+|path\.\w+|body(#(\/\w+)*)?))$/;
    const taken = links.flatMap(({ link }) => Object.values(link.parameters));
    expect(taken.length).toBeGreaterThan(20);
    expect(taken.filter((expression) => !source.test(expression))).toEqual([]);
  });

  test('lead from a creation to the resource, from a list to an item, from a resource to its parts', () => {
    const from = (id: string) => links.filter(({ one }) => one.operationId === id).map(({ link }) => link.operationId);
    expect(from('createRegistry')).toEqual(['getRegistry']);
    expect(from('createRegistryCredential')).toEqual(['getRegistryCredential']);
    expect(from('listReleases')).toEqual(['getRelease']);
    expect(from('getCatalog')).toEqual(expect.arrayContaining(['listApplications', 'listReleases']));
    expect(from('getApplication')).toEqual(['listRequestsOfApplication']);
    expect(from('getRegistry')).toEqual(['listRegistryCredentials']);
  });

  test('exist for every 201', () => {
    const making = operations.filter(({ responses }) => '201' in responses);
    expect(making.filter(({ responses }) => responses['201']?.links === undefined)).toEqual([]);
  });
});
