// Authentication: organizations, API tokens, their exchange for access tokens, and tokens that must be rejected.
import { exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { inTransaction } from '../db/database.ts';
import { ACCESS_TOKEN_SECONDS, signAccessToken } from './access-tokens.ts';
import { createApiToken, removeApiToken } from './api-tokens.ts';
import { type Identity, openIdentity } from './identity.ts';
import { type InstallationKey, newInstallationKey } from './installation-key.ts';
import { createOrganization, type NewOrganization } from './organizations.ts';
import type { Principal } from './principal.ts';
import { loadSigningKeys, type SigningKeys } from './signing-keys.ts';

let database: TestDatabase;
let key: InstallationKey;
let identity: Identity;
let keys: SigningKeys;
let acme: NewOrganization;

beforeAll(async () => {
  database = await createTestDatabase();
  key = newInstallationKey();
  identity = await openIdentity(database.db, key);
  keys = await loadSigningKeys(database.db, key);
  acme = await inTransaction(database.db, (tx) => createOrganization(tx, { name: 'Acme GmbH & Co', owner: 'Ada' }));
});
afterAll(() => database.drop());

function principal(): Principal {
  return { organization_id: acme.organization.id, user_id: acme.owner.id, name: 'Ada', role: 'OWNER' };
}

describe('openIdentity', () => {
  test('creates one signing key for many servers that start at once', async () => {
    const empty = await createTestDatabase();
    try {
      const all = await Promise.all(Array.from({ length: 6 }, () => openIdentity(empty.db, key)));
      const published = await Promise.all(all.map((one) => one.jwks()));
      expect(new Set(published.map((jwks) => JSON.stringify(jwks))).size).toBe(1);
      expect(published[0]?.keys).toHaveLength(1);
    } finally {
      await empty.drop();
    }
  });

  test("rejects another installation's key", async () => {
    await expect(openIdentity(database.db, newInstallationKey())).rejects.toMatchObject({ code: 'KEY_WRONG' });
  });

  test('publishes no member that is not part of a public key, and names a stored key that is none', async () => {
    const changed = await createTestDatabase();
    try {
      await openIdentity(changed.db, key);
      await changed.pool.query(`update signing_keys set public_jwk = public_jwk || '{"more": 1}'`);
      const { jwks } = await loadSigningKeys(changed.db, key);
      expect(jwks.keys.map((jwk) => Object.keys(jwk).sort())).toEqual([['alg', 'crv', 'kid', 'kty', 'use', 'x']]);
      const { rows } = await changed.pool.query(`update signing_keys set public_jwk = public_jwk - 'x' returning kid`);
      await expect(loadSigningKeys(changed.db, key)).rejects.toThrow(`signing key ${rows[0]?.kid} cannot be read`);
      const { d, x, crv } = await exportJWK(
        (await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })).privateKey,
      );
      await changed.pool.query('update signing_keys set public_jwk = $1', [{ kty: 'OKP', crv, d, x }]);
      await expect(loadSigningKeys(changed.db, key)).rejects.toThrow(`signing key ${rows[0]?.kid} cannot be read`);
    } finally {
      await changed.drop();
    }
  });

  test('publishes only public keys, which verify its access tokens', async () => {
    const { access_token } = await identity.exchangeApiToken(acme.api_token);
    const { keys: published } = await identity.jwks();
    expect(published.map((jwk) => Object.keys(jwk).sort())).toEqual([['alg', 'crv', 'kid', 'kty', 'use', 'x']]);
    const [jwk] = published;
    const verified = await jwtVerify(access_token, await importJWK({ ...jwk }), { algorithms: ['EdDSA'] });
    expect(verified.payload).toMatchObject({
      sub: acme.owner.id,
      organization_id: acme.organization.id,
      role: 'OWNER',
    });
  });
});

