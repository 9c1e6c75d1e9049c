// Status 400: one answer lists all violations of a request, each with the name of its field or parameter.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi, violationsOf } from '../../test/api.ts';

let api: TestApi;
let catalog: string;
const id = '1b671a64-40d5-491e-99b0-da01ff1f3341';

beforeAll(async () => {
  api = await openTestApi();
  catalog = `/v1/catalogs/${api.acme.catalog_id}`;
}, 60_000);
afterAll(() => api.close());

describe('query parameters', () => {
  test('are all checked at once', async () => {
    const response = await api.ask(
      'GET',
      `${catalog}/applications?page=0&page_size=101&trial=yes&statuses=SUPPORTED,GONE&base_image_ids=x&order_field=NONE&colour=red&product_key=a%00b`,
    );
    expect(response.statusCode).toBe(400);
    expect(response.headers['content-type']).toBe('application/problem+json');
    expect(response.json()).toMatchObject({
      type: '/problems/invalid-request',
      title: 'The request is invalid',
      status: 400,
      detail: 'The request has 8 violations.',
      instance: `${catalog}/applications`,
    });
    expect(violationsOf(response)).toEqual({
      page: 'It should be at least 1.',
      page_size: 'It should be at most 100.',
      trial: 'It should be true or false.',
      statuses: '“GONE”: It should be one of SUPPORTED, DEPRECATED, UNSUPPORTED, REMOVED.',
      base_image_ids: '“x”: It should be a UUID.',
      order_field: expect.stringContaining('It should be one of PRODUCT_NAME, '),
      colour: 'Unknown parameter.',
      product_key: 'It should be text without NUL characters and unpaired surrogates.',
    });
  });

  test('that are repeated or missing are rejected', async () => {
    const response = await api.ask('GET', `${catalog}/application-requests?page=1&page=2`);
    expect(violationsOf(response)).toEqual({ page: 'It should be given once.', request_type: 'It is required.' });
  });

  test.each(['1.5', '1e3', ' 1', '', '0x1', '99999999999999999999', '-1'])('page=%s is rejected', async (page) => {
    const response = await api.ask('GET', `/v1/catalogs?page=${encodeURIComponent(page)}`);
    expect(Object.keys(violationsOf(response))).toEqual(['page']);
  });

  test.each(['', ',', 'SUPPORTED,', 'supported'])('statuses=%s is rejected', async (statuses) => {
    const response = await api.ask('GET', `${catalog}/applications?statuses=${statuses}`);
    expect(Object.keys(violationsOf(response))[0]).toBe('statuses');
  });

  test('that require or exclude each other are rejected', async () => {
    const needs = await api.ask('GET', `${catalog}/releases?registry_id=${id}`);
    expect(violationsOf(needs)).toEqual({ registry_id: 'It requires application_id.' });
    const digest = `sha256:${'a'.repeat(64)}`;
    const exclusive = await api.ask('GET', `${catalog}/releases?application_id=${id}&repo_digest=${digest}`);
    expect(violationsOf(exclusive)).toEqual({
      repo_digest: 'Only one of application_id, content_digest, repo_digest may be given.',
    });
    const malformed = await api.ask('GET', `${catalog}/releases?registry_id=${id}&application_id=x`);
    expect(violationsOf(malformed)).toEqual({ application_id: 'It should be a UUID.' });
  });
});

