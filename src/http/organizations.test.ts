// Organizations. Owners of the installation create and change them, and other organizations cannot see them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ask, giveInstallation, openTestApi, type TestApi, violationsOf } from '../../test/api.ts';
import { endpoints } from '../contract/endpoints.ts';
import { ORGANIZATIONS_MAX } from '../contract/limits.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
  await giveInstallation(api);
}, 60_000);
afterAll(() => api.close());

const PATH = '/larder/v1/organizations';
const owner = { name: 'ada', email: 'ada@example.org' };

async function make(body: object, ask: Ask = {}): Promise<{ path: string; id: string; api_token: string }> {
  const made = await api.ask('POST', PATH, { body: { owner, ...body }, ...ask });
  expect([made.statusCode, made.headers['cache-control']]).toEqual([201, 'no-store']);
  const path = String(made.headers['location']);
  return { path, id: path.split('/').at(-1) ?? '', api_token: made.json().api_token };
}

async function accessOf(api_token: string): Promise<string> {
  const path = `${endpoints.exchangeToken.path}?refresh_token=${api_token}`;
  return (await api.ask('POST', path, { token: undefined })).json().access_token;
}

function typeOf(answer: { statusCode: number; json(): { type: string } }): [number, string] {
  return [answer.statusCode, answer.json().type];
}

async function countOf(table: string): Promise<number> {
  return (await api.database.pool.query(`select count(*)::int as n from ${table}`)).rows[0].n;
}

describe('creating an organization', () => {
  test('creates its catalog, hosted registry, subscription, and owner with a token', async () => {
    const { path, id, api_token } = await make({ name: 'Globex GmbH', quotas: { applications: { limit: 3 } } });
    expect((await api.ask('GET', path)).json()).toEqual({
      ...{ id, name: 'Globex GmbH', namespace: 'globex-gmbh', owns_installation: false, application_count: 0 },
      quotas: { applications: { limit: 3 } },
      ...{ created_at: expect.any(String), updated_at: expect.any(String) },
    });
    const token = await accessOf(api_token);
    const read = async (at: string) => (await api.ask('GET', at, { token })).json();
    expect((await read('/v1/catalogs')).items).toEqual([expect.objectContaining({ name: 'DefaultCatalog' })]);
    expect((await read('/v1/registries')).items).toEqual([
      expect.objectContaining({ hosted: true, url: 'http://127.0.0.1:8080/globex-gmbh' }),
    ]);
    expect((await read('/v1/subscriptions')).items).toEqual([
      expect.objectContaining({ product_id: 'VAC_FLEXIBLE', status: 'ACTIVE', created_by: 'jane' }),
    ]);
    expect(await read('/v1/quotas')).toEqual({ applications: { limit: 3, usage: 0 } });
    expect((await read('/larder/v1/users')).items).toEqual([
      expect.objectContaining({ ...owner, role: 'OWNER', created_by: 'jane' }),
    ]);
    expect(api.lines.join('\n')).not.toContain(api_token);
  });

  test('uses the given namespace; a taken one is a 409', async () => {
    const { path } = await make({ name: 'Initech', namespace: 'tps' });
    expect((await api.ask('GET', path)).json().namespace).toBe('tps');
    const rejected = await api.ask('POST', PATH, { body: { name: 'Initech 2', namespace: 'tps', owner } });
    expect(typeOf(rejected)).toEqual([409, '/problems/taken']);
    expect((await api.ask('GET', `${PATH}?name=initech`)).json().total_size).toBe(1);
    // Different names may lead to the same namespace. The second organization then gets a namespace with a number.
    expect((await api.ask('GET', (await make({ name: 'TPS' })).path)).json().namespace).toBe('tps-2');
  });

  test('concurrently under one name creates one, and no rows of the others', async () => {
    const before = await countOf('users');
    const requests = ['Umbrella', 'umbrella', 'UMBRELLA'].map((name) =>
      api.ask('POST', PATH, { body: { name, namespace: name === 'Umbrella' ? 'um' : 'brella', owner } }),
    );
    const answers = await Promise.all(requests);
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([201, 409, 409]);
    expect((await api.ask('GET', `${PATH}?name=umbrella`)).json().total_size).toBe(1);
    expect(await countOf('users')).toBe(before + 1);
  });

  test('twice under one Idempotency-Key creates one', async () => {
    const headers = { 'idempotency-key': 'hooli' };
    const [one, two] = [await make({ name: 'Hooli' }, { headers }), await make({ name: 'Hooli' }, { headers })];
    expect(two).toEqual(one);
  });

  test('gives the owner’s token only scopes of the token in use', async () => {
    const body = { name: 'no registry', scopes: ['API'] };
    const token = await accessOf((await api.ask('POST', '/larder/v1/api-tokens', { body })).json().api_token);
    const { api_token } = await make({ name: 'Soylent' }, { token });
    const tokens = await api.ask('GET', '/larder/v1/api-tokens', { token: await accessOf(api_token) });
    expect(tokens.json().items).toEqual([expect.objectContaining({ scopes: ['API'], created_by: 'jane' })]);
  });

  test.each([
    ['no name', { name: undefined }, 'name'],
    ['a blank name', { name: ' ' }, 'name'],
    ['a long name', { name: 'x'.repeat(101) }, 'name'],
    ['no owner', { owner: undefined }, 'owner'],
    ['an owner without a name', { owner: {} }, 'owner.name'],
    ['an owner with a malformed e-mail address', { owner: { name: 'x', email: 'x' } }, 'owner.email'],
    ['a namespace in capitals', { namespace: 'Acme' }, 'namespace'],
    ['a reserved namespace', { namespace: 'v2' }, 'namespace'],
    ['a long namespace', { namespace: 'x'.repeat(41) }, 'namespace'],
    ['a negative quota', { quotas: { applications: { limit: -1 } } }, 'quotas.applications.limit'],
    ['an unknown quota', { quotas: { users: { limit: 1 } } }, 'quotas.users'],
    ['owns_installation', { owns_installation: true }, 'owns_installation'],
  ])('with %s is a 400', async (_what, wrong, field) => {
    const rejected = await api.ask('POST', PATH, { body: { name: 'x', owner, ...wrong } });
    expect([rejected.statusCode, Object.keys(violationsOf(rejected))]).toEqual([400, [field]]);
  });

  test('accepts the longest names beyond the Basic Multilingual Plane', async () => {
    const { path } = await make({ name: '🧺'.repeat(100), owner: { name: '🧺'.repeat(255) } });
    expect((await api.ask('GET', path)).json().namespace).toBe('organization');
  });

  test('past the limit is a 409', async () => {
    await api.database.pool.query(
      `insert into organizations (name, namespace) select 'many ' || n, 'many-' || n from generate_series(1, $1::int) n`,
      [ORGANIZATIONS_MAX],
    );
    const rejected = await api.ask('POST', PATH, { body: { name: 'one more', owner } });
    expect(typeOf(rejected)).toEqual([409, '/problems/limit-reached']);
    await api.database.pool.query(`delete from organizations where namespace like 'many-%'`);
  });
});

