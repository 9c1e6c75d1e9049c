// The keys that sign releases, over HTTP. Members need a token. The public keys can be read without a token.
import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi, violationsOf } from '../../test/api.ts';
import { ensureReleaseKeys } from '../identity/release-signing-keys.ts';

const PATH = '/larder/v1/signing-keys';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
  await ensureReleaseKeys(api.database.db, api.identity);
}, 60_000);
afterAll(() => api.close());

/** Sends a GET without a token. */
const read = (url: string) => api.app.inject({ method: 'GET', url });
const keys = async () => (await api.ask('GET', PATH)).json().items;
const newPem = () =>
  generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();

describe('with a token', () => {
  test('owners replace the key; the answer names the new one, and the audit trail who did it', async () => {
    const private_key = newPem();
    const made = await api.ask('POST', PATH, { body: { private_key, overlap_days: 3 } });
    expect([made.statusCode, made.body]).toEqual([201, '']);
    const path = String(made.headers['location']);
    const key = (await api.ask('GET', path)).json();
    expect(key).toMatchObject({ status: 'CURRENT', origin: 'IMPORTED', created_by: 'jane' });
    expect(path).toBe(`${PATH}/${key.id}`);
    const { items } = (await api.ask('GET', '/larder/v1/audit-events?action=createSigningKey')).json();
    expect(items[0]).toMatchObject({ subject_kind: 'signing_key', subject_id: key.id });
    expect(items[0].changed_fields).toEqual(['private_key', 'overlap_days']);
    const everything = JSON.stringify([items, key, await keys()]) + api.lines.join('');
    expect(everything).not.toContain('PRIVATE');
    expect(everything).not.toContain(private_key.split('\n')[1]);
  });

  test('a repeated request under its idempotency key makes one key', async () => {
    const before = (await keys()).length;
    const ask = { body: {}, headers: { 'idempotency-key': 'rotation' } };
    const [first, again] = [await api.ask('POST', PATH, ask), await api.ask('POST', PATH, ask)];
    expect(again.headers['location']).toBe(first.headers['location']);
    expect(await keys()).toHaveLength(before + 1);
  });

  test.each(['EDITOR', 'VIEWER'] as const)('%s may list them, and change nothing', async (role) => {
    const token = api.acme.access[role];
    expect((await api.ask('GET', PATH, { token })).statusCode).toBe(200);
    expect((await api.ask('POST', PATH, { token, body: {} })).statusCode).toBe(403);
  });

  test('a key that cannot sign and an impossible overlap are violations of their fields', async () => {
    const rejected = await api.ask('POST', PATH, { body: { private_key: 'a password', overlap_days: 366 } });
    expect(rejected.statusCode).toBe(400);
    expect(Object.keys(violationsOf(rejected))).toEqual(['overlap_days']);
    const unusable = await api.ask('POST', PATH, { body: { private_key: 'a password' } });
    expect(unusable.statusCode).toBe(400);
    expect(violationsOf(unusable)['private_key']).toMatch(/one private key in PEM/);
    expect(unusable.body).not.toContain('a password');
  });

  test('a key that the organization has is a conflict', async () => {
    const body = { private_key: newPem(), overlap_days: 0 };
    expect((await api.ask('POST', PATH, { body })).statusCode).toBe(201);
    const again = await api.ask('POST', PATH, { body });
    expect([again.statusCode, again.json().type]).toEqual([409, '/problems/taken']);
  });
});

describe('without a token', () => {
  test('the current key is at a path that stays, and each key at one of its own', async () => {
    const [current, older] = await keys();
    const pem = await read('/signing-keys/acme/current.pem');
    expect(pem.statusCode).toBe(200);
    expect(pem.headers['content-type']).toBe('application/x-pem-file');
    expect(pem.headers['cache-control']).toBe('public, max-age=300');
    expect(pem.body).toBe(current.public_key);
    const before = await read(older.public_key_url);
    expect(before.body).toBe(older.public_key);
    expect(before.headers['cache-control']).toMatch(/immutable/);
  });

  test('all keys are listed with their dates, and with nothing about people', async () => {
    const listed = (await read('/signing-keys/acme/keys.json')).json().keys;
    const all = await keys();
    expect(listed).toEqual(all.map(({ origin: _, created_by: __, ...key }: Record<string, unknown>) => key));
    expect(listed.at(-1)).toMatchObject({ status: 'RETIRED', signs_until: expect.stringMatching(/Z$/) });
  });

  test('the trusted root names no authority', async () => {
    const root = await read('/signing-keys/trusted-root.json');
    expect(root.json()).toEqual({ mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1' });
  });

  test('a key of another organization, and whatever does not exist, is not found', async () => {
    const [ours] = await keys();
    for (const path of [
      `/signing-keys/rival/${ours.id}.pem`,
      '/signing-keys/nobody/current.pem',
      '/signing-keys/nobody/keys.json',
      '/signing-keys/acme/other.pem',
      `/signing-keys/acme/${ours.id}`,
      '/signing-keys/acme/%00.pem',
      '/signing-keys/%00/keys.json',
    ]) {
      const answer = await read(path);
      expect([path, answer.statusCode, answer.json().type]).toEqual([path, 404, '/problems/not-found']);
    }
  });
});
