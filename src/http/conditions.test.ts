// ETag, If-None-Match and If-Match in the real API, also with concurrent writers.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { packed, rootfs } from '../../test/fixtures/customization.ts';
import { formOf } from '../../test/multipart.ts';
import type { EndpointDefinition } from '../contract/endpoint.ts';
import { endpoints } from '../contract/endpoints.ts';
import { answersThing, readEndpointOf } from './read-endpoints.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
}, 60_000);
afterAll(() => api.close());

async function registry(): Promise<string> {
  const body = { name: 'x', description: 'x', provider: 'OCI', url: 'https://registry.test', access_secret: 's' };
  const made = await api.ask('POST', '/v1/registries', { body });
  return String(made.headers['location']);
}

const tagAt = async (path: string) => String((await api.ask('GET', path)).headers['etag']);
const rename = (path: string, name: string, tag: string) =>
  api.ask('PATCH', path, { body: { name }, headers: { 'if-match': tag } });

describe('a single thing', () => {
  test('has a tag, and is 304 for a client that has it', async () => {
    const path = await registry();
    const tag = await tagAt(path);
    expect(tag).toMatch(/^"[\w-]{22}\.[\w-]{22}"$/);
    expect(await tagAt(path)).toBe(tag);
    for (const held of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
      const answer = await api.ask('GET', path, { headers: { 'if-none-match': held } });
      expect([answer.statusCode, answer.body, answer.headers['etag']]).toEqual([304, '', tag]);
      expect(answer.headers['x-request-id']).toBeDefined();
    }
    const head = await api.ask('HEAD', path);
    expect([head.statusCode, head.headers['etag']]).toEqual([200, tag]);
    await api.ask('PATCH', path, { body: { name: 'y' } });
    const changed = await api.ask('GET', path, { headers: { 'if-none-match': tag } });
    expect([changed.statusCode, changed.json().name]).toEqual([200, 'y']);
  });

  test('has a tag, and a list has none', async () => {
    expect((await api.ask('GET', '/v1/registries')).headers['etag']).toBeUndefined();
    expect(answersThing(endpoints.getRegistry)).toBe(true);
    expect(answersThing(endpoints.listRegistries)).toBe(false);
  });
});

describe('If-Match', () => {
  test('accepts one change with the tag that was read', async () => {
    const path = await registry();
    const tag = await tagAt(path);
    expect((await rename(path, 'first', `"other", ${tag}`)).statusCode).toBe(204);
    const second = await rename(path, 'second', tag);
    expect([second.statusCode, second.json().type]).toEqual([412, '/problems/precondition-failed']);
    expect((await api.ask('GET', path)).json().name).toBe('first');
  });

  test.each(['"other"', 'W/TAG'])('rejects %s', async (spelling) => {
    const path = await registry();
    const sent = spelling.replace('TAG', await tagAt(path));
    for (const method of ['PATCH', 'DELETE'] as const) {
      const body = method === 'PATCH' ? { body: { name: 'y' } } : {};
      const answer = await api.ask(method, path, { ...body, headers: { 'if-match': sent } });
      expect(answer.statusCode).toBe(412);
    }
    expect((await api.ask('GET', path)).json()).toMatchObject({ name: 'x' });
  });

  test('* matches every existing thing; a missing or foreign thing is a 404', async () => {
    const path = await registry();
    expect((await rename(path, 'y', '*')).statusCode).toBe(204);
    const away = path.replace(/[^/]+$/, '1b671a64-40d5-491e-99b0-da01ff1f3341');
    expect((await rename(away, 'y', '*')).statusCode).toBe(404);
    const foreign = { token: api.rival.access.OWNER, body: { name: 'z' }, headers: { 'if-match': await tagAt(path) } };
    expect((await api.ask('PATCH', path, foreign)).statusCode).toBe(404);
  });

  test('that is not a list of tags is a violation', async () => {
    const path = await registry();
    const answer = await rename(path, 'y', 'unquoted');
    expect(answer.statusCode).toBe(400);
    expect(answer.json().violations).toEqual([expect.objectContaining({ field: 'If-Match' })]);
  });

  test('accepts one of many concurrent writers with the same tag', async () => {
    const path = await registry();
    const tag = await tagAt(path);
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const spelled = (index: number) => (index % 2 ? path : path.replace(/[^/]+$/, (id) => id.toUpperCase()));
    const answers = await Promise.all(names.map((name, index) => rename(spelled(index), name, tag)));
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([204, 412, 412, 412, 412, 412]);
    const winner = names[answers.findIndex(({ statusCode }) => statusCode === 204)];
    expect((await api.ask('GET', path)).json().name).toBe(winner);
  });

  test('is checked before an upload is read', async () => {
    const archive = await packed([rootfs('etc/motd', { content: 'hello' })]);
    const upload = formOf({ name: 'file', filename: 'x.tar.gz', content: archive });
    const made = await api.ask('POST', `/v1/catalogs/${api.acme.catalog_id}/customizations`, upload);
    const path = String(made.headers['location']);
    const { body, headers } = formOf({ name: 'file', filename: 'x.tar.gz', content: 'no archive' });
    const ask = (tag: string) => api.ask('PATCH', path, { body, headers: { ...headers, 'if-match': tag } });
    expect((await ask('"other"')).statusCode).toBe(412);
    expect((await ask(await tagAt(path))).statusCode).toBe(400);
  });
});

test('each thing that can be changed has a read endpoint', () => {
  const all = Object.values<EndpointDefinition>(endpoints);
  const changed = all.filter((one) => one.method === 'PATCH').map((one) => readEndpointOf(one, all)?.path);
  expect(changed).toEqual(all.filter((one) => one.method === 'PATCH').map((one) => one.path));
});