describe('things of an organization', () => {
  test('are a 404 for another, in both directions', async () => {
    const token = await accessOf((await make({ name: 'Stark' })).api_token);
    const { items } = (await api.ask('GET', '/v1/catalogs', { token })).json();
    for (const [at, as] of [
      [`/v1/catalogs/${items[0].id}/releases`, api.acme.access.OWNER],
      [`/v1/catalogs/${api.acme.catalog_id}/releases`, token],
      [`${PATH}/${api.acme.id}`, token],
    ]) {
      expect(typeOf(await api.ask('GET', at ?? '', { token: as }))).toEqual([404, '/problems/not-found']);
    }
  });
});

describe('a user who is not an owner of the installation', () => {
  test('sees only their own organization, and cannot create or change one', async () => {
    const token = api.rival.access.OWNER;
    const { items } = (await api.ask('GET', PATH, { token })).json();
    expect(items).toEqual([expect.objectContaining({ id: api.rival.id, owns_installation: false })]);
    const body = { name: 'x', owner };
    expect(typeOf(await api.ask('POST', PATH, { token, body }))).toEqual([403, '/problems/forbidden']);
    const own = await api.ask('PATCH', `${PATH}/${api.rival.id}`, { token, body: { quotas: {} } });
    expect(typeOf(own)).toEqual([403, '/problems/forbidden']);
    const other = await api.ask('PATCH', `${PATH}/${api.acme.id}`, { token, body: { quotas: {} } });
    expect(typeOf(other)).toEqual([404, '/problems/not-found']);
  });

  test.each(['EDITOR', 'VIEWER'] as const)(
    'gets 403 as an %s of the organization that owns the installation',
    async (role) => {
      const token = api.acme.access[role];
      for (const [method, at, body] of [
        ['GET', PATH, undefined],
        ['GET', `${PATH}/${api.acme.id}`, undefined],
        ['POST', PATH, { name: 'x', owner }],
        ['PATCH', `${PATH}/${api.rival.id}`, {}],
      ] as const) {
        expect(typeOf(await api.ask(method, at, { token, body }))).toEqual([403, '/problems/forbidden']);
      }
    },
  );

  test('gets 403 even if they were an owner when the access token was signed', async () => {
    const request = { name: 'Pat', role: 'OWNER', with_api_token: true };
    const made = await api.ask('POST', '/larder/v1/users', { body: request });
    const token = await accessOf(made.json().api_token);
    await api.ask('PATCH', String(made.headers['location']), { body: { role: 'VIEWER' } });
    const rejected = await api.ask('POST', PATH, { token, body: { name: 'x', owner } });
    expect(typeOf(rejected)).toEqual([403, '/problems/forbidden']);
  });
});

