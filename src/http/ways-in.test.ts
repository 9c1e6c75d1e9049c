// The last way in for an owner. Every change that would remove it is rejected, also when changes run concurrently.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { openTestSignIn, titleOf } from '../../test/sign-in.ts';
import { inTransaction } from '../db/database.ts';
import { createApiToken } from '../identity/api-tokens.ts';
import { openIdentity } from '../identity/identity.ts';
import { connectAccount } from '../identity/oidc-accounts.ts';
import { openPasswordHashes } from '../identity/password-hashes.ts';
import { keepPassword } from '../identity/passwords.ts';
import type { Principal } from '../identity/principal.ts';
import { countEndingWaysIn, findEndingWaysIn } from '../identity/ways-in.ts';
import { buildServer } from './server.ts';
import type { ServerParts } from './server-parts.ts';

const TOKENS = '/larder/v1/api-tokens';
const USERS = '/larder/v1/users';
const LAST = [409, '/problems/last-way-in'];
const PASSWORD = 'correct horse battery staple';

let api: TestApi;
let parts: ServerParts;
/**
 * The only owner of acme at the beginning of a test. She has one token with the role OWNER and two tokens with lower roles.
 */
let jane: Principal;

beforeEach(async () => {
  const build = (given: ServerParts) => {
    parts = given;
    return buildServer(given);
  };
  api = await openTestApi({ build });
  jane = await api.identity.verifyAccessToken(api.acme.access.OWNER);
}, 60_000);
afterEach(() => api.close());

function outcome(answer: { statusCode: number; body: string }): unknown[] {
  return answer.statusCode === 204 ? [204] : [answer.statusCode, JSON.parse(answer.body).type];
}

async function tokenOf(name: string): Promise<string> {
  const { rows } = await api.database.pool.query(
    'select id from api_tokens where user_id = $1 and name = $2 and removed_at is null',
    [jane.user_id, name],
  );
  return `${TOKENS}/${rows[0].id}`;
}

async function makeToken(name: string, body: object = {}): Promise<string> {
  const made = await api.ask('POST', TOKENS, { body: { name, ...body } });
  expect(made.statusCode).toBe(201);
  return String(made.headers['location']);
}

async function makeOwner(name: string, withToken: boolean): Promise<string> {
  const made = await api.ask('POST', USERS, { body: { name, role: 'OWNER', with_api_token: withToken } });
  expect(made.statusCode).toBe(201);
  return String(made.headers['location']);
}

async function givePassword(user: Principal): Promise<void> {
  const password_hash = await openPasswordHashes().hash(PASSWORD);
  const request = { email: 'jane@example.org', password_hash, instead_of: undefined };
  await inTransaction(api.database.db, (tx) => keepPassword(tx, user, request));
}

