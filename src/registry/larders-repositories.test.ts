// Repositories to which Larder releases. Clients cannot change or delete anything in them, with any token and any spelling of
// the name.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { headOf, openRaw } from '../../test/raw-connection.ts';
import { basic, digestOf, openTestRegistry, type TestRegistry, testImage } from '../../test/registry.ts';
import { clientOf, type TestClient } from '../../test/registry-client.ts';
import { digestAt, errorOf, indexOf, pushRelease } from '../../test/registry-release.ts';
import type { Role, TokenScope } from '../contract/vocabulary.ts';
import { inTransaction } from '../db/database.ts';
import { createApiToken } from '../identity/api-tokens.ts';
import { MEDIA_TYPES } from '../oci/descriptor.ts';
import { REFERRER_BLOB_BYTES_MAX } from './blobs.ts';

let registry: TestRegistry;
let client: TestClient;

beforeAll(async () => {
  registry = await openTestRegistry();
  client = clientOf(registry);
});
afterAll(() => registry.close());

const NAME = 'acme/containers/debian-12/memcached';
const VERSION = '1.6.18-debian-12-r5';

async function tokenOf(role: Role, scopes: TokenScope[]): Promise<string> {
  const { db } = registry.database;
  const of = { organization_id: registry.acme.id };
  const { id: user_id } = await db
    .selectFrom('users')
    .select('id')
    .where('organization_id', '=', of.organization_id)
    .executeTakeFirstOrThrow();
  return (await inTransaction(db, (tx) => createApiToken(tx, { ...of, user_id }, { name: 's', role, scopes }))).secret;
}

type Request = [method: string, path: string, options?: { body?: string | Buffer; headers?: Record<string, string> }];

const released = testImage('released');
const own = testImage('own');

/** Returns requests that try every way to change a repository. */
function changes(name: string): Request[] {
  const index = { 'content-type': MEDIA_TYPES.index };
  const manifest = { 'content-type': MEDIA_TYPES.manifest };
  const put = (reference: string, body: string, headers: Record<string, string> = manifest): Request => [
    'PUT',
    `/v2/${name}/manifests/${reference}`,
    { body, headers },
  ];
  const layer = digestOf(released.layer);
  return [
    put(VERSION, own.manifest),
    put('latest', own.manifest),
    put('1.6.18-debian-12-r6', own.manifest),
    put('mine', own.manifest),
    put(own.digest, own.manifest),
    put('latest', indexOf(own), index),
    // The repository already has these manifests. The requests push them under other references.
    put('1.6.18-debian-12-r6', indexOf(released), index),
    put('latest', released.manifest),
    put(released.digest, released.manifest),
    ['DELETE', `/v2/${name}/manifests/${VERSION}`],
    ['DELETE', `/v2/${name}/manifests/latest`],
    ['DELETE', `/v2/${name}/manifests/nothing`],
    ['DELETE', `/v2/${name}/manifests/${digestOf(indexOf(released))}`],
    ['DELETE', `/v2/${name}/manifests/${released.digest}`],
    ['DELETE', `/v2/${name}/blobs/${layer}`],
    ['DELETE', `/v2/${name}/blobs/${digestOf('nothing')}`],
    ['POST', `/v2/${name}/blobs/uploads/?mount=${digestOf(own.layer)}&from=acme/own`],
    ['POST', `/v2/${name}/blobs/uploads/?mount=${digestOf('nothing')}&from=acme/own`],
    ['POST', `/v2/${name}/blobs/uploads/?digest=${digestOf(LARGE)}`, { body: LARGE }],
  ];
}

const LARGE = Buffer.alloc(REFERRER_BLOB_BYTES_MAX + 1);

