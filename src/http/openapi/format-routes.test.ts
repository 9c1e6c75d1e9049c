// The JSON Schemas of recipe.yaml and customization.yaml. They are committed and served, and agree with Larder's own reader.
import { readdirSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { openTestApi, type TestApi } from '../../../test/api.ts';
import { DeclarationSchema } from '../../customization/declaration-schema.ts';
import { RecipeSchema } from '../../recipes/recipe-schema.ts';
import { readYaml } from '../../yaml/read-yaml.ts';
import { formatSchemas } from './format-routes.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
}, 60_000);
afterAll(() => api.close());

// `strict` reports keywords that editors do not know. Unions of types are allowed, because a customization accepts both
// `0640` and `"0640"`.
const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false, allErrors: true });
ajv.addVocabulary(['patternErrorMessage']);
addFormats.default(ajv);
const validators = {
  recipe: ajv.compile(formatSchemas.recipe),
  customization: ajv.compile(formatSchemas.customization),
};

/** Whether an editor accepts the text. An editor parses YAML 1.2 and then validates the value. */
function isValid(format: keyof typeof validators, text: string): boolean {
  return validators[format](parse(text));
}

function isRead(format: keyof typeof validators, text: string): boolean {
  const schema = format === 'recipe' ? RecipeSchema : DeclarationSchema;
  return readYaml(Buffer.from(text), schema).violations.length === 0;
}

const PRODUCTS = new URL('../../../products/', import.meta.url);
const recipes = readdirSync(PRODUCTS, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const recipeText = (name: string) => readFileSync(new URL(`${name}/recipe.yaml`, PRODUCTS), 'utf8');

describe('the published schemas', () => {
  test.each(['recipe', 'customization'] as const)(
    '%s is the committed one; `npm run schemas` writes it',
    async (name) => {
      await expect(`${JSON.stringify(formatSchemas[name], null, 2)}\n`).toMatchFileSnapshot(
        `../../../docs/schema/${name}.json`,
      );
    },
  );

  test('are served without a token', async () => {
    for (const [name, schema] of Object.entries(formatSchemas)) {
      const answer = await api.ask('GET', `/larder/v1/schemas/${name}.json`, { token: undefined });
      expect(answer.statusCode).toBe(200);
      expect(answer.headers['content-type']).toContain('application/schema+json');
      expect(answer.json()).toEqual(schema);
    }
  });

  test('describe every field', () => {
    for (const { properties } of Object.values(formatSchemas) as unknown as { properties: object }[])
      for (const [name, property] of Object.entries(properties))
        if (name !== 'branch') expect(property, name).toHaveProperty('description');
  });
});

describe('a JSON Schema validator', () => {
  test.each(recipes)('accepts the recipe of %s, which names the schema', (name) => {
    const text = recipeText(name);
    expect(text.split('\n', 1)[0]).toBe('# yaml-language-server: $schema=../../docs/schema/recipe.json');
    validators.recipe(parse(text));
    expect(validators.recipe.errors ?? []).toEqual([]);
  });

  const redis = recipeText('redis');
  test.each<[string, string, string]>([
    ['a misspelled key', 'category:', 'kategory:'],
    ['a number instead of a text', 'branch: "7.0"', 'branch: 7.0'],
    ['a mode without quotes', 'mode: "0775"', 'mode: 0775'],
    ['a version in an input', 'debian/redis-server', 'debian/redis-server@7.0.15'],
    ['root as its user', 'uid: 1001, gid: 0, home', 'uid: 0, gid: 0, home'],
    ['a privileged port', '- port: 6379', '- port: 637'],
    ['a relative path', 'working_directory: /data', 'working_directory: data'],
    ['a path with ..', '- /var/lib/redis', '- /var/../etc'],
    ['a path below /run', '- /var/lib/redis', '- /run/redis'],
    ['an unknown test', 'kind: tcp', 'kind: telnet'],
    ['a field of another test', 'kind: tcp,', 'kind: tcp, path: /,'],
    ['a day that does not exist', '2028-06-30', '2028-06-31'],
    ['an empty text', 'category: Database', 'category: ""'],
    ['a variable in lower case', 'REDIS_PORT: "6379"', 'redis_port: "6379"'],
    ['an unknown format', 'format: 1', 'format: 2'],
    ['an unknown packaging', '[CONTAINER_IMAGE, HELM_CHART]', '[SNAP]'],
    ['a license path with ..', 'path: usr/share', 'path: ../usr/share'],
  ])('rejects a recipe with %s, as the reader does', (_, from, to) => {
    const text = redis.replace(from, to);
    expect(text).not.toBe(redis);
    expect({ reader: isRead('recipe', text), validator: isValid('recipe', text) }).toEqual({
      reader: false,
      validator: false,
    });
  });

  test.each([
    '',
    'labels:',
    'packages: [curl, "libc6:amd64=2.36-9"]',
    'files: [{path: /etc/a, mode: 0640, owner: 1001}, {path: /etc/b, mode: "0640", owner: redis:adm, content: 5}]',
    'environment: {YES: yes, NUMBER: 0x10, EMPTY: "", discovery.type: single-node, "A B": true}',
    'users: [{name: app, uid: 1001, gid: "0", groups: [adm]}, {name: other, uid: "1002", groups: }]',
    'environment: &a {A: b}\nlabels: *a',
  ])('accepts a customization that the reader accepts: %j', (text) => {
    expect(isRead('customization', text)).toBe(true);
    validators.customization(parse(text));
    expect(validators.customization.errors ?? []).toEqual([]);
  });

  test.each([
    'enviroment: {A: b}',
    'packages: [Curl]',
    'packages: curl',
    'files: [{mode: 0640}]',
    'files: [{path: /a, mode: rwx}]',
    'environment: {"a=b": c}',
    'environment: {A: null}',
    'environment: {A: [b]}',
    'labels: {" a": b}',
    'users: [{name: app}]',
    'users: [{name: 5app, uid: 5}]',
    'certificates: [{name: a/b, pem: x}]',
  ])('rejects a customization that the reader rejects: %j', (text) => {
    expect({ reader: isRead('customization', text), validator: isValid('customization', text) }).toEqual({
      reader: false,
      validator: false,
    });
  });
});