describe('revoking a token', () => {
  test('is rejected for the last one, says what to do, and changes nothing', async () => {
    const path = await tokenOf('first token');
    const rejected = await api.ask('DELETE', path);
    expect(rejected.json()).toMatchObject({
      status: 409,
      type: '/problems/last-way-in',
      title: 'An owner must be able to log in',
      detail:
        'No owner could log in after this: first create another API token of an owner, with role OWNER and scope API, or set the password of an owner (PUT /larder/v1/password)',
    });
    expect((await api.ask('GET', path)).json().status).toBe('ACTIVE');
    const { rows } = await api.database.pool.query(`select from audit_events where action = 'revokeApiToken'`);
    expect(rows).toHaveLength(0);
    expect((await api.ask('GET', '/problems/last-way-in', { token: undefined })).statusCode).toBe(200);
  });

  test.each([
    ['a lesser role', { role: 'EDITOR' }],
    ['a lesser scope', { scopes: ['API_READ', 'REGISTRY'] }],
  ])('is rejected for the last one despite another token with %s', async (_what, body) => {
    await makeToken('other', body);
    expect(outcome(await api.ask('DELETE', await tokenOf('first token')))).toEqual(LAST);
    expect(outcome(await api.ask('DELETE', await tokenOf('other')))).toEqual([204]);
  });

  test('is rejected if the other token is expired or revoked, and accepted if it works', async () => {
    const over = await makeToken('over');
    await api.database.pool.query(`update api_tokens set expires_at = now() where name = 'over'`);
    const first = await tokenOf('first token');
    expect(outcome(await api.ask('DELETE', first))).toEqual(LAST);
    expect(outcome(await api.ask('DELETE', over))).toEqual([204]);
    expect(outcome(await api.ask('DELETE', first))).toEqual(LAST);
    await makeToken('next');
    expect(outcome(await api.ask('DELETE', first))).toEqual([204]);
    expect(outcome(await api.ask('DELETE', await tokenOf('next')))).toEqual(LAST);
  });

  test('is accepted if an owner has a password and passwords are enabled', async () => {
    await givePassword(jane);
    const first = await tokenOf('first token');
    const identity = await openIdentity(api.database.db, api.key, { passwords: false });
    const server = buildServer({ ...parts, identity });
    const headers = { authorization: `Bearer ${api.acme.access.OWNER}` };
    const rejected = await server.inject({ method: 'DELETE', url: first, headers });
    expect(outcome(rejected)).toEqual(LAST);
    expect(rejected.json().detail).not.toContain('password');
    await server.close();
    expect(outcome(await api.ask('DELETE', first))).toEqual([204]);
  });

  test('is rejected despite tokens of an editor and of an owner of another organization', async () => {
    await api.ask('POST', USERS, { body: { name: 'ed', role: 'EDITOR', with_api_token: true } });
    expect(outcome(await api.ask('DELETE', await tokenOf('first token')))).toEqual(LAST);
  });

  test('concurrently for the last two tokens is rejected for one of them', async () => {
    const first = await tokenOf('first token');
    for (let round = 0; round < 5; round++) {
      const second = await makeToken('second');
      const answers = await Promise.all([first, second].map((path) => api.ask('DELETE', path)));
      expect(answers.map(outcome).sort()).toEqual([[204], LAST]);
      // Restores the first token and revokes the second, because the requests before revoked one of the two.
      await api.database.pool.query(
        `update api_tokens set removed_at = case when id = $1 then null else now() end where organization_id = $2
          and (id = $1 or name = 'second')`,
        [first.split('/').at(-1), api.acme.id],
      );
    }
  });

  test('is accepted if no owner can log in anyway', async () => {
    await api.database.pool.query('update api_tokens set expires_at = now() where organization_id = $1', [api.acme.id]);
    expect(outcome(await api.ask('DELETE', await tokenOf('first token')))).toEqual([204]);
  });
});

describe('users', () => {
  test('the only owner who can log in cannot be removed or demoted', async () => {
    const other = await makeOwner('other', false);
    const path = `${USERS}/${jane.user_id}`;
    expect(outcome(await api.ask('DELETE', path))).toEqual(LAST);
    expect(outcome(await api.ask('PATCH', path, { body: { role: 'EDITOR' } }))).toEqual(LAST);
    expect((await api.ask('GET', path)).json().role).toBe('OWNER');
    expect(outcome(await api.ask('PATCH', path, { body: { name: 'Jane' } }))).toEqual([204]);
    expect(outcome(await api.ask('DELETE', other))).toEqual([204]);
  });

  test('an owner can be removed if another owner can log in', async () => {
    await makeOwner('other', true);
    expect(outcome(await api.ask('DELETE', `${USERS}/${jane.user_id}`))).toEqual([204]);
  });

  test('of a concurrent revocation and a demotion of the other owner, one is rejected', async () => {
    for (let round = 0; round < 5; round++) {
      const other = await makeOwner(`other ${round}`, true);
      const answers = await Promise.all([
        api.ask('DELETE', await tokenOf('first token')),
        api.ask('PATCH', other, { body: { role: 'EDITOR' } }),
      ]);
      expect(answers.map(outcome).sort()).toEqual([[204], LAST]);
      await api.database.pool.query(`update api_tokens set removed_at = null where user_id = $1 and role = 'OWNER'`, [
        jane.user_id,
      ]);
      await api.ask('DELETE', other);
    }
  });
});

