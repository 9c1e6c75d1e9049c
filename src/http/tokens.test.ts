// Token exchange with a parameter and with a form, and the requests that it rejects.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestApi, type TestApi, violationsOf } from '../../test/api.ts';
import { endpoints } from '../contract/endpoints.ts';
import { LOGIN_LIMITS } from '../identity/failed-logins.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
}, 60_000);
afterAll(() => api.close());

const { path } = endpoints.exchangeToken;
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const form = (fields: Record<string, string>) => ({
  token: undefined,
  body: new URLSearchParams(fields).toString(),
  headers: FORM,
});

test('both forms return an access token that the API accepts', async () => {
  const api_token = api.acme.tokens.VIEWER;
  const answers = [
    await api.ask('POST', `${path}?refresh_token=${api_token}`, { token: undefined }),
    await api.ask('POST', path, form({ grant_type: 'refresh_token', api_token })),
    await api.ask('POST', path, form({ refresh_token: api_token })),
  ];
  for (const answer of answers) {
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.json()).toEqual({
      id_token: null,
      token_type: 'bearer',
      expires_in: 1799,
      scope: expect.any(String),
      access_token: expect.stringMatching(/^eyJ/),
      refresh_token: api_token,
    });
    const catalogs = await api.ask('GET', '/v1/catalogs', { token: answer.json().access_token });
    expect(catalogs.statusCode).toBe(200);
    expect(catalogs.json().items).toEqual([expect.objectContaining({ id: api.acme.catalog_id, owned: true })]);
  }
});

test('the keys that verify access tokens are served', async () => {
  const { keys } = (await api.ask('GET', '/.well-known/jwks.json', { token: undefined })).json();
  expect(keys).toHaveLength(1);
  expect(keys[0]).toMatchObject({ kid: expect.any(String) });
  expect(keys[0]).not.toHaveProperty('d');
});

test('400 for no token, two, an unknown grant, an unknown field', async () => {
  const none = await api.ask('POST', path, { token: undefined });
  expect([none.statusCode, violationsOf(none)]).toEqual([400, { refresh_token: 'It is required.' }]);
  const two = await api.ask('POST', path, form({ api_token: 'a', refresh_token: 'b' }));
  expect(violationsOf(two)).toEqual({ api_token: 'Only one token should be given.' });
  const wrong = await api.ask('POST', path, form({ grant_type: 'password', username: 'x', api_token: 'a' }));
  expect(violationsOf(wrong)).toEqual({
    grant_type: 'It should be refresh_token.',
    username: 'Unknown parameter.',
  });
});

test('401 for an unknown token, an access token, and 429 after too many', async () => {
  for (const token of ['larder_nothing', api.acme.access.OWNER]) {
    const answer = await api.ask('POST', path, form({ api_token: token }));
    expect([answer.statusCode, answer.json().type]).toEqual([401, '/problems/token-invalid']);
  }
  for (let tries = 2; tries < LOGIN_LIMITS.perAddress; tries++) await api.ask('POST', path, form({ api_token: 'x' }));
  const tired = await api.ask('POST', path, form({ api_token: 'x' }));
  expect([tired.statusCode, tired.json().type]).toEqual([429, '/problems/too-many-requests']);
  expect(Number(tired.headers['retry-after'])).toBeGreaterThan(0);
  // A token that was accepted from this address earlier is not delayed by the failures of others.
  const known = await api.ask('POST', path, form({ api_token: api.acme.tokens.VIEWER }));
  expect(known.statusCode).toBe(200);
  const unknown = await api.ask('POST', path, form({ api_token: api.rival.tokens.VIEWER.replace(/.$/, '') }));
  expect(unknown.statusCode).toBe(429);
});
