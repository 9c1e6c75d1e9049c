// Registries without log-in: registered, looked at, pushed to and read from by nobody in particular; a log-in that comes later.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi, violationsOf } from '../../test/api.ts';
import { type DockerRegistry, startDockerRegistry } from '../../test/docker-registry.ts';
import { type FaultyProxy, startFaultyProxy } from '../../test/faulty-proxy.ts';
import { hostPlatform } from '../build/base-image.ts';
import { writeImage } from '../build/image.ts';
import { createEgress, type Egress } from '../egress/egress.ts';
import { openLog } from '../log.ts';
import { contentTarget } from '../oci/content-target.ts';
import { copyArtifact, readBack } from '../oci/copy.ts';
import { memoryContent } from '../oci/memory.ts';
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

test('an open one is healthy, takes a push, and gives it back', async () => {
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

test('one that asks for a log-in, or lets nobody push, says so; a log-in that comes later is tried', async () => {
  const asked = await register(closed.url);
  const missing = expect.stringContaining('asks for credentials, and none are given');
  expect(await look(asked.id, asked.path)).toMatchObject({ healthy: false, unhealthy_cause: missing });
  const later = { access_key: credentials.username, access_secret: credentials.password };
  expect((await api.ask('PATCH', asked.path, { body: later })).statusCode).toBe(204);
  expect(await look(asked.id, asked.path)).toMatchObject({ healthy: true });

  proxy.fault = ({ method }) => (method === 'POST' ? { status: 403 } : undefined);
  const readable = await register(proxy.url);
  const refused = expect.stringContaining('lets nobody push to larder-check without a log-in (403)');
  expect(await look(readable.id, readable.path)).toMatchObject({ healthy: false, unhealthy_cause: refused });
  proxy.fault = () => undefined;
});

describe('half a log-in is refused', () => {
  const half = 'It is needed beside access_key. A registry without log-in takes neither.';

  test('when a registry is registered', async () => {
    const url = 'https://r.example';
    expect(violationsOf(await post({ url, access_key: 'robot' }))).toEqual({ access_secret: half });
    const harbor = { provider: 'HARBOR', url: 'https://h.example/team', access_secret: 's' };
    expect(violationsOf(await post(harbor))).toEqual({ access_key: expect.stringContaining('Harbor needs it') });
    const ecr = {
      provider: 'AMAZON_ELASTIC_CONTAINER_REGISTRY',
      url: 'https://012345678910.dkr.ecr.eu-central-1.amazonaws.com',
    };
    expect(violationsOf(await post(ecr))).toEqual({ access_secret: expect.stringContaining('needs it') });
    expect(violationsOf(await post({ provider: 'DOCKERHUB', url: 'https://docker.io' }))).toEqual({
      containers_organization: 'Without a log-in it is needed, or the organization in the path of the address.',
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