describe('createOrganization', () => {
  function create(name: string, namespace?: string): Promise<NewOrganization> {
    return inTransaction(database.db, (tx) =>
      createOrganization(tx, { name, owner: 'Ada', ...(namespace !== undefined && { namespace }) }),
    );
  }

  test('makes a namespace from the name, and a different one for the next organization of that name', async () => {
    expect(acme.organization).toMatchObject({ name: 'Acme GmbH & Co', namespace: 'acme-gmbh-co' });
    expect((await create('Acme GmbH & Co')).organization.namespace).toBe('acme-gmbh-co-2');
    expect((await create('Größe Ñandú')).organization.namespace).toBe('gro-e-nandu');
    expect((await create('日本')).organization.namespace).toBe('organization');
  });

  test.each(['base', 'library', 'v2'])('does not give the reserved namespace %s', async (name) => {
    expect((await create(name)).organization.namespace).toBe(`${name}-2`);
  });

  test.each(['Acme', 'a--b', '-a', 'a/b', 'a_b', '', 'x'.repeat(41)])('rejects the namespace %j', async (namespace) => {
    await expect(create('Acme', namespace)).rejects.toMatchObject({ code: 'NAME_INVALID' });
  });

  test.each(['', ' ', 'a\u0000b', 'x'.repeat(101)])('rejects the name %j', async (name) => {
    await expect(create(name)).rejects.toMatchObject({ code: 'NAME_INVALID' });
  });
});