describe('a repository that Larder pushed to', () => {
  beforeAll(async () => {
    await pushRelease(registry, { name: NAME, image: released, tags: [VERSION, 'latest'] });
    await client.pushImage('acme/own', 'v1', own);
    // Pushes the blobs first, so that the manifest is not rejected because of a missing blob.
    await client.pushBlob(NAME, own.config);
    await client.pushBlob(NAME, own.layer);
  });

  async function expectUnchanged(): Promise<void> {
    const tags = await client.call('GET', `/v2/${NAME}/tags/list`);
    expect(await tags.json()).toEqual({ name: NAME, tags: [VERSION, 'latest'] });
    for (const reference of [VERSION, 'latest', digestOf(indexOf(released))]) {
      const pulled = await client.call('GET', `/v2/${NAME}/manifests/${reference}`);
      expect(await pulled.text()).toBe(indexOf(released));
    }
    expect(await digestAt(client, NAME, released.digest)).toBe(released.digest);
    expect(await digestAt(client, NAME, own.digest)).toBe(null);
    expect((await client.call('HEAD', `/v2/${NAME}/blobs/${digestOf(released.layer)}`)).status).toBe(200);
  }

  test('rejects pushes and deletes with any token', async () => {
    const tokens: [string, string][] = [
      ...(Object.entries(registry.acme.tokens) as [string, string][]),
      ['OWNER, REGISTRY', await tokenOf('OWNER', ['REGISTRY'])],
      ['EDITOR, REGISTRY', await tokenOf('EDITOR', ['REGISTRY'])],
      ['OWNER, REGISTRY_PULL', await tokenOf('OWNER', ['REGISTRY_PULL'])],
      ['VIEWER, REGISTRY', await tokenOf('VIEWER', ['REGISTRY'])],
      ['rival', registry.rival.tokens.OWNER],
    ];
    for (const [whose, token] of tokens)
      for (const [method, path, options] of changes(NAME)) {
        const { status, code } = await errorOf(await client.call(method, path, { ...options, token }));
        expect([whose, method, path, status, code]).toEqual([whose, method, path, 403, 'DENIED']);
      }
    await expectUnchanged();
  }, 60_000);

  test('rejects pushes and deletes with a registry token for it, and with a token of scope API', async () => {
    const scope = `repository:${NAME}:pull,push,delete repository:acme/own:pull`;
    const answer = await fetch(`${registry.url}/v2/token?scope=${scope}`, {
      headers: basic(registry.acme.tokens.OWNER),
    });
    const { token } = (await answer.json()) as { token: string };
    const api = await tokenOf('OWNER', ['API']);
    for (const [method, path, options] of changes(NAME)) {
      const headers = { ...options?.headers, authorization: `Bearer ${token}` };
      const rejected = await errorOf(await client.call(method, path, { ...options, headers }));
      expect([method, path, rejected.status, rejected.code]).toEqual([method, path, 403, 'DENIED']);
      expect((await client.call(method, path, { ...options, token: api })).status).toBe(401);
    }
    await expectUnchanged();
  });

  test('names Larder and a repository for own images in the error', async () => {
    const { message } = await errorOf(await client.putManifest(NAME, 'latest', own.manifest));
    expect(message).toContain(`${NAME} belongs to Larder`);
    const [, elsewhere = ''] = /such as (\S+)$/.exec(message) ?? [];
    await client.pushImage(elsewhere, 'latest', own);
  });

  test('rejects a large upload: whole, in chunks, and of unknown length', async () => {
    const at = await client.begin(NAME);
    const declared = await client.call('PATCH', at, { body: LARGE });
    expect(await errorOf(declared)).toMatchObject({ status: 403, code: 'DENIED' });
    const half = LARGE.length >> 1;
    expect((await client.call('PATCH', at, { body: LARGE.subarray(0, half) })).status).toBe(202);
    const rest = await client.call('PUT', `${at}?digest=${digestOf(LARGE)}`, { body: LARGE.subarray(half) });
    expect(await errorOf(rest)).toMatchObject({ status: 403, code: 'DENIED' });
    const streamed = await fetch(registry.url + (await client.begin(NAME)), {
      method: 'PATCH',
      headers: basic(registry.acme.tokens.EDITOR),
      body: new Blob([new Uint8Array(LARGE)]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(await errorOf(streamed)).toMatchObject({ status: 403, code: 'DENIED' });
    expect((await client.call('HEAD', `/v2/${NAME}/blobs/${digestOf(LARGE)}`)).status).toBe(404);
  });

  test('rejects changes after its tags are deleted, and the release is pulled by digest', async () => {
    const name = 'acme/containers/debian-12/tags-gone';
    await pushRelease(registry, { name, image: released, tags: [VERSION, 'latest'] });
    await client.pushBlob(name, own.config);
    await client.pushBlob(name, own.layer);
    await registry.database.pool.query(
      `delete from repository_tags t using repositories r where r.id = t.repository_id and r.name = $1`,
      [name],
    );
    for (const [method, path, options] of changes(name)) {
      const { status, code } = await errorOf(await client.call(method, path, options));
      expect([method, path, status, code]).toEqual([method, path, 403, 'DENIED']);
    }
    const pulled = await client.call('GET', `/v2/${name}/manifests/${digestOf(indexOf(released))}`);
    expect(await pulled.text()).toBe(indexOf(released));
  });

  test('accepts the next release, which moves the rolling tag', async () => {
    const name = 'acme/containers/debian-12/next';
    const next = testImage('next');
    await pushRelease(registry, { name, image: released, tags: [VERSION, 'latest'] });
    await pushRelease(registry, { name, image: next, tags: ['1.6.19-debian-12-r0', 'latest'] });
    expect(await digestAt(client, name, 'latest')).toBe(digestOf(indexOf(next)));
    expect(await digestAt(client, name, VERSION)).toBe(digestOf(indexOf(released)));
  });

  test('rejects changes if it has a base image', async () => {
    await pushRelease(registry, { name: 'base/debian', image: released, tags: ['12'], organization_id: null });
    for (const [method, path, options] of changes('base/debian')) {
      const { status, code, message } = await errorOf(await client.call(method, path, options));
      expect([method, path, status, code]).toEqual([method, path, 403, 'DENIED']);
      expect(message).toContain('this organization can push only to acme/');
    }
    expect(await digestAt(client, 'base/debian', '12')).toBe(digestOf(indexOf(released)));
  });

  test('rejects changes under every spelling of its name', async () => {
    const port = Number(new URL(registry.url).port);
    const spellings = [
      NAME.replace('memcached', '%6demcached'),
      NAME.replaceAll('/', '%2F'),
      NAME.replaceAll('/', '%2f').replace('debian', '%64ebian'),
      NAME.replace('/', '%252F'),
      NAME.replace('containers', 'x/../containers'),
      NAME.replace('containers', 'x/%2e%2e/containers'),
      NAME.replace('containers', './containers'),
      NAME.replace('acme', 'rival/../acme'),
      NAME.replaceAll('/', '//'),
      NAME.toUpperCase(),
      NAME.replace('memcached', 'Memcached'),
      `${NAME}/`,
      `${NAME}%00`,
      `${NAME}%20`,
      `${NAME};x=1`,
      `${NAME}.`,
      NAME.replace('m', '%EF%BD%8D'),
      NAME.replace('acme', 'base/../acme'),
    ];
    const { authorization } = basic(registry.acme.tokens.OWNER);
    const statuses = new Map<string, number>();
    for (const spelling of spellings)
      for (const [method, suffix] of [
        ['DELETE', `manifests/${VERSION}`],
        ['DELETE', `manifests/${released.digest.replace(':', '%3A')}`],
        ['DELETE', `blobs/${digestOf(released.layer)}`],
        ['PUT', 'manifests/latest'],
        ['PUT', 'manifests/%6catest'],
      ] as const) {
        const body = method === 'PUT' ? own.manifest : '';
        const headers = { authorization, 'content-length': body.length, 'content-type': MEDIA_TYPES.manifest };
        const head = headOf(method, `/v2/${spelling}/${suffix}`, { ...headers, connection: 'close' });
        const connection = openRaw(port, { first: head + body });
        connection.socket.on('end', () => connection.socket.end());
        await connection.closed;
        const status = Number(/^HTTP\/1.1 (\d+)/.exec(connection.received())?.[1]);
        statuses.set(`${method} ${spelling}/${suffix}`, status);
      }
    expect([...statuses].filter(([, status]) => ![400, 403, 404].includes(status))).toEqual([]);
    expect(statuses.get(`DELETE ${NAME.replaceAll('/', '%2F')}/manifests/${VERSION}`)).toBe(403);
    await expectUnchanged();
  });
});
