// Access to the registry: credentials, tokens with scopes, roles, and the isolation of organizations.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { basic, digestOf, openTestRegistry, type TestRegistry, testImage } from '../../test/registry.ts';
import { clientOf, codeOf, type TestClient } from '../../test/registry-client.ts';
import { until } from '../../test/service.ts';
import type { TokenScope } from '../contract/vocabulary.ts';
import { inTransaction } from '../db/database.ts';
import { createApiToken, removeApiToken } from '../identity/api-tokens.ts';
import { MEDIA_TYPES } from '../oci/descriptor.ts';
import { hostedTarget } from './target.ts';

let registry: TestRegistry;
let client: TestClient;
const image = testImage('access');
const shared = testImage('shared');

beforeAll(async () => {
  registry = await openTestRegistry();
  client = clientOf(registry);
  await client.pushImage('acme/app', 'v1', image);
  await client.pushImage('acme/source', 'v1', shared);
  const { pool, content } = { pool: registry.database.pool, content: registry.content };
  const target = hostedTarget({ pool, content, organization_id: null, repository: 'base/debian' });
  const source = hostedTarget({ pool, content, organization_id: registry.acme.id, repository: 'acme/source' });
  const manifest = await source.resolve('v1');
  if (manifest === undefined) {
    throw new Error('the source was pushed');
  }
  for (const bytes of [shared.config, shared.layer]) {
    const blob = { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.length };
    await target.push(blob, () => source.fetch(blob));
  }
  await target.push(manifest, () => source.fetch(manifest));
  await target.tag(manifest, '12');
});
afterAll(() => registry.close());

/** Returns one request to every endpoint of a repository. */
function endpoints(name: string): [string, string, { body?: string; headers?: Record<string, string> }?][] {
  const blob = digestOf(image.layer);
  const upload = '00000000-0000-4000-8000-000000000000';
  return [
    ['GET', `/v2/${name}/tags/list`],
    ['GET', `/v2/${name}/manifests/v1`],
    ['HEAD', `/v2/${name}/manifests/v1`],
    ['GET', `/v2/${name}/manifests/${image.digest}`],
    ['GET', `/v2/${name}/blobs/${blob}`],
    ['HEAD', `/v2/${name}/blobs/${blob}`],
    ['GET', `/v2/${name}/blobs/${blob}`, { headers: { range: 'bytes=0-1' } }],
    ['GET', `/v2/${name}/referrers/${image.digest}`],
    ['PUT', `/v2/${name}/manifests/v1`, { body: image.manifest }],
    ['DELETE', `/v2/${name}/manifests/v1`],
    ['DELETE', `/v2/${name}/manifests/${image.digest}`],
    ['DELETE', `/v2/${name}/blobs/${blob}`],
    ['POST', `/v2/${name}/blobs/uploads/`],
    ['POST', `/v2/${name}/blobs/uploads/?digest=${blob}`, { body: image.layer.toString() }],
    ['POST', `/v2/${name}/blobs/uploads/?mount=${blob}&from=acme/app`],
    ['GET', `/v2/${name}/blobs/uploads/${upload}`],
    ['PATCH', `/v2/${name}/blobs/uploads/${upload}`, { body: 'x' }],
    ['PUT', `/v2/${name}/blobs/uploads/${upload}?digest=${blob}`, { body: 'x' }],
    ['DELETE', `/v2/${name}/blobs/uploads/${upload}`],
  ];
}

async function answerOf(response: Response, name: string): Promise<unknown> {
  const headers = Object.fromEntries(
    [...response.headers].filter(([key]) => !['date', 'connection', 'keep-alive'].includes(key)),
  );
  const text = `${JSON.stringify(headers)} ${await response.text()}`;
  return { status: response.status, text: text.replaceAll(name, 'NAME') };
}

