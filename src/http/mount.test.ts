// The adapter from endpoints to routes, with endpoints of this test. Undeclared fields are not sent, and a missing required
// field is a 500.
import { Type } from 'typebox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { CatalogError } from '../catalog/errors.ts';
import { defineEndpoint, READERS, WRITERS } from '../contract/endpoint.ts';
import { CommaList, Flag, Id, Word } from '../contract/field.ts';
import { orderQuery, pageQuery } from '../contract/paging.ts';
import { rejectionOf } from './answer/rejections.ts';
import type { AnyHandler } from './mount.ts';
import { addApi, buildServer } from './server.ts';
import type { ServerParts } from './server-parts.ts';

const Thing = Type.Object({ id: Type.String(), note: Type.Optional(Type.String()) });

const get = defineEndpoint({
  method: 'GET',
  path: '/test/things/{thing}',
  summary: 'Get a thing',
  tag: 'Catalogs',
  access: READERS,
  params: Type.Object({ thing: Type.String() }),
  success: { status: 200, description: 'A thing.', body: Thing },
  problems: [404],
});

const list = defineEndpoint({
  method: 'GET',
  path: '/test/things',
  summary: 'List things',
  tag: 'Catalogs',
  access: READERS,
  query: Type.Object({
    ids: Type.Optional(CommaList(Id('A thing.'), 'Only these.')),
    colours: Type.Optional(CommaList(Word(['RED', 'BLUE'], 'A colour.'), 'Only these.')),
    bare: Flag(false, 'Less.'),
    ...orderQuery(['NAME', 'AGE'], 'DESC'),
    ...pageQuery,
  }),
  success: { status: 200, description: 'What was asked.', body: Type.Object({ input: Type.String() }) },
  problems: [400],
});

const make = defineEndpoint({
  method: 'POST',
  path: '/test/things/{thing}',
  summary: 'Make a thing',
  tag: 'Catalogs',
  access: WRITERS,
  params: Type.Object({ thing: Type.String() }),
  body: Type.Object({ name: Type.String() }),
  success: { status: 201, description: 'Made.', location: '/test/things/{thing}/parts/{id}' },
  problems: [400],
});

const things: Record<string, () => unknown> = {
  rich: () => ({ id: '1', note: 'n', secret: 's', nested: { secret: 's' } }),
  poor: () => ({ note: 'n' }),
  absent: () => {
    throw new CatalogError('NOT_FOUND', 'a secret text');
  },
  used: () => {
    throw new CatalogError('IN_USE', 'Two applications need it.');
  },
};

const table = {
  get: { endpoint: get, handler: (async (_, { thing }: { thing: string }) => things[thing]?.()) as AnyHandler },
  list: { endpoint: list, handler: (async (_, input) => ({ input: JSON.stringify(input) })) as AnyHandler },
  make: { endpoint: make, handler: (async () => ({ id: 'a/b' })) as AnyHandler },
};

function withThings(parts: ServerParts) {
  const app = buildServer(parts);
  app.register((api) => addApi(api, table, parts));
  return app;
}

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ build: withThings });
}, 60_000);
afterAll(() => api.close());

test('undeclared fields are not sent', async () => {
  const answer = await api.ask('GET', '/test/things/rich');
  expect([answer.statusCode, answer.body]).toEqual([200, '{"id":"1","note":"n"}']);
});

test('a missing required field is a 500 without details', async () => {
  const answer = await api.ask('GET', '/test/things/poor');
  expect([answer.statusCode, answer.json().type]).toEqual([500, '/problems/internal']);
  expect(answer.body).not.toContain('required');
});

test('errors of the catalog become problems; a 404 does not contain the error’s text', async () => {
  const absent = await api.ask('GET', '/test/things/absent');
  expect([absent.statusCode, absent.body.includes('secret')]).toEqual([404, false]);
  const used = await api.ask('GET', '/test/things/used');
  expect(used.json()).toMatchObject({ status: 409, type: '/problems/in-use', detail: 'Two applications need it.' });
});

test('a handler gets defaults, numbers, flags and lists', async () => {
  const id = '1b671a64-40d5-491e-99b0-da01ff1f3341';
  const inputOf = async (query: string) => JSON.parse((await api.ask('GET', `/test/things${query}`)).json().input);
  const defaults = { bare: false, order_field: 'NAME', order_direction: 'DESC', page: 1, page_size: 20 };
  expect(await inputOf('')).toEqual(defaults);
  expect(await inputOf(`?ids=${id},${id}&colours=BLUE&bare=true&page=3&order_field=AGE`)).toEqual({
    ...defaults,
    ...{ ids: [id, id], colours: ['BLUE'], bare: true, page: 3, order_field: 'AGE' },
  });
});

test('Location contains the id of the created thing, escaped', async () => {
  const answer = await api.ask('POST', '/test/things/my%20thing', { body: { name: 'x' } });
  expect([answer.statusCode, answer.body]).toEqual([201, '']);
  expect(answer.headers['location']).toBe('/test/things/my%20thing/parts/a%2Fb');
});

describe('a temporary error is a 503', () => {
  test.each(['ENOSPC', 'ECONNREFUSED', '57P01', '53300'])('%s', (code) => {
    const rejection = rejectionOf(Object.assign(new Error('inside'), { code }));
    expect([rejection.code, rejection.headers['retry-after']]).toEqual(['unavailable', '60']);
    expect(rejection.detail).not.toContain('inside');
  });

  test('and other errors are a 500', () => {
    expect(rejectionOf(Object.assign(new Error('inside'), { code: '42601' })).code).toBe('internal');
    expect(rejectionOf('a string').code).toBe('internal');
  });
});