describe('bodies', () => {
  const post = (body: unknown, more: { headers?: Record<string, string> } = {}) =>
    api.ask('POST', '/v1/registries?colour=red', { body, ...more });

  test('are checked together with the query', async () => {
    const response = await post({
      name: ' ',
      description: 7,
      provider: 'NOBODY',
      url: 'ftp://user@host',
      access_secret: '',
      containers_organization: 'acme',
      colour: 'red',
      __proto__x: 1,
    });
    expect(response.statusCode).toBe(400);
    expect(violationsOf(response)).toEqual({
      colour: expect.stringMatching(/^Unknown (field|parameter)\.$/),
      __proto__x: 'Unknown field.',
      name: 'It should be one line of visible text without control characters.',
      description: 'It should be text.',
      provider: expect.stringContaining('It should be one of AMAZON_ELASTIC'),
      url: expect.stringContaining('It should be an address that begins with https://'),
      access_secret: 'It should not be empty.',
      containers_organization: 'It requires provider to be DOCKERHUB.',
    });
  });

  test('that are empty are rejected with each required field', async () => {
    const empty = await api.ask('POST', '/v1/base-images');
    const missing = 'It is required.';
    const expected = {
      name: missing,
      description: missing,
      registry_id: missing,
      container_image: missing,
      operating_system_id: missing,
    };
    expect(violationsOf(empty)).toEqual(expected);
    expect(violationsOf(await api.ask('POST', '/v1/base-images', { body: {} }))).toEqual(expected);
    expect(violationsOf(await api.ask('POST', '/v1/base-images', { body: '' }))).toEqual(expected);
  });

  test.each(['{', '[]', '"x"', 'null', '{"a":1}}'])('%s is rejected: not a JSON object', async (body) => {
    expect(violationsOf(await post(body))).toMatchObject({ body: expect.stringMatching(/JSON|an object/) });
  });

  test.each(['https://b\u00fccher', 'https://x/a b', 'https://', 'https://x:123456'])(
    'the url %s is rejected',
    async (url) => {
      const fit = { name: 'x', description: 'x', provider: 'HARBOR', access_secret: 'x' };
      expect(violationsOf(await post({ ...fit, url }))).toMatchObject({ url: expect.stringContaining('an address') });
    },
  );

  test('must be UTF-8 without unpaired surrogates', async () => {
    const broken = Buffer.concat([Buffer.from('{"name":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(violationsOf(await post(broken))).toMatchObject({ body: 'It should be UTF-8.' });
    const fit = { name: 'x', description: 'x', provider: 'OCI', url: 'https://x', access_secret: 'x' };
    const lone = await post(JSON.stringify({ ...fit, access_secret: 'LONE' }).replace('LONE', '\\ud800'));
    expect(violationsOf(lone)).toMatchObject({ access_secret: expect.stringContaining('unpaired surrogates') });
    const proto = await post('{"__proto__":{"a":1}}');
    expect(violationsOf(proto)).toMatchObject({ __proto__: 'Unknown field.' });
  });

  test('of application requests are checked by their kind, or by their fields', async () => {
    const ask = async (body: object) =>
      violationsOf(await api.ask('POST', `${catalog}/application-requests`, { body }));
    expect(await ask({ kind: 'CREATION', name: 'x', application_ids: [id] })).toEqual({
      application_offering_ids: 'It is required.',
      base_image_id: 'It is required.',
      application_ids: 'Unknown field.',
    });
    expect(await ask({ name: 'x', application_ids: [] })).toEqual({ application_ids: 'It should not be empty.' });
    expect(await ask({ name: 'x', application_offering_ids: [id, 'x', id], base_image_id: id })).toEqual({
      'application_offering_ids[1]': 'It should be a UUID.',
      application_offering_ids: 'It should not contain duplicates.',
    });
    expect(await ask({ name: 'x' })).toEqual({ kind: 'It should be one of CREATION, DELETION.' });
    expect(await ask({ kind: 'OTHER' })).toEqual({ kind: 'It should be one of CREATION, DELETION.' });
  });

  test('with more than 100 violations get the first 100 and the number of the others', async () => {
    const body = Object.fromEntries(Array.from({ length: 130 }, (_, index) => [`field_${index}`, 1]));
    const response = await api.ask('PATCH', `/v1/registries/${id}`, { body });
    const { violations, detail } = response.json();
    expect(violations).toHaveLength(100);
    expect(detail).toBe('The request has 130 violations. 30 more than the 100 listed.');
  });
});

describe('415', () => {
  test.each([
    [{ 'content-type': 'text/plain' }],
    [{ 'content-type': 'application/json; charset=latin1' }],
    [{ 'content-type': 'application/json', 'content-encoding': 'gzip' }],
    [{ 'content-type': 'application/x-www-form-urlencoded' }],
  ])('for %o', async (headers) => {
    const response = await api.ask('POST', '/v1/registries', { body: '{}', headers });
    expect([response.statusCode, response.json().type]).toEqual([415, '/problems/media-type']);
  });
});