describe('without credentials', () => {
  test('every endpoint answers 401 with a challenge, whether or not the repository exists', async () => {
    for (const name of ['acme/app', 'acme/none']) {
      for (const [method, path, options] of [
        ...endpoints(name),
        ['GET', '/v2/'],
        ['GET', '/v2/_catalog'],
        ['GET', '/v2/BAD'],
      ] as const) {
        const response = await fetch(registry.url + path, { method, ...options });
        expect([method, path, response.status]).toEqual([method, path, 401]);
        const challenge = response.headers.get('www-authenticate') ?? '';
        expect(challenge).toMatch(/^Bearer realm="http:\/\/127\.0\.0\.1:\d+\/v2\/token",service="larder-registry"/);
        expect(challenge).toContain('Basic realm=');
        if (method !== 'HEAD') {
          expect(await codeOf(response)).toBe('UNAUTHORIZED');
        }
      }
    }
  });

  test('the challenge names the scope', async () => {
    const push = await fetch(`${registry.url}/v2/acme/app/blobs/uploads/`, { method: 'POST' });
    expect(push.headers.get('www-authenticate')).toContain('scope="repository:acme/app:pull,push"');
    const session = await fetch(`${registry.url}/v2/acme/app/blobs/uploads/00000000-0000-4000-8000-000000000000`);
    expect(session.headers.get('www-authenticate')).toContain('scope="repository:acme/app:pull,push"');
    const catalog = await fetch(`${registry.url}/v2/_catalog`);
    expect(catalog.headers.get('www-authenticate')).toContain('scope="registry:catalog:*"');
  });
});

describe('the challenge for a mount', () => {
  const mount = (from: string) =>
    fetch(`${registry.url}/v2/acme/app/blobs/uploads/?mount=${digestOf('x')}&from=${encodeURIComponent(from)}`, {
      method: 'POST',
    });

  test('names both repositories, so that one token is enough', async () => {
    const challenge = (await mount('acme/source')).headers.get('www-authenticate');
    expect(challenge).toContain('scope="repository:acme/app:pull,push repository:acme/source:pull"');
  });

  test('repeats only valid names', async () => {
    const challenge = (await mount('x" realm="http://elsewhere')).headers.get('www-authenticate');
    expect(challenge).toContain('scope="repository:acme/app:pull,push"');
    expect(challenge).not.toContain('elsewhere');
  });
});

describe('with wrong credentials', () => {
  test('a request gets 401, and after a burst of unknown credentials 429 with Retry-After', async () => {
    const own = await openTestRegistry();
    const wrong = (n: number) => fetch(`${own.url}/v2/`, { headers: basic(`wrong-${n}`) });
    expect((await fetch(`${own.url}/v2/`, { headers: basic(own.acme.tokens.OWNER) })).status).toBe(200);
    const statuses = await Promise.all(Array.from({ length: 20 }, async (_, n) => (await wrong(n)).status));
    expect(new Set(statuses)).toEqual(new Set([401]));
    const rejected = await wrong(99);
    expect([rejected.status, await codeOf(rejected)]).toEqual([429, 'TOOMANYREQUESTS']);
    expect(Number(rejected.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await fetch(`${own.url}/v2/token`, { headers: basic('wrong') })).status).toBe(429);
    const form = new URLSearchParams({ grant_type: 'password', username: 'x', password: 'wrong' });
    expect((await fetch(`${own.url}/v2/token`, { method: 'POST', body: form })).status).toBe(429);
    expect((await fetch(`${own.url}/v2/`, { headers: basic(own.acme.tokens.OWNER) })).status).toBe(200);
    await own.close();
  });

  test('a malformed header gets 401', async () => {
    for (const authorization of [
      '',
      'Basic',
      'Basic !!!',
      'Bearer x.y.z',
      'Digest username="x"',
      `Bearer ${registry.acme.tokens.OWNER}`,
    ]) {
      const response = await fetch(`${registry.url}/v2/`, { headers: { authorization } });
      expect([authorization, response.status]).toEqual([authorization, 401]);
    }
  });

  test('a removed API token is rejected', async () => {
    const { db } = registry.database;
    const owner = await db
      .selectFrom('users')
      .select('id')
      .where('organization_id', '=', registry.acme.id)
      .executeTakeFirstOrThrow();
    const of = { organization_id: registry.acme.id, user_id: owner.id };
    const token = await inTransaction(db, (tx) => createApiToken(tx, of, { name: 'short', role: 'VIEWER' }));
    await inTransaction(db, (tx) => removeApiToken(tx, { organization_id: registry.acme.id, id: token.id }));
    expect((await client.call('GET', '/v2/', { token: token.secret })).status).toBe(401);
  });
});

