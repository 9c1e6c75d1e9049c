// Notification providers through the API: validation, masked secrets, access and limits.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi, violationsOf } from '../../test/api.ts';
import { NOTIFICATION_PROVIDERS_MAX } from '../contract/limits.ts';
import { NOTIFICATION_TYPES } from '../contract/notification-event.ts';

const PATH = '/v1/notification-providers';
let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
}, 60_000);
afterAll(() => api.close());

const TOKEN = 'xoxb-1234567890-abcdef';
const slack = { type: 'SLACK', name: 'ops', token: TOKEN, channel_id: 'C0123456789' };
const chat = {
  type: 'GOOGLE_CHAT',
  name: 'room',
  space_id: 'AAAA1234567',
  key: 'AIza-key-4711',
  token: 'chat-token-0815',
};
const make = async (body: object) => String((await api.ask('POST', PATH, { body })).headers['location']);
const idOf = (path: string) => path.split('/').at(-1) ?? '';

test('all kinds are listed', async () => {
  const { statusCode, ...response } = await api.ask('GET', '/v1/notification-types');
  expect(statusCode).toBe(200);
  const kinds = JSON.parse(response.body) as { type: string; label: string; description: string }[];
  expect(kinds.map(({ type }) => type)).toEqual([...NOTIFICATION_TYPES]);
  for (const { label, description } of kinds) expect([label, description]).not.toContain('');
});

test('secrets are shown masked, stored sealed, and in no answer or log line', async () => {
  const providers = [await make(slack), await make(chat), await make({ type: 'EMAIL', name: 'all' })];
  const [one, two, three] = await Promise.all(providers.map(async (path) => (await api.ask('GET', path)).json()));
  expect(one).toEqual({
    id: idOf(providers[0] ?? ''),
    type: 'SLACK',
    name: 'ops',
    enabled: true,
    notification_types: [...NOTIFICATION_TYPES],
    masked_channel_id: '********789',
    masked_token: '********def',
    created_at: expect.any(String),
    created_by: 'jane',
    updated_at: expect.any(String),
    updated_by: 'jane',
  });
  expect(two).toMatchObject({ masked_space_id: '********567', masked_key: '********711', masked_token: '********815' });
  expect(three).not.toHaveProperty('recipients');
  const answers = [
    await api.ask('PATCH', providers[0] ?? '', { body: { type: 'SLACK', token: `${TOKEN}-2` } }),
    await api.ask('PATCH', providers[0] ?? '', { body: { type: 'SLACK', token: `${TOKEN} 3` } }),
    await api.ask('POST', PATH, { body: { ...slack, channel_id: '' } }),
    await api.ask('GET', PATH),
  ];
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([204, 400, 400, 200]);
  for (const text of [...answers.map(({ body }) => body), ...api.lines]) {
    expect(text).not.toContain(TOKEN);
    expect(text).not.toContain('chat-token');
  }
  const row = await api.database.db
    .selectFrom('notification_providers')
    .selectAll()
    .where('id', '=', one.id)
    .executeTakeFirstOrThrow();
  expect(row.sealed_settings?.includes(TOKEN)).toBe(false);
  const opened = api.identity.unseal(row.sealed_settings ?? Buffer.of(), {
    organization_id: api.acme.id,
    row_id: one.id,
  });
  expect(JSON.parse(opened)).toEqual({ channel_id: 'C0123456789', token: `${TOKEN}-2` });
  expect((await api.ask('DELETE', providers[0] ?? '')).statusCode).toBe(204);
  expect((await api.ask('GET', providers[0] ?? '')).json()).toMatchObject({ removed_by: 'jane' });
  expect((await api.ask('DELETE', providers[0] ?? '')).statusCode).toBe(404);
  const removed = await api.database.db
    .selectFrom('notification_providers')
    .select('sealed_settings')
    .where('id', '=', one.id)
    .executeTakeFirstOrThrow();
  expect(removed.sealed_settings).toBeNull();
});

describe('lists', () => {
  test('are filtered, ordered and paged', async () => {
    await api.database.pool.query('delete from notification_providers');
    const paths = [];
    for (const name of ['b', 'a', 'c']) paths.push(await make({ type: 'EMAIL', name }));
    await api.ask('PATCH', paths[0] ?? '', { body: { type: 'EMAIL', enabled: false } });
    const names = async (query: string) =>
      (await api.ask('GET', `${PATH}?${query}`)).json().items.map(({ name }: { name: string }) => name);
    expect(await names('order_field=NAME&order_direction=ASC')).toEqual(['a', 'b', 'c']);
    expect(await names('')).toEqual(['c', 'a', 'b']);
    expect((await names('order_field=UPDATED_AT'))[0]).toBe('b');
    expect(await names('enabled=false')).toEqual(['b']);
    expect(await names('order_field=NAME&page=2&page_size=2')).toEqual(['a']);
    await api.ask('DELETE', paths[2] ?? '');
    expect(await names('removed=true')).toEqual(['c']);
    expect(await names('order_field=NAME')).toEqual(['b', 'a']);
    expect((await api.ask('GET', `${PATH}?order_field=OWNER`)).statusCode).toBe(400);
  });
});

