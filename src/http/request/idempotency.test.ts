// Idempotency-Key in the real API. A repeated request is executed once, and its stored answer is sealed.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi, violationsOf } from '../../../test/api.ts';
import { packed, rootfs } from '../../../test/fixtures/customization.ts';
import { formOf } from '../../../test/multipart.ts';
import { ensureHostedRegistry } from '../../catalog/initial-rows.ts';
import { expireReplays } from '../../catalog/replays.ts';
import { inTransaction } from '../../db/database.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
}, 60_000);
afterAll(() => api.close());

const REGISTRY = {
  description: 'x',
  provider: 'OCI',
  url: 'https://registry.test',
  access_secret: 'hunter2-secret',
};

function post(key: string, body: object, token = api.acme.access.OWNER) {
  return api.ask('POST', '/v1/registries', { token, body, headers: { 'idempotency-key': key } });
}

async function countOf(name: string): Promise<number> {
  const { rows } = await api.database.pool.query('select count(*)::int as n from registries where name = $1', [name]);
  return rows[0].n;
}

describe('the same request', () => {
  test('is executed once and answered twice, in any order of its fields', async () => {
    const first = await post('order-1', { name: 'one', ...REGISTRY });
    const second = await post('order-1', { ...REGISTRY, name: 'one' });
    expect([first.statusCode, second.statusCode]).toEqual([201, 201]);
    expect(second.headers['location']).toBe(first.headers['location']);
    expect([first.headers['idempotent-replayed'], second.headers['idempotent-replayed']]).toEqual([undefined, 'true']);
    expect(await countOf('one')).toBe(1);
  });

  test('is executed once when it is sent concurrently', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => post('burst', { name: 'burst', ...REGISTRY })));
    expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ headers }) => headers['location'])).size).toBe(1);
    expect(await countOf('burst')).toBe(1);
  });

  test('gets the same password again, which is sealed in the database', async () => {
    const id = await inTransaction(api.database.db, async (tx) => {
      await ensureHostedRegistry(tx, api.acme.id, 'http://127.0.0.1:8080');
      const hosted = tx.selectFrom('registries').where('organization_id', '=', api.acme.id).where('hosted', '=', true);
      return (await hosted.select('id').executeTakeFirstOrThrow()).id;
    });
    const ask = () =>
      api.ask('POST', `/v1/registries/${id}/credentials`, {
        body: { description: 'robot' },
        headers: { 'idempotency-key': 'credential' },
      });
    const [first, second] = [await ask(), await ask()];
    expect(second.json()).toEqual(first.json());
    expect(first.json().password.length).toBeGreaterThan(10);
    const { rows } = await api.database.pool.query('select sealed_answer from replays where key = $1', ['credential']);
    expect(rows[0].sealed_answer.toString('latin1')).not.toContain(first.json().password);
  });

  test('is an upload with the same fields and the same bytes of the archive', async () => {
    const path = `/v1/catalogs/${api.acme.catalog_id}/customizations`;
    const send = async (content: string, name: string) => {
      const archive = await packed([rootfs('etc/motd', { content })]);
      const file = { name: 'file', filename: 'x.tar.gz', content: archive };
      const { body, headers } = formOf(file, { name: 'name', content: name });
      return api.ask('POST', path, { body, headers: { ...headers, 'idempotency-key': 'upload' } });
    };
    const [first, second] = [await send('hello', 'a'), await send('hello', 'a')];
    expect([first.statusCode, second.headers['location']]).toEqual([201, first.headers['location']]);
    expect((await send('other', 'a')).statusCode).toBe(422);
    expect((await send('hello', 'b')).statusCode).toBe(422);
  });
});

describe('a key', () => {
  test('that was used for another request is rejected', async () => {
    expect((await post('taken', { name: 'taken', ...REGISTRY })).statusCode).toBe(201);
    const other = await post('taken', { name: 'other', ...REGISTRY });
    expect([other.statusCode, other.json().type]).toEqual([422, '/problems/key-reused']);
    expect(await countOf('other')).toBe(0);
  });

  test('belongs to one organization', async () => {
    const mine = await post('shared', { name: 'shared', ...REGISTRY });
    const theirs = await post('shared', { name: 'shared', ...REGISTRY }, api.rival.access.OWNER);
    expect([mine.statusCode, theirs.statusCode, theirs.headers['idempotent-replayed']]).toEqual([201, 201, undefined]);
    expect(theirs.headers['location']).not.toBe(mine.headers['location']);
  });

  test('can be used again after a rejection', async () => {
    expect((await post('again', { name: 'again' })).statusCode).toBe(400);
    expect((await post('again', { name: 'again', ...REGISTRY })).statusCode).toBe(201);
  });

  test.each([['has spaces'], ['ä'], ['a'.repeat(256)], ['']])('%j is rejected', async (key) => {
    const answer = await post(key, { name: 'never', ...REGISTRY });
    expect([answer.statusCode, Object.keys(violationsOf(answer))]).toEqual([400, ['Idempotency-Key']]);
    expect(await countOf('never')).toBe(0);
  });

  test('can be used again after 24 hours, and is then deleted', async () => {
    const first = await post('daily', { name: 'daily', ...REGISTRY });
    const age = () =>
      api.database.pool.query(
        "update replays set created_at = now() - interval '24 hours 1 second' where key = 'daily'",
      );
    await age();
    const second = await post('daily', { name: 'daily', ...REGISTRY });
    expect(second.headers['location']).not.toBe(first.headers['location']);
    await age();
    await inTransaction(api.database.db, expireReplays);
    const { rows } = await api.database.pool.query("select key from replays where key in ('daily', 'taken')");
    expect(rows).toEqual([{ key: 'taken' }]);
  });
});