describe('the scope of an API token', () => {
  async function tokenOf(scopes: readonly TokenScope[]): Promise<string> {
    const { db } = registry.database;
    const { id: user_id } = await db
      .selectFrom('users')
      .select('id')
      .where('organization_id', '=', registry.acme.id)
      .executeTakeFirstOrThrow();
    const of = { organization_id: registry.acme.id, user_id };
    return (await inTransaction(db, (tx) => createApiToken(tx, of, { name: 's', role: 'EDITOR', scopes }))).secret;
  }
  const upload = '/v2/acme/app/blobs/uploads/';

  test('REGISTRY pushes, REGISTRY_PULL only pulls, API is rejected', async () => {
    const pushes = await tokenOf(['REGISTRY']);
    expect((await client.call('POST', upload, { token: pushes })).status).toBe(202);
    const pulls = await tokenOf(['REGISTRY_PULL', 'API']);
    expect((await client.call('GET', '/v2/acme/app/manifests/v1', { token: pulls })).status).toBe(200);
    expect((await client.call('POST', upload, { token: pulls })).status).toBe(403);
    const api = await tokenOf(['API']);
    expect((await client.call('GET', '/v2/', { token: api })).status).toBe(401);
  });

  test('limits the tokens made from it, and its revocation ends them', async () => {
    const secret = await tokenOf(['REGISTRY_PULL']);
    const scope = 'repository:acme/app:pull,push';
    const answer = await fetch(`${registry.url}/v2/token?scope=${scope}`, { headers: basic(secret) });
    const { token } = (await answer.json()) as { token: string };
    const headers = { authorization: `Bearer ${token}` };
    const pull = () => fetch(`${registry.url}/v2/acme/app/manifests/v1`, { headers });
    expect((await pull()).status).toBe(200);
    const push = await fetch(registry.url + upload, { method: 'POST', headers });
    expect([401, 403]).toContain(push.status);
    await registry.database.pool.query(`update api_tokens set removed_at = now() where name = 's'`);
    await until('the token is rejected', async () => (await pull()).status === 401);
    expect((await client.call('GET', '/v2/', { token: secret })).status).toBe(401);
  }, 30_000);
});