describe('exchangeApiToken', () => {
  test('returns the published fields, and a token for half an hour', async () => {
    const answer = await identity.exchangeApiToken(acme.api_token);
    expect(answer).toEqual({
      id_token: null,
      token_type: 'bearer',
      expires_in: 1799,
      scope: 'read write',
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      refresh_token: acme.api_token,
    });
    expect(await identity.verifyAccessToken(answer.access_token)).toEqual({
      ...principal(),
      scopes: ['API', 'REGISTRY'],
      token_id: expect.any(String),
    });
  });

  test('does not store the secret in the database', async () => {
    expect(acme.api_token).toMatch(/^larder_[\w-]{43}$/);
    const { rows } = await database.pool.query<{ dump: string }>(`select t::text as dump from api_tokens t`);
    expect(rows.length).toBeGreaterThan(0);
    const secret = acme.api_token.slice('larder_'.length);
    const hex = Buffer.from(secret, 'base64url').toString('hex');
    expect(rows.some(({ dump }) => dump.includes(secret) || dump.includes(hex))).toBe(false);
  });

  test('records the use of a token, but not every use', async () => {
    await identity.exchangeApiToken(acme.api_token);
    const used = () =>
      database.db.selectFrom('api_tokens').select('last_used_at').where('user_id', '=', acme.owner.id).execute();
    const [first] = await used();
    expect(first?.last_used_at).toBeInstanceOf(Date);
    await identity.exchangeApiToken(acme.api_token);
    expect(await used()).toEqual([first]);
  });

  test('returns an access token with the role of the API token, not of its user', async () => {
    const owner = { organization_id: acme.organization.id, user_id: acme.owner.id };
    const { secret } = await inTransaction(database.db, (tx) =>
      createApiToken(tx, owner, { name: 'ci', role: 'VIEWER' }),
    );
    const answer = await identity.exchangeApiToken(secret);
    expect(answer.scope).toBe('read');
    expect(await identity.verifyAccessToken(answer.access_token)).toMatchObject({ role: 'VIEWER' });
  });

  test.each([
    ['nothing', '', 'TOKEN_MISSING'],
    ['an unknown token', `larder_${'A'.repeat(43)}`, 'TOKEN_INVALID'],
    ['a token of another kind', 'ghp_abcdefghijklmnop', 'TOKEN_INVALID'],
    ['a very long text', 'x'.repeat(1_000_000), 'TOKEN_INVALID'],
    ['text with a zero byte', 'larder_\u0000', 'TOKEN_INVALID'],
  ])('rejects %s', async (_what, token, code) => {
    await expect(identity.exchangeApiToken(token)).rejects.toMatchObject({ code });
    expect(await identity.findTokenHolder(token)).toBeUndefined();
  });

  test('rejects a removed token, an expired token, and a token whose user was removed', async () => {
    const owner = { organization_id: acme.organization.id, user_id: acme.owner.id };
    const options = { name: 'x', role: 'EDITOR' } as const;
    const [removed, over, orphan] = await inTransaction(database.db, async (tx) => {
      const user = await tx
        .insertInto('users')
        .values({ organization_id: acme.organization.id, name: 'Eve', role: 'EDITOR', removed_at: new Date() })
        .returning('id')
        .executeTakeFirstOrThrow();
      const first = await createApiToken(tx, owner, options);
      await removeApiToken(tx, { organization_id: acme.organization.id, id: first.id });
      return [
        first,
        await createApiToken(tx, owner, { ...options, expires_at: new Date(Date.now() - 1000) }),
        await createApiToken(tx, { ...owner, user_id: user.id }, options),
      ];
    });
    await expect(identity.exchangeApiToken(removed.secret)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    await expect(identity.exchangeApiToken(over.secret)).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' });
    await expect(identity.exchangeApiToken(orphan.secret)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    for (const { secret } of [removed, over, orphan]) expect(await identity.findTokenHolder(secret)).toBeUndefined();
  });

  test('removes a token only within its organization', async () => {
    const other = await inTransaction(database.db, (tx) => createOrganization(tx, { name: 'Other', owner: 'Oz' }));
    const owner = { organization_id: acme.organization.id, user_id: acme.owner.id };
    const token = await inTransaction(database.db, (tx) => createApiToken(tx, owner, { name: 'x', role: 'VIEWER' }));
    await inTransaction(database.db, (tx) =>
      removeApiToken(tx, { organization_id: other.organization.id, id: token.id }),
    );
    expect(await identity.findTokenHolder(token.secret)).toMatchObject({ namespace: 'acme-gmbh-co' });
  });
});

describe('verifyAccessToken', () => {
  /** Returns an access token in which one property is wrong. */
  function forged(
    change: { header?: object; claims?: object; expires?: string; signWith?: SigningKeys } = {},
  ): Promise<string> {
    const claims = { sub: acme.owner.id, organization_id: acme.organization.id, name: 'Ada', role: 'OWNER' };
    const all = { ...claims, iss: keys.issuer, aud: 'larder-api', ...change.claims };
    return new SignJWT(all)
      .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: keys.current.kid, ...change.header })
      .setIssuedAt()
      .setExpirationTime(change.expires ?? '30m')
      .sign((change.signWith ?? keys).current.privateKey);
  }

  test('accepts a forged token without a fault', async () => {
    expect(await identity.verifyAccessToken(await forged())).toEqual(principal());
  });

  test('throws TOKEN_EXPIRED for an expired token after the clock tolerance', async () => {
    const at = (secondsAgo: number) => signAccessToken(keys, principal(), new Date(Date.now() - secondsAgo * 1000));
    expect(await identity.verifyAccessToken(await at(ACCESS_TOKEN_SECONDS - 10))).toMatchObject({ name: 'Ada' });
    await expect(identity.verifyAccessToken(await at(ACCESS_TOKEN_SECONDS + 10))).rejects.toMatchObject({
      code: 'TOKEN_EXPIRED',
    });
  });

  test("rejects another installation's token, with its own kid and with this installation's", async () => {
    const elsewhere = await createTestDatabase();
    try {
      const otherKey = newInstallationKey();
      await openIdentity(elsewhere.db, otherKey);
      const others = await loadSigningKeys(elsewhere.db, otherKey);
      for (const token of [
        await signAccessToken(others, principal()),
        await forged({ signWith: others }),
        await forged({ signWith: others, expires: '-1h' }),
      ]) {
        await expect(identity.verifyAccessToken(token)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
      }
    } finally {
      await elsewhere.drop();
    }
  });

  test.each([
    ['another issuer', { claims: { iss: 'urn:larder:other' } }],
    ['another audience', { claims: { aud: 'registry' } }],
    ['another type', { header: { typ: 'JWT' } }],
    ['an unknown kid', { header: { kid: 'x' } }],
    ['no kid', { header: { kid: undefined } }],
    ['no organization', { claims: { organization_id: undefined } }],
    ['an unknown role', { claims: { role: 'ADMIN' } }],
    ['no subject', { claims: { sub: undefined } }],
  ])('rejects a token with %s', async (_what, change) => {
    await expect(identity.verifyAccessToken(await forged(change))).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  });

  test('rejects alg none, a symmetric algorithm keyed with the public key, and a changed payload', async () => {
    const good = await forged();
    const [header = '', payload = '', signature = ''] = good.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    const none = new UnsecuredJWT(claims).encode();
    const noneWithKid = `${Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt', kid: keys.current.kid })).toString('base64url')}.${payload}.`;
    const [jwk] = keys.jwks.keys;
    const symmetric = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: keys.current.kid })
      .sign(Buffer.from(String(jwk?.['x']), 'base64url'));
    const changed = Buffer.from(JSON.stringify({ ...claims, organization_id: 'x' })).toString('base64url');
    const embedded = await withEmbeddedKey(claims);
    for (const token of [
      none,
      noneWithKid,
      symmetric,
      `${header}.${changed}.${signature}`,
      `${header}.${payload}.`,
      embedded,
    ]) {
      await expect(identity.verifyAccessToken(token)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    }
  });

  /** Returns a token whose header contains the key that signed it (RFC 7515, section 4.1.3). Larder must ignore this key. */
  async function withEmbeddedKey(claims: Record<string, unknown>): Promise<string> {
    const own = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: keys.current.kid, jwk: await exportJWK(own.publicKey) })
      .sign(own.privateKey);
  }

  test.each([
    ['an API token', () => acme.api_token, 'TOKEN_INVALID'],
    ['nothing', () => '', 'TOKEN_MISSING'],
    ['noise', () => 'a.b.c', 'TOKEN_INVALID'],
    ['a megabyte', () => 'e'.repeat(1_000_000), 'TOKEN_INVALID'],
  ])('rejects %s', async (_what, token, code) => {
    await expect(identity.verifyAccessToken(token())).rejects.toMatchObject({ code });
  });
});