test('an account at the configured provider is a way to log in', async () => {
  const person = { issuer: 'https://login.example.org', subject: 'jane' };
  const source = { request_id: 'x', address: '127.0.0.1' };
  await inTransaction(api.database.db, (tx) => connectAccount(tx, person, { user: jane, source }));
  const settings = { issuer: person.issuer, clientId: 'x', scopes: [], roleValues: {}, emailDomains: [] };
  const revoke = async (issuer: string) => {
    const identity = await openIdentity(api.database.db, api.key, { oidc: { ...settings, issuer } });
    const server = buildServer({ ...parts, identity });
    const headers = { authorization: `Bearer ${api.acme.access.OWNER}` };
    const answer = await server.inject({ method: 'DELETE', url: await tokenOf('first token'), headers });
    await server.close();
    return answer;
  };
  const rejected = await revoke('https://another.example.org');
  expect(outcome(rejected)).toEqual(LAST);
  expect(rejected.json().detail).toContain('connect an owner’s account at the identity provider');
  expect(outcome(await revoke(person.issuer))).toEqual([204]);
});

test('a claim of the provider does not demote the last owner who can log in', async () => {
  const signIn = await openTestSignIn();
  try {
    const { pool } = signIn.api.database;
    const server = await signIn.startServer({ roleClaim: 'groups', organization: 'rival', defaultRole: 'VIEWER' });
    await signIn.enter(server, 'boss', { claims: { name: 'boss', groups: 'OWNER' } });
    // Jane stays an owner, but cannot log in.
    await pool.query('update api_tokens set removed_at = now() where organization_id = $1', [signIn.api.rival.id]);
    const { page } = await signIn.enter(server, 'boss', { claims: { name: 'boss', groups: [] } });
    expect([page.status, titleOf(page.text)]).toEqual([409, 'An owner must be able to log in']);
    expect(await signIn.userOf('boss')).toMatchObject({ role: 'OWNER' });
  } finally {
    await signIn.close();
  }
});

describe('ways in that end', () => {
  const waysIn = { passwords: true };
  const ending = () => findEndingWaysIn(api.database.db, waysIn);
  const letEnd = (days: number) =>
    api.database.pool.query(
      `update api_tokens set expires_at = now() + make_interval(days => $2) - interval '1 hour' where organization_id = $1`,
      [api.acme.id, days],
    );

  test('are found by the end of the last one, and counted', async () => {
    expect(await ending()).toEqual([]);
    await letEnd(32);
    expect(await ending()).toEqual([]);
    await letEnd(10);
    expect(await ending()).toEqual([
      expect.objectContaining({ organization_id: api.acme.id, namespace: 'acme', days_left: 10 }),
    ]);
    expect(await countEndingWaysIn(api.database.db, waysIn)).toEqual({ ending: 1, ended: 0 });
    const owner = { organization_id: api.acme.id, user_id: jane.user_id };
    await inTransaction(api.database.db, (tx) => createApiToken(tx, owner, { name: 'next', role: 'OWNER' }));
    expect(await ending()).toEqual([]);
  });

  test('do not count beside a password, unless passwords are disabled', async () => {
    await letEnd(-1);
    expect(await ending()).toMatchObject([{ organization_id: api.acme.id, days_left: 0 }]);
    expect(await countEndingWaysIn(api.database.db, waysIn)).toEqual({ ending: 0, ended: 1 });
    await givePassword(jane);
    expect(await ending()).toEqual([]);
    expect(await findEndingWaysIn(api.database.db, { passwords: false })).toHaveLength(1);
  });

  test('include organizations without any', async () => {
    await api.database.pool.query('delete from api_tokens where organization_id = $1', [api.acme.id]);
    expect(await ending()).toMatchObject([{ organization_id: api.acme.id, ends_at: null, days_left: 0 }]);
    expect(await findEndingWaysIn(api.database.db, waysIn, { organization_id: api.rival.id })).toEqual([]);
  });
});