describe('token authentication', () => {
  async function tokenFor(scopes: string[], apiToken = registry.acme.tokens.EDITOR): Promise<string> {
    const query = new URLSearchParams({ service: 'larder-registry' });
    for (const scope of scopes) {
      query.append('scope', scope);
    }
    const response = await fetch(`${registry.url}/v2/token?${query}`, { headers: basic(apiToken) });
    expect(response.status).toBe(200);
    const answer = (await response.json()) as { token: string; access_token: string; expires_in: number };
    expect(answer.access_token).toBe(answer.token);
    expect(answer.expires_in).toBeLessThanOrEqual(300);
    return answer.token;
  }
  const bearer = async (method: string, path: string, token: string) =>
    await fetch(registry.url + path, { method, headers: { authorization: `Bearer ${token}` } });

  test('a token allows its scopes and nothing else', async () => {
    const pull = await tokenFor(['repository:acme/app:pull']);
    expect((await bearer('GET', '/v2/', pull)).status).toBe(200);
    expect((await bearer('GET', '/v2/acme/app/manifests/v1', pull)).status).toBe(200);
    for (const [method, path, scope] of [
      ['POST', '/v2/acme/app/blobs/uploads/', 'repository:acme/app:pull,push'],
      ['GET', '/v2/acme/source/manifests/v1', 'repository:acme/source:pull'],
      ['DELETE', '/v2/acme/app/manifests/v1', 'repository:acme/app:delete'],
      ['GET', '/v2/_catalog', 'registry:catalog:*'],
    ] as const) {
      const response = await bearer(method, path, pull);
      expect([path, response.status]).toEqual([path, 401]);
      expect(response.headers.get('www-authenticate')).toContain(`scope="${scope}",error="insufficient_scope"`);
    }
    const wide = await tokenFor(['repository:acme/app:pull,push repository:acme/source:pull', 'registry:catalog:*']);
    expect((await bearer('POST', '/v2/acme/app/blobs/uploads/', wide)).status).toBe(202);
    expect((await bearer('GET', '/v2/_catalog', wide)).status).toBe(200);
  });

  test('a mount needs the right to pull from the source too', async () => {
    const digest = digestOf(shared.layer);
    const path = `/v2/acme/mounting/blobs/uploads/?mount=${digest}&from=acme/source`;
    const push = 'repository:acme/mounting:pull,push';
    expect((await bearer('POST', path, await tokenFor([push]))).status).toBe(202);
    expect((await bearer('POST', path, await tokenFor([push, 'repository:acme/source:pull']))).status).toBe(201);
  });

  test('actions that the role does not allow are omitted from the token', async () => {
    const viewer = await tokenFor(['repository:acme/app:pull,push,delete'], registry.acme.tokens.VIEWER);
    expect((await bearer('GET', '/v2/acme/app/manifests/v1', viewer)).status).toBe(200);
    expect((await bearer('POST', '/v2/acme/app/blobs/uploads/', viewer)).status).toBe(403);
    const foreign = await tokenFor(['repository:acme/app:pull,push'], registry.rival.tokens.OWNER);
    expect((await bearer('GET', '/v2/acme/app/manifests/v1', foreign)).status).toBe(404);
    expect((await bearer('POST', '/v2/acme/app/blobs/uploads/', foreign)).status).toBe(403);
  });

  test('the form of OAuth2 accepts the API token as password or refresh token', async () => {
    for (const field of ['password', 'refresh_token']) {
      const form = new URLSearchParams({
        grant_type: field,
        service: 'larder-registry',
        scope: 'repository:acme/app:pull',
        [field]: registry.acme.tokens.VIEWER,
      });
      const response = await fetch(`${registry.url}/v2/token`, { method: 'POST', body: form });
      const { access_token } = (await response.json()) as { access_token: string };
      expect((await bearer('GET', '/v2/acme/app/manifests/v1', access_token)).status).toBe(200);
    }
  });

  test('a registry token cannot be exchanged for one with more rights', async () => {
    const pull = await tokenFor(['repository:acme/app:pull']);
    const response = await bearer('GET', '/v2/token?scope=repository:acme/app:pull,push', pull);
    const { token } = (await response.json()) as { token: string };
    expect((await bearer('POST', '/v2/acme/app/blobs/uploads/', token)).status).toBe(401);
    expect((await bearer('GET', '/v2/acme/app/manifests/v1', token)).status).toBe(200);
  });

  test('without credentials the answer has a challenge', async () => {
    const response = await fetch(`${registry.url}/v2/token?scope=repository:acme/app:pull`);
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="larder-registry"']);
    expect(
      (await fetch(`${registry.url}/v2/token`, { method: 'PUT', headers: basic(registry.acme.tokens.OWNER) })).status,
    ).toBe(405);
  });
});