describe('tokens for another audience', () => {
  const registry = { audience: 'registry', lifetimeSeconds: 300 };

  test('are accepted for their audience with their claims', async () => {
    const jwt = await identity.signToken({ namespace: 'acme', access: [{ type: 'repository' }] }, registry);
    expect(await identity.verifyToken(jwt, registry)).toMatchObject({
      namespace: 'acme',
      access: [{ type: 'repository' }],
    });
  });

  test('are not accepted as access tokens, nor access tokens as theirs', async () => {
    const claims = { sub: acme.owner.id, organization_id: acme.organization.id, name: 'Ada', role: 'OWNER' };
    const jwt = await identity.signToken(claims, registry);
    await expect(identity.verifyAccessToken(jwt)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    const { access_token } = await identity.exchangeApiToken(acme.api_token);
    await expect(identity.verifyToken(access_token, registry)).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    await expect(identity.verifyToken(access_token, { audience: 'larder-api' })).rejects.toMatchObject({
      code: 'TOKEN_INVALID',
    });
    await expect(identity.verifyToken(jwt, { audience: 'other' })).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  });

  test('cannot be signed for the API', async () => {
    expect(() => identity.signToken({}, { audience: 'larder-api', lifetimeSeconds: 1 })).toThrow(TypeError);
  });
});