describe('rejections', () => {
  test('400 names the field', async () => {
    const rejected = async (body: object) => Object.keys(violationsOf(await api.ask('POST', PATH, { body })));
    expect(await rejected({ name: 'x' })).toEqual(['type']);
    expect(await rejected({ name: 'x', type: 'PAGER' })).toEqual(['type']);
    expect((await rejected({ type: 'SLACK' })).sort()).toEqual(['channel_id', 'name', 'token']);
    expect(await rejected({ type: 'EMAIL', name: 'x', token: 'y' })).toEqual(['token']);
    expect(await rejected({ type: 'EMAIL', name: 'x', recipients: ['a@b\r\nBcc: c@d'] })).toEqual(['recipients[0]']);
    const provider = await make({ type: 'EMAIL', name: 'mail' });
    const patched = async (body: object) => Object.keys(violationsOf(await api.ask('PATCH', provider, { body })));
    expect(await patched({ name: 'x' })).toEqual(['type']);
    expect(await patched({ space_id: 'x' })).toEqual(['type']);
    expect(await patched({ type: 'SLACK', name: 'x' })).toEqual(['type']);
    const set = async (configurations: object[]) =>
      Object.keys(violationsOf(await api.ask('PUT', `${PATH}/notification-types`, { body: { configurations } })));
    expect(await set([])).toEqual(['configurations']);
    const same = { provider_id: idOf(provider), enabled_notifications: [] };
    expect(await set([same, same])).toEqual(['configurations[1].provider_id']);
  });

  test('404 for another organization, 403 for changes by a viewer', async () => {
    const provider = await make(slack);
    const own = await make({ type: 'EMAIL', name: 'mail' });
    const body = { type: 'SLACK', name: 'mine' };
    const types = (path: string) => ({ provider_id: idOf(path), enabled_notifications: [] });
    const calls = [
      ['PATCH', provider, body],
      ['DELETE', provider],
      ['PUT', `${PATH}/notification-types`, { configurations: [types(provider)] }],
      ['POST', `/larder${provider}/test`],
    ] as const;
    for (const [method, path, sent] of calls) {
      const ask = (token: string) => api.ask(method, path, { token, ...(sent && { body: sent }) });
      expect((await ask(api.rival.access.OWNER)).statusCode, path).toBe(404);
      expect((await ask(api.acme.access.VIEWER)).statusCode, path).toBe(403);
    }
    for (const path of [provider, `/larder${provider}/deliveries`]) {
      expect((await api.ask('GET', path, { token: api.rival.access.OWNER })).statusCode).toBe(404);
      expect((await api.ask('GET', path, { token: api.acme.access.VIEWER })).statusCode).toBe(200);
    }
    const nobody = { provider_id: api.acme.id, enabled_notifications: [] };
    const mixed = await api.ask('PUT', `${PATH}/notification-types`, {
      body: { configurations: [types(own), nobody] },
    });
    expect(mixed.statusCode).toBe(404);
    expect((await api.ask('GET', own)).json().notification_types).toHaveLength(NOTIFICATION_TYPES.length);
    const good = await api.ask('PUT', `${PATH}/notification-types`, { body: { configurations: [types(own)] } });
    expect(good.statusCode).toBe(204);
    expect((await api.ask('GET', own)).json().notification_types).toEqual([]);
  });

  test('409 for providers and test messages past their limits', async () => {
    await api.database.pool.query('delete from notification_providers');
    const made = await Promise.all(
      Array.from({ length: NOTIFICATION_PROVIDERS_MAX + 3 }, () => api.ask('POST', PATH, { body: slack })),
    );
    const statuses = made.map(({ statusCode }) => statusCode).sort();
    expect(statuses.filter((status) => status === 201)).toHaveLength(NOTIFICATION_PROVIDERS_MAX);
    expect(statuses.slice(-3)).toEqual([409, 409, 409]);
    const provider = String(made.find(({ statusCode }) => statusCode === 201)?.headers['location']);
    const tests = await Promise.all(Array.from({ length: 11 }, () => api.ask('POST', `/larder${provider}/test`)));
    expect(tests.map(({ statusCode }) => statusCode).sort()).toEqual([...Array(10).fill(202), 409]);
    const list = (await api.ask('GET', `/larder${provider}/deliveries`)).json();
    expect(list.total_size).toBe(10);
    expect(list.items[0]).toMatchObject({ type: 'TEST', status: 'PENDING', attempts: 0 });
  });
});
