// The audit trail of each operation in the contract. A change writes one row. A rejection or a replay writes no row.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ask, giveInstallation } from '../../test/api.ts';
import { failedPipelines, openTestEstates, type TestEstates } from '../../test/estate.ts';
import { type IdOf, samplePath, sampleQuery, sampleSent } from '../../test/sample-request.ts';
import { expireAuditEvents } from '../catalog/audit-events.ts';
import { moveLifeCycles } from '../catalog/life-cycle.ts';
import type { AuditEvent, AuditEventsPage } from '../contract/audit-event.ts';
import type { EndpointDefinition } from '../contract/endpoint.ts';
import { endpoints } from '../contract/endpoints.ts';
import { inTransaction } from '../db/database.ts';

let estates: TestEstates;
let failedPipeline: () => Promise<string>;
beforeAll(async () => {
  estates = await openTestEstates();
  await giveInstallation(estates.api);
  failedPipeline = failedPipelines(estates.catalog, 'nginx');
}, 120_000);
afterAll(() => estates.api.close());

const PATH = '/larder/v1/audit-events';
const SECRET = 'hunter2-never-to-be-seen';
const REGISTRY = {
  name: 'r',
  description: 'r',
  provider: 'OCI',
  url: 'https://registry.invalid',
  access_secret: SECRET,
};

const own = (kind: string) => estates.acme[kind]?.at(-1) ?? estates.shared[kind] ?? '';

async function trail(query = '', token = estates.api.acme.access.OWNER): Promise<AuditEvent[]> {
  return (await page(query, token)).items;
}

async function page(query = '', token = estates.api.acme.access.OWNER): Promise<AuditEventsPage> {
  const answer = await estates.api.ask('GET', `${PATH}?page_size=100${query}`, { token });
  expect(answer.statusCode).toBe(200);
  return answer.json();
}

async function countRows(): Promise<number> {
  const { rows } = await estates.api.database.pool.query('select count(*)::int as n from audit_events');
  return rows[0].n;
}

type Sample = Ask & { ids?: Record<string, string> };

/** The operations that fail with the sample request of the contract and need another request. */
const SAMPLES: Record<string, () => Promise<Sample>> = {
  createRegistry: async () => ({ body: REGISTRY }),
  retryPipeline: async () => ({ ids: { pipeline_id: await failedPipeline() } }),
  createApplicationRequest: async () => ({
    body: {
      ...{ kind: 'CREATION', name: 'x', base_image_id: estates.catalog.base },
      application_offering_ids: [estates.catalog.offerings.get('postgresql')],
    },
  }),
  createRegistryCredential: async () => ({ ids: { registry_id: estates.acme['registry_id']?.[0] ?? '' } }),
  deleteRegistryCredential: async () => ({ ids: { registry_id: estates.acme['registry_id']?.[0] ?? '' } }),
  deleteRegistry: async () => ({ ids: { registry_id: await make('/v1/registries', REGISTRY) } }),
  revokeApiToken: async () => ({ ids: { api_token_id: await make('/larder/v1/api-tokens', { name: 'gone' }) } }),
  createOrganization: async () => ({ body: { name: `org ${await countRows()}`, owner: { name: 'ada' } } }),
  deleteUser: async () => ({ ids: { user_id: await make('/larder/v1/users', { name: 'gone', role: 'VIEWER' }) } }),
  deleteBaseImage: async () => {
    const described = { name: 'b', description: 'b', container_image: 'b:1', registry_id: own('registry_id') };
    const operating_system_id = own('operating_system_id');
    return { ids: { base_image_id: await make('/v1/base-images', { ...described, operating_system_id }) } };
  },
};

async function make(path: string, body: object): Promise<string> {
  const made = await estates.api.ask('POST', path, { body });
  expect(made.statusCode).toBe(201);
  return String(made.headers['location']).split('/').at(-1) ?? '';
}

async function send(
  operation: string,
  endpoint: EndpointDefinition,
  changed: Ask = {},
  options: { query?: Record<string, string>; made?: Sample | undefined } = {},
) {
  const { ids, ...given } = options.made ?? (await SAMPLES[operation]?.()) ?? {};
  const idOf: IdOf = (kind) => ids?.[kind] ?? own(kind);
  const sample = { ...(await sampleSent(endpoint, idOf)), ...given };
  const headers = { ...sample.headers, ...changed.headers };
  const before = await countRows();
  const path = samplePath(endpoint, idOf) + sampleQuery(endpoint, options.query, idOf);
  const answer = await estates.api.ask(endpoint.method, path, { ...sample, ...changed, headers });
  return { answer, path, rows: (await countRows()) - before };
}

