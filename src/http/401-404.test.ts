// Status 401 for missing and invalid tokens, and 404 for malformed ids. Roles and other organizations are tested in
// tenancy.test.ts.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { createTestDatabase } from '../../test/database.ts';
import { sampleQuery, sampleSent } from '../../test/sample-request.ts';
import type { EndpointDefinition } from '../contract/endpoint.ts';
import { endpoints } from '../contract/endpoints.ts';
import { signAccessToken } from '../identity/access-tokens.ts';
import { openIdentity } from '../identity/identity.ts';
import { newInstallationKey } from '../identity/installation-key.ts';
import { loadSigningKeys } from '../identity/signing-keys.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
}, 60_000);
afterAll(() => api.close());

const table = Object.entries<EndpointDefinition>(endpoints).filter(([, { access }]) => access !== 'PUBLIC');
const UNKNOWN = '1b671a64-40d5-491e-99b0-da01ff1f3341';

/** Replaces the parameters in an endpoint's path by `values`. A parameter without a value gets an unknown id. */
function pathOf({ path }: EndpointDefinition, values: Record<string, string> = {}): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    if (values[name] !== undefined) return values[name];
    if (name === 'release_id') return '64455e6bd3c480fd58546c75';
    return name === 'digest' ? 'a'.repeat(64) : UNKNOWN;
  });
}

describe('401', () => {
  test.each(table)('%s without a token', async (_, endpoint) => {
    const response = await api.ask(endpoint.method, pathOf(endpoint), { token: undefined });
    expect(response.statusCode).toBe(401);
    expect(response.headers['content-type']).toBe('application/problem+json');
    expect(response.headers['www-authenticate']).toBe('Bearer realm="larder"');
    expect(response.json()).toMatchObject({ type: '/problems/token-missing', status: 401 });
  });

  test('for a damaged token, a token of another installation, an API token and an expired token', async () => {
    const tokens = [
      'x',
      `${api.acme.access.OWNER.slice(0, -2)}xx`,
      await foreignToken(),
      api.acme.tokens.OWNER,
      api.acme.access.OWNER.replace(/^[^.]+/, Buffer.from('{"alg":"none"}').toString('base64url')),
    ];
    for (const token of tokens) {
      const response = await api.ask('GET', '/v1/catalogs', { token });
      expect([response.statusCode, response.json().type]).toEqual([401, '/problems/token-invalid']);
      expect(response.headers['www-authenticate']).toContain('error="invalid_token"');
    }
    const keys = await loadSigningKeys(api.database.db, api.key);
    const principal = { organization_id: api.acme.id, user_id: UNKNOWN, name: 'jane', role: 'OWNER' } as const;
    const expired = await signAccessToken(keys, principal, new Date(Date.now() - 31 * 60_000));
    const response = await api.ask('GET', '/v1/catalogs', { token: expired });
    expect([response.statusCode, response.json().type]).toEqual([401, '/problems/token-expired']);
  });

  test('for other authentication schemes', async () => {
    const authorization = `Basic ${Buffer.from(`x:${api.acme.tokens.OWNER}`).toString('base64')}`;
    const response = await api.ask('GET', '/v1/catalogs', { token: undefined, headers: { authorization } });
    expect(response.json().type).toBe('/problems/token-missing');
  });
});

async function foreignToken(): Promise<string> {
  const database = await createTestDatabase();
  try {
    const key = newInstallationKey();
    await openIdentity(database.db, key);
    const keys = await loadSigningKeys(database.db, key);
    return await signAccessToken(keys, { organization_id: api.acme.id, user_id: UNKNOWN, name: 'x', role: 'OWNER' });
  } finally {
    await database.drop();
  }
}

describe('404', () => {
  const withIds = table.filter(([, { params }]) => params !== undefined);
  const identified = withIds.filter(([operation]) => operation !== 'getProductBranch');

  test.each(identified)('%s of a malformed id', async (_, endpoint) => {
    const sent = await sampleSent(endpoint, () => UNKNOWN);
    const values = Object.fromEntries(Object.keys(endpoint.params?.properties ?? {}).map((name) => [name, 'x']));
    const response = await api.ask(endpoint.method, pathOf(endpoint, values) + sampleQuery(endpoint), sent);
    expect([response.statusCode, response.json().type]).toEqual([404, '/problems/not-found']);
  });
});
