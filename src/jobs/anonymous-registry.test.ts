// Registries without a log-in. Larder registers and checks them, pushes to them and reads from them. A log-in is added and
// removed later.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi, violationsOf } from '../../test/api.ts';
import { type DockerRegistry, startDockerRegistry } from '../../test/docker-registry.ts';
import { type FaultyProxy, startFaultyProxy } from '../../test/faulty-proxy.ts';
import { memoryContent } from '../content/memory.ts';
import { createEgress, type Egress } from '../egress/egress.ts';
import { openLog } from '../log.ts';
import { contentTarget } from '../oci/content-target.ts';
import { copyArtifact, readBack } from '../oci/copy.ts';
import { hostPlatform } from '../packaging/image/base-image.ts';
import { writeImage } from '../packaging/image/image.ts';
import type { Resources } from '../resources.ts';
import { checkRegistry } from './check-registry.ts';
import { openRegistryTarget, openRemotes } from './registry-target.ts';

const credentials = { username: 'larder', password: 'correct horse' };

let api: TestApi;
let open: DockerRegistry;
let closed: DockerRegistry;
let proxy: FaultyProxy;
let egress: Egress;

beforeAll(async () => {
  api = await openTestApi();
  open = await startDockerRegistry();
  closed = await startDockerRegistry({ htpasswd: credentials });
  proxy = await startFaultyProxy(open.url);
  egress = createEgress({ allow: ['127.0.0.1'] });
}, 60_000);
afterAll(async () => {
  egress.close();
  await proxy.stop();
  await closed.stop();
  await open.stop();
  await api.close();
});
beforeEach(() => api.database.pool.query('delete from registries'));

const resources = () => {
  const log = openLog({ level: 'debug', destination: { write: () => {} } });
  const { db, pool } = api.database;
  return { db, pool, identity: api.identity, content: api.content, egress, log } as unknown as Resources;
};

const post = (more: object) =>
  api.ask('POST', '/v1/registries', { body: { name: 'open', description: '', provider: 'OCI', ...more } });

async function register(url: string): Promise<{ path: string; id: string }> {
  const made = await post({ url });
  expect([made.statusCode, made.body]).toEqual([201, '']);
  const path = String(made.headers['location']);
  return { path, id: path.split('/').at(-1) ?? '' };
}

async function look(id: string, path: string) {
  await checkRegistry(resources(), { registry_id: id });
  return (await api.ask('GET', path)).json();
}

test('a registry without log-in is healthy, accepts a push, and returns the image', async () => {
  const { path, id } = await register(`${open.url}/team`);
  expect(await look(id, path)).toMatchObject({ healthy: true });
  const registry = await api.database.db
    .selectFrom('registries')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  expect([registry.access_key, registry.sealed_access_secret]).toEqual([null, null]);
  const from = memoryContent();
  const { index } = await writeImage(from, { platform: hostPlatform(), layers: [], config: {}, epoch: 0 });
  const target = openRegistryTarget({ ...resources(), remotes: openRemotes() }, registry, 'team/app');
  await copyArtifact(contentTarget(from), target, index, { tags: ['one'] });
  await readBack(target, index, ['one']);
  const into = memoryContent();
  await copyArtifact(target, contentTarget(into), index, {});
  expect(await into.stat(index.digest)).toMatchObject({ size: index.size });
});

test('a registry that requires a log-in or rejects pushes is unhealthy with that cause; an added log-in is checked', async () => {
  const asked = await register(closed.url);
  const missing = expect.stringContaining('asks for credentials, and none are given');
  expect(await look(asked.id, asked.path)).toMatchObject({ healthy: false, unhealthy_cause: missing });
  const later = { access_key: credentials.username, access_secret: credentials.password };
  expect((await api.ask('PATCH', asked.path, { body: later })).statusCode).toBe(204);
  expect(await look(asked.id, asked.path)).toMatchObject({ healthy: true });

  proxy.fault = ({ method }) => (method === 'POST' ? { status: 403 } : undefined);
  const readable = await register(proxy.url);
  const rejected = expect.stringContaining('lets nobody push to larder-check without a log-in (403)');
  expect(await look(readable.id, readable.path)).toMatchObject({ healthy: false, unhealthy_cause: rejected });
  proxy.fault = () => undefined;
});

test('a log-in is removed, and the registry is checked without it', async () => {
  const logIn = { access_key: credentials.username, access_secret: credentials.password };
  const made = await post({ url: closed.url, ...logIn });
  const path = String(made.headers['location']);
  const id = path.split('/').at(-1) ?? '';
  expect(await look(id, path)).toMatchObject({ healthy: true });
  expect((await api.ask('PATCH', path, { body: { access_secret: null } })).statusCode).toBe(204);
  expect(await keptLogIns()).toEqual([[null, null]]);
  const missing = expect.stringContaining('asks for credentials, and none are given');
  expect(await look(id, path)).toMatchObject({ healthy: false, unhealthy_cause: missing });
  // Removing the log-in a second time changes nothing. After that, a log-in can be added again.
  expect((await api.ask('PATCH', path, { body: { access_key: null, access_secret: null } })).statusCode).toBe(204);
  expect((await api.ask('PATCH', path, { body: logIn })).statusCode).toBe(204);
  expect(await look(id, path)).toMatchObject({ healthy: true });
});