describe('roles', () => {
  test('a viewer pulls and does nothing else', async () => {
    const token = registry.acme.tokens.VIEWER;
    for (const [method, path, options] of endpoints('acme/app')) {
      const reads = ['GET', 'HEAD'].includes(method) && !path.includes('/uploads/');
      const { status } = await client.call(method, path, { ...options, token });
      expect([method, path, reads ? status < 300 : status]).toEqual([method, path, reads ? true : 403]);
    }
  });

  test('every organization can pull base images, and none can push them', async () => {
    for (const token of [registry.acme.tokens.OWNER, registry.rival.tokens.VIEWER]) {
      const response = await client.call('GET', '/v2/base/debian/manifests/12', { token });
      expect(await response.text()).toBe(shared.manifest);
      expect((await client.call('GET', `/v2/base/debian/blobs/${digestOf(shared.layer)}`, { token })).status).toBe(200);
      for (const [method, path, options] of endpoints('base/debian').filter(
        ([method]) => !['GET', 'HEAD'].includes(method),
      )) {
        const rejected = await client.call(method, path, { ...options, token });
        expect([method, path, rejected.status, await codeOf(rejected)]).toEqual([method, path, 403, 'DENIED']);
      }
    }
    const mount = `/v2/rival/mounted/blobs/uploads/?mount=${digestOf(shared.layer)}&from=base/debian`;
    expect((await client.call('POST', mount, { token: registry.rival.tokens.EDITOR })).status).toBe(201);
  });
});

describe("another organization's repository", () => {
  test('has the same answers on every endpoint as one that does not exist', async () => {
    const token = registry.rival.tokens.OWNER;
    const [there, nowhere] = [endpoints('acme/app'), endpoints('acme/not')];
    for (const [position, [method, path, options]] of there.entries()) {
      const [, other = ''] = nowhere[position] ?? [];
      const real = await answerOf(await client.call(method, path, { ...options, token }), 'acme/app');
      const none = await answerOf(await client.call(method, other, { ...options, token }), 'acme/not');
      expect({ method, path, answer: real }).toEqual({ method, path, answer: none });
      const { status } = real as { status: number };
      expect([method, path, status === 404 || status === 403 || path.includes('/referrers/')]).toEqual([
        method,
        path,
        true,
      ]);
    }
    expect((await client.call('GET', '/v2/acme/app/manifests/v1')).status).toBe(200);
  });

  test('a mount from it gets 202, as for an unknown blob', async () => {
    const token = registry.rival.tokens.EDITOR;
    const [foreign, none] = [digestOf(image.layer), digestOf('nowhere')];
    for (const query of [
      `mount=${foreign}&from=acme/app`,
      `mount=${none}&from=acme/app`,
      `mount=${foreign}&from=rival/app`,
      `mount=${foreign}`,
    ]) {
      const response = await client.call('POST', `/v2/rival/theirs/blobs/uploads/?${query}`, { token });
      expect([query, response.status]).toEqual([query, 202]);
    }
    expect((await client.call('HEAD', `/v2/rival/theirs/blobs/${foreign}`, { token })).status).toBe(404);
  });

  test('an empty upload with the digest of its blob is rejected', async () => {
    const token = registry.rival.tokens.EDITOR;
    const started = await client.call('POST', '/v2/rival/theirs/blobs/uploads/', { token });
    const claim = await client.call('PUT', `${started.headers.get('location')}?digest=${digestOf(image.layer)}`, {
      token,
    });
    expect([claim.status, await codeOf(claim)]).toEqual([400, 'DIGEST_INVALID']);
    const manifest = await client.call('PUT', '/v2/rival/theirs/manifests/v1', {
      token,
      headers: { 'content-type': MEDIA_TYPES.manifest },
      body: image.manifest,
    });
    expect([manifest.status, await codeOf(manifest)]).toEqual([400, 'MANIFEST_BLOB_UNKNOWN']);
  });

  test('does not let others use its uploads or list it', async () => {
    const at = await client.begin('acme/app');
    const token = registry.rival.tokens.OWNER;
    for (const path of [at, at.replace('/acme/app/', '/rival/app/')]) {
      expect([403, 404]).toContain((await client.call('PATCH', path, { token, body: 'x' })).status);
    }
    const catalog = await client.call('GET', '/v2/_catalog', { token });
    expect(await catalog.json()).toEqual({ repositories: [] });
  });
});