const writing = Object.entries<EndpointDefinition>(endpoints)
  .filter(([, { method, access }]) => method !== 'GET' && access !== 'PUBLIC')
  .map(([operation, endpoint]) => ({ operation, endpoint }))
  // Deletions come last, because the other operations use the resources that the deletions remove.
  .sort((one, other) => Number(one.endpoint.method === 'DELETE') - Number(other.endpoint.method === 'DELETE'));

describe('each operation that changes something', () => {
  test.each(writing)('$operation leaves no row when it is rejected', async ({ operation, endpoint }) => {
    const unfit = await send(operation, endpoint, {}, { query: { no_such_parameter: 'x' } });
    expect([unfit.answer.statusCode, unfit.rows]).toEqual([400, 0]);
    if (endpoint.access.includes('VIEWER')) return;
    const viewer = await send(operation, endpoint, { token: estates.api.acme.access.VIEWER });
    expect([viewer.answer.statusCode, viewer.rows]).toEqual([403, 0]);
  });

  test.each(writing)('$operation leaves one row', async ({ operation, endpoint }) => {
    const id = `audit-of-${operation}`;
    const { answer, path, rows } = await send(operation, endpoint, { headers: { 'x-request-id': id } });
    expect([operation, answer.statusCode]).toEqual([operation, endpoint.success.status]);
    expect(rows).toBe(1);
    const [event] = await trail(`&action=${operation}`);
    const made = String(answer.headers['location'] ?? '')
      .split('/')
      .at(-1);
    expect(event).toMatchObject({
      ...{ action: operation, outcome: 'SUCCEEDED', actor_name: 'jane', request_id: id, address: '127.0.0.1' },
      ...(made ? { subject_id: made } : {}),
    });
    expect(event?.actor_id).toMatch(/^[0-9a-f-]{36}$/);
    expect(event?.token_id).toMatch(/^[0-9a-f-]{36}$/);
    if (path.includes('-')) expect([event?.subject_kind, operation]).not.toEqual(['', operation]);
    if (endpoint.path.includes('{')) expect(event?.subject_kind).toMatch(/^[a-z_]+$/);
  });

  const keyed = writing.filter(({ endpoint }) => endpoint.method === 'POST');
  test.each(keyed)(
    '$operation leaves one row however often it is sent under one key',
    async ({ operation, endpoint }) => {
      const key = { 'idempotency-key': `audit ${operation}`.replace(' ', '-') };
      const made = await SAMPLES[operation]?.();
      const first = await send(operation, endpoint, { headers: key }, { made });
      const second = await send(operation, endpoint, { headers: key }, { made });
      expect(first.rows).toBe(first.answer.statusCode < 300 ? 1 : 0);
      if (endpoint.multipart === undefined) expect(second.answer.statusCode).toBe(first.answer.statusCode);
      expect(second.rows).toBe(0);
    },
  );
});