async function keptLogIns(): Promise<unknown[][]> {
  const kept = 'select access_key, sealed_access_secret from registries order by created_at';
  return (await api.database.pool.query({ text: kept, rowMode: 'array' })).rows;
}

describe('the removal of a log-in', () => {
  const harbor = { provider: 'HARBOR', url: 'https://h.example/team', access_key: 'robot', access_secret: 's' };

  async function rejections(registry: object, ...bodies: object[]): Promise<Record<string, string>[]> {
    const path = String((await post(registry)).headers['location']);
    const before = await keptLogIns();
    const told = [];
    for (const body of bodies) {
      const rejected = await api.ask('PATCH', path, { body });
      expect([rejected.statusCode, rejected.headers['content-type']]).toEqual([400, 'application/problem+json']);
      told.push(violationsOf(rejected));
    }
    expect(await keptLogIns()).toEqual(before);
    return told;
  }

  test('is rejected together with a new user name, and the error names the user name', async () => {
    const [beside] = await rejections(harbor, { access_secret: null, access_key: 'other' });
    expect(beside).toEqual({ access_key: expect.stringContaining('while access_secret is null') });
  });

  test('is rejected for a provider that exchanges the credentials', async () => {
    const url = 'https://012345678910.dkr.ecr.eu-central-1.amazonaws.com';
    const ecr = { ...harbor, provider: 'AMAZON_ELASTIC_CONTAINER_REGISTRY', url };
    const needs = expect.stringContaining('Amazon Elastic Container Registry requires it: ');
    const [off, both, key] = await rejections(
      ecr,
      ...[{ access_secret: null }, { access_secret: null, access_key: 'k' }, { access_key: null }],
    );
    expect(off).toEqual({ access_secret: needs });
    expect(both).toEqual({ access_key: expect.any(String), access_secret: needs });
    expect(key).toEqual({ access_key: needs });
  });

  test('is rejected for a user name that the provider requires, and for values of other types', async () => {
    const [key, types] = await rejections(harbor, { access_key: null }, { access_key: 7, access_secret: [] });
    expect(key).toEqual({ access_key: expect.stringContaining('Harbor requires it: ') });
    expect(types).toEqual({ access_key: 'It should be text or null.', access_secret: 'It should be text or null.' });
    const registration = violationsOf(await post({ url: 'https://r.example', access_secret: null }));
    expect(registration).toEqual({ access_secret: 'It should be text.' });
  });

  test('removes a user name alone if the provider requires none', async () => {
    const path = String((await post({ ...harbor, provider: 'OCI' })).headers['location']);
    expect((await api.ask('PATCH', path, { body: { access_key: null } })).statusCode).toBe(204);
    expect(await keptLogIns()).toEqual([[null, expect.any(Buffer)]]);
  });
});

describe('an incomplete log-in is rejected', () => {
  const half = 'It is required with access_key. A registry without log-in has neither.';

  test('when a registry is registered', async () => {
    const url = 'https://r.example';
    expect(violationsOf(await post({ url, access_key: 'robot' }))).toEqual({ access_secret: half });
    const harbor = { provider: 'HARBOR', url: 'https://h.example/team', access_secret: 's' };
    expect(violationsOf(await post(harbor))).toEqual({ access_key: expect.stringContaining('Harbor requires it') });
    const ecr = {
      provider: 'AMAZON_ELASTIC_CONTAINER_REGISTRY',
      url: 'https://012345678910.dkr.ecr.eu-central-1.amazonaws.com',
    };
    expect(violationsOf(await post(ecr))).toEqual({ access_secret: expect.stringContaining('requires it') });
    expect(violationsOf(await post({ provider: 'DOCKERHUB', url: 'https://docker.io' }))).toEqual({
      containers_organization:
        'Without a log-in, this field or the organization in the path of the address is required.',
    });
    expect((await api.ask('GET', '/v1/registries')).json().items).toEqual([]);
    expect((await post({ provider: 'DOCKERHUB', url: 'https://docker.io/library' })).statusCode).toBe(201);
  });

  test('when it is changed', async () => {
    const { path } = await register('https://r.example');
    const key = await api.ask('PATCH', path, { body: { access_key: 'robot' } });
    expect(violationsOf(key)).toEqual({ access_secret: half });
    expect((await api.ask('PATCH', path, { body: { description: 'still none' } })).statusCode).toBe(204);
    expect((await api.ask('PATCH', path, { body: { access_secret: 's' } })).statusCode).toBe(204);
    const google = await post({ provider: 'GOOGLE_ARTIFACT_REGISTRY', url: 'https://europe-docker.pkg.dev/a/b' });
    const secret = await api.ask('PATCH', String(google.headers['location']), { body: { access_secret: '{}' } });
    expect(secret.statusCode).toBe(204);
    const { rows } = await api.database.pool.query('select access_key from registries order by provider');
    expect(rows.map(({ access_key }) => access_key)).toEqual(['_json_key', null]);
  });
});
