// The OpenAPI document. The committed file and the served documents equal the contract, and all references resolve.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { openTestApi, type TestApi } from '../../../test/api.ts';
import { endpoints, operations } from '../../contract/endpoints.ts';
import { openApiDocument } from './openapi.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
}, 60_000);
afterAll(() => api.close());

const document = openApiDocument() as {
  openapi: string;
  paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown> }>>;
};

describe('the document', () => {
  test('is the committed one; `vitest -u` writes it', async () => {
    await expect(`${JSON.stringify(document, null, 2)}\n`).toMatchFileSnapshot('../../../openapi.json');
  });

  test('is served as JSON and YAML without a token', async () => {
    for (const path of ['/v1/api.json', '/openapi.json']) {
      const json = await api.ask('GET', path, { token: undefined });
      expect(json.headers['content-type']).toContain('application/json');
      expect(json.json()).toEqual(document);
    }
    const yaml = await api.ask('GET', '/v1/api.yml', { token: undefined });
    expect(yaml.headers['content-type']).toContain('application/yaml');
    expect(parse(yaml.body)).toEqual(document);
  });

  test('is OpenAPI 3.1 and names every operation once', () => {
    expect(document.openapi).toBe('3.1.0');
    const ids = Object.values(document.paths).flatMap((path) => Object.values(path).map((one) => one.operationId));
    expect(ids.sort()).toEqual([...operations].sort());
  });

  test('contains everything that it refers to', () => {
    const references = JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g);
    for (const [, pointer = ''] of references) {
      const found = pointer.split('/').reduce<unknown>((at, step) => (at as Record<string, unknown>)?.[step], document);
      expect(found, pointer).toBeDefined();
    }
    expect(JSON.stringify(document)).not.toMatch(/"(expects|observed)":/);
  });

  test('has an example with every field for the answer of getRelease', () => {
    const release = JSON.parse(JSON.stringify(document.paths[endpoints.getRelease.path]?.['get']?.responses['200']));
    const { example } = release.content['application/json'];
    expect(Object.keys(example)).toEqual(Object.keys(endpoints.getRelease.success.body.properties));
  });
});
