// The main catalog over HTTP: its lists need no token, parameters may be repeated, and invalid parameters are rejected.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestApi, type TestApi, violationsOf } from '../../test/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
}, 60_000);
afterAll(() => api.close());

const ask = (path: string) => api.ask('GET', path, { token: undefined });

test.each(['/v1/applications', '/v1/applications/extended'])('%s returns an array without a token', async (path) => {
  const response = await ask(`${path}?scope=COMMON&scope=ONLY_CUSTOMERS`);
  expect(response.statusCode).toBe(200);
  expect(Array.isArray(response.json())).toBe(true);
});

test.each(['/v1/applications/page', '/v1/applications/extended/page'])(
  '%s returns a page without a token',
  async (path) => {
    expect((await ask(`${path}?size=1&scope=COMMON,PRIVATE`)).json()).toMatchObject({ page: 1, page_size: 1 });
  },
);

test('a single product requires a token', async () => {
  expect((await ask('/v1/applications/product/redis')).statusCode).toBe(401);
  expect((await ask('/v1/applications/extended/product/redis/branch/7.0')).statusCode).toBe(401);
});

test('invalid parameters are rejected, each by its name', async () => {
  const response = await ask(
    '/v1/applications/page?search=ab&scope=COMMON&scope=MINE&size=0&page_size=3&page=1&page=2',
  );
  expect(response.statusCode).toBe(400);
  expect(violationsOf(response)).toEqual({
    search: 'It should have at least 3 characters.',
    scope: expect.stringContaining('“MINE”'),
    size: 'It should be at least 1.',
    page_size: 'Unknown parameter.',
    page: 'It should be given once.',
  });
});
