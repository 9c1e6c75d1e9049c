// A registry's credentials are sealed in the database, and never appear in answers, rejections or the log.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
}, 60_000);
afterAll(() => api.close());

const SECRET = 'correct horse battery staple';
const body = {
  name: 'ours',
  description: '',
  provider: 'OCI',
  url: 'https://registry.example/team',
  access_key: 'robot',
  access_secret: SECRET,
};

test('a secret is sealed for its row, replaced by a change, and in no answer or log line', async () => {
  const answers = [await api.ask('POST', '/v1/registries', { body })];
  const registry = String(answers[0]?.headers['location']);
  const id = registry.split('/').at(-1) ?? '';
  const secret = async () => {
    const find = api.database.db.selectFrom('registries').select('sealed_access_secret').where('id', '=', id);
    const sealed = (await find.executeTakeFirstOrThrow()).sealed_access_secret ?? Buffer.alloc(0);
    expect(sealed.includes(SECRET)).toBe(false);
    return api.identity.unseal(sealed, { organization_id: api.acme.id, row_id: id });
  };
  expect(await secret()).toBe(SECRET);
  answers.push(
    await api.ask('PATCH', registry, { body: { access_secret: `${SECRET} 2` } }),
    await api.ask('GET', registry),
    await api.ask('GET', '/v1/registries'),
    await api.ask('PATCH', registry, { body: { access_secret: `${SECRET} 3`, url: 'https://other.example' } }),
    await api.ask('PATCH', registry, { token: api.acme.access.VIEWER, body: { access_secret: SECRET } }),
    await api.ask('POST', '/v1/registries', { body: { ...body, name: '', access_secret: [SECRET] } }),
    await api.ask('POST', '/v1/registries', { body: `{"access_secret": "${SECRET}", ` }),
    await api.ask('DELETE', registry),
    await api.ask('GET', registry),
  );
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([201, 204, 200, 200, 400, 403, 400, 400, 204, 200]);
  for (const answer of answers) expect(answer.body).not.toContain('correct horse');
  expect(api.lines.length).toBeGreaterThan(answers.length);
  for (const line of api.lines) expect(line).not.toContain('correct horse');
});

test('a change without a secret keeps the stored one', async () => {
  const registry = String((await api.ask('POST', '/v1/registries', { body })).headers['location']);
  const row = () =>
    api.database.db
      .selectFrom('registries')
      .select(['sealed_access_secret', 'access_key', 'updated_at'])
      .where('id', '=', registry.split('/').at(-1) ?? '')
      .executeTakeFirstOrThrow();
  const before = await row();
  expect((await api.ask('PATCH', registry, { body: { access_key: 'other' } })).statusCode).toBe(204);
  const after = await row();
  expect(after.sealed_access_secret).toEqual(before.sealed_access_secret);
  expect(after.access_key).toBe('other');
  expect(after.updated_at.getTime()).toBeGreaterThan(before.updated_at.getTime());
});

test('a removed log-in is deleted, and a replayed registration does not contain it', async () => {
  const headers = { 'idempotency-key': 'registered-once' };
  const made = await api.ask('POST', '/v1/registries', { body, headers });
  const registry = String(made.headers['location']);
  const answers = [
    await api.ask('PATCH', registry, { body: { access_secret: null } }),
    await api.ask('GET', registry),
    await api.ask('POST', '/v1/registries', { body, headers }),
  ];
  expect(answers.map(({ statusCode }) => statusCode)).toEqual([204, 200, 201]);
  expect(answers.at(-1)?.headers['location']).toBe(registry);
  for (const answer of answers) expect(answer.body).not.toContain('correct horse');
  const find = api.database.db.selectFrom('registries').select(['access_key', 'sealed_access_secret']);
  const id = registry.split('/').at(-1) ?? '';
  expect(await find.where('id', '=', id).execute()).toEqual([{ access_key: null, sealed_access_secret: null }]);
  const audited = await api.database.pool.query(
    "select changed_fields from audit_events where action = 'updateRegistry' and subject_id = $1",
    [id],
  );
  expect(audited.rows).toEqual([{ changed_fields: ['access_secret'] }]);
});