describe('changing an organization', () => {
  test('sets a quota that applies at once, and removes it; an outdated tag is a 412', async () => {
    const { path, api_token } = await make({ name: 'Wayne' });
    const token = await accessOf(api_token);
    const quotas = async () => (await api.ask('GET', '/v1/quotas', { token })).json();
    const headers = { 'if-match': String((await api.ask('GET', path)).headers['etag']) };
    const body = { quotas: { applications: { limit: 0 } } };
    expect((await api.ask('PATCH', path, { body, headers })).statusCode).toBe(204);
    expect(await quotas()).toEqual({ applications: { limit: 0, usage: 0 } });
    const [subscription] = (await api.ask('GET', '/v1/subscriptions', { token })).json().items;
    expect(subscription).toMatchObject({ quotas: { applications: { limit: 0 } }, updated_by: 'jane' });
    expect((await api.ask('PATCH', path, { body, headers })).statusCode).toBe(412);
    // A request that changes only the name keeps the quota.
    expect((await api.ask('PATCH', path, { body: { name: 'Wayne 2' } })).statusCode).toBe(204);
    expect(await quotas()).toEqual({ applications: { limit: 0, usage: 0 } });
    expect((await api.ask('PATCH', path, { body: { quotas: {} } })).statusCode).toBe(204);
    expect(await quotas()).toEqual({});
    expect((await api.ask('GET', path)).json()).toMatchObject({ name: 'Wayne 2', quotas: {} });
  });

  test('to a taken name is a 409; to its own name in other capitals is accepted', async () => {
    const { path } = await make({ name: 'Tyrell' });
    const taken = await api.ask('PATCH', path, { body: { name: 'ACME' } });
    expect(typeOf(taken)).toEqual([409, '/problems/taken']);
    expect((await api.ask('PATCH', path, { body: { name: 'TYRELL' } })).statusCode).toBe(204);
  });

  test.each([
    ['a blank name', { name: '' }, 'name'],
    ['a quota that is not a number', { quotas: { applications: { limit: 'x' } } }, 'quotas.applications.limit'],
    ['a quota past the maximum', { quotas: { applications: { limit: 1_000_001 } } }, 'quotas.applications.limit'],
    ['another namespace', { namespace: 'x' }, 'namespace'],
  ])('to %s is a 400', async (_what, body, field) => {
    const rejected = await api.ask('PATCH', `${PATH}/${api.rival.id}`, { body });
    expect([rejected.statusCode, Object.keys(violationsOf(rejected))]).toEqual([400, [field]]);
  });

  test('is in the audit trail of the organization that owns the installation', async () => {
    const { id, path } = await make({ name: 'Cyberdyne' });
    await api.ask('PATCH', path, { body: { quotas: {} } });
    const { items } = (await api.ask('GET', `/larder/v1/audit-events?subject_id=${id}`)).json();
    expect(items).toEqual([
      expect.objectContaining({ action: 'updateOrganization', changed_fields: ['quotas'] }),
      expect.objectContaining({ action: 'createOrganization', subject_kind: 'organization' }),
    ]);
  });
});

test('the list is ordered, paged, and filtered by a part of the name', async () => {
  const names = async (query: string) =>
    (await api.ask('GET', `${PATH}?page_size=100&${query}`)).json().items.map(({ name }: { name: string }) => name);
  const up = await names('');
  expect(up).toEqual(expect.arrayContaining(['acme', 'rival', 'Stark']));
  expect(await names('order_direction=DESC')).toEqual([...up].reverse());
  expect((await names('order_field=CREATED_AT'))[0]).toBe('acme');
  expect(await names('name=TAR')).toEqual(['Stark']);
  expect((await api.ask('GET', `${PATH}?page=2&page_size=1&order_field=CREATED_AT`)).json()).toMatchObject({
    ...{ page: 2, total_size: up.length, items: [{ name: 'rival' }] },
  });
});