describe('the trail', () => {
  test('names the fields of a change without their values', async () => {
    const id = await make('/v1/registries', REGISTRY);
    const [event] = await trail(`&subject_id=${id}`);
    expect(event).toMatchObject({ action: 'createRegistry', subject_kind: 'registry' });
    expect(event?.changed_fields).toEqual(['name', 'description', 'provider', 'url', 'access_secret']);
    const { rows } = await estates.api.database.pool.query('select * from audit_events');
    expect(JSON.stringify(rows)).not.toContain(SECRET);
  });

  test('is readable by owners only, and only that of their organization', async () => {
    for (const role of ['EDITOR', 'VIEWER'] as const) {
      expect((await estates.api.ask('GET', PATH, { token: estates.api.acme.access[role] })).statusCode).toBe(403);
    }
    const [mine] = await trail();
    const theirs = await trail('', estates.api.rival.access.OWNER);
    expect(theirs.map(({ id }) => id)).not.toContain(mine?.id);
    expect(await trail(`&subject_id=${mine?.subject_id}`, estates.api.rival.access.OWNER)).toEqual([]);
  });

  test('is listed newest first, each event once over all pages', async () => {
    const whole: AuditEvent[] = [];
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const query: string = `&page_size=7${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const answer = await estates.api.ask('GET', `${PATH}?${query.slice(1)}`);
      const { items, next_cursor } = answer.json() as AuditEventsPage;
      whole.push(...items);
      cursor = next_cursor;
    }
    const times = whole.map(({ happened_at }) => happened_at);
    expect(times).toEqual([...times].sort().reverse());
    expect(new Set(whole.map(({ id }) => id)).size).toBe(whole.length);
    const { rows } = await estates.api.database.pool.query(
      'select count(*)::int as n from audit_events where organization_id = $1',
      [estates.api.acme.id],
    );
    expect(whole.length).toBe(rows[0].n);
  });

  test('is filtered by actor, action, subject and time', async () => {
    const [event] = await trail('&action=createRegistry');
    const time = encodeURIComponent(String(event?.happened_at));
    expect((await trail(`&actor_id=${event?.actor_id}`)).length).toBeGreaterThan(5);
    expect((await trail(`&subject_id=${event?.subject_id}`)).map(({ action }) => action)).toContain('createRegistry');
    expect((await trail(`&action=createRegistry&from=${time}`)).map(({ id }) => id)).toContain(event?.id);
    expect((await trail(`&to=${time}`)).map(({ id }) => id)).not.toContain(event?.id);
    expect(await trail('&action=no-such-action')).toEqual([]);
  });

  test.each(['x', '1_2', '99999999999999_1b671a64-40d5-491e-99b0-da01ff1f3341'])(
    'rejects the cursor %s',
    async (cursor) => {
      expect((await estates.api.ask('GET', `${PATH}?cursor=${cursor}`)).statusCode).toBe(400);
    },
  );

  test('accepts any well-formed cursor', async () => {
    const query = '?cursor=9999999999999_ffffffff-ffff-ffff-ffff-ffffffffffff&page_size=1';
    expect((await estates.api.ask('GET', PATH + query)).json().items).toHaveLength(1);
  });

  test('uses an index for each filter', async () => {
    const client = await estates.api.database.pool.connect();
    try {
      await client.query(
        `insert into audit_events (organization_id, happened_at, actor_id, actor_name, action, subject_id)
        select $1, now() - n * interval '1 minute', gen_random_uuid(), 'x', 'action' || n % 50, n::text
        from generate_series(1, 20000) n`,
        [estates.api.rival.id],
      );
      await client.query('analyze audit_events');
      for (const filter of [
        'true',
        "actor_id = '1b671a64-40d5-491e-99b0-da01ff1f3341'",
        "action = 'action7'",
        "subject_id = '77'",
      ]) {
        const { rows } =
          await client.query(`explain select id from audit_events e where organization_id = '${estates.api.rival.id}'
          and ${filter} order by happened_at desc, id desc limit 21`);
        const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
        expect(plan).toMatch(/Index (Only )?Scan/);
        expect(plan).not.toMatch(/Seq Scan/);
      }
    } finally {
      client.release();
    }
  });

  test('deletes events past their retention, in batches', async () => {
    const { db, pool } = estates.api.database;
    const old = async () =>
      (await pool.query("select count(*)::int as n from audit_events where happened_at < now() - interval '5 days'"))
        .rows[0].n;
    expect(await old()).toBeGreaterThan(10_000);
    const before = await countRows();
    const [all] = [await old()];
    expect(await expireAuditEvents(db, 5)).toBe(all);
    expect([await old(), await countRows()]).toEqual([0, before - all]);
    expect(await expireAuditEvents(db, 5)).toBe(0);
  });

  test('records a change of a life cycle as an action of Larder', async () => {
    const { db, pool } = estates.api.database;
    await pool.query("update product_branches set end_of_life_at = current_date + 10 where product_key = 'redis'");
    const moved = await inTransaction(db, (tx) => moveLifeCycles(tx));
    const one = moved.find(({ organization_id }) => organization_id === estates.api.acme.id);
    const [event] = await trail(`&subject_id=${one?.id}&action=moveLifeCycle`);
    expect(event).toMatchObject({ actor_name: 'Larder', subject_kind: 'application', outcome: 'SUCCEEDED' });
    expect(event).not.toHaveProperty('actor_id');
  });
});
