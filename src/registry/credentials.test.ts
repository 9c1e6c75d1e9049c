// Credentials of the hosted registry. They are created through the API and used by skopeo. They can pull but not push, and a
// revocation takes effect at once.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi, violationsOf } from '../../test/api.ts';
import { basic, testImage } from '../../test/registry.ts';
import { clientOf, type TestClient } from '../../test/registry-client.ts';
import { ensureHostedRegistry } from '../catalog/initial-rows.ts';
import { inTransaction } from '../db/database.ts';
import { registerRegistryRoutes } from './routes.ts';

const run = promisify(execFile);

let api: TestApi;
let app: FastifyInstance;
let url: string;
let client: TestClient;
let directory: string;
let registry: string;
let foreign: string;
const image = testImage('credentials');

beforeAll(async () => {
  api = await openTestApi();
  directory = await mkdtemp(join(tmpdir(), 'larder-credentials-'));
  app = Fastify();
  registerRegistryRoutes(app, { pool: api.database.pool, content: api.content, identity: api.identity });
  await app.listen({ host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  client = clientOf({ url, acme: { tokens: api.acme.tokens } } as never);
  await client.pushImage('acme/app', 'v1', image);
  const hosted = async (id: string) =>
    `/v1/registries/${(await inTransaction(api.database.db, (tx) => ensureHostedRegistry(tx, id, url))).id}`;
  registry = await hosted(api.acme.id);
  foreign = await hosted(api.rival.id);
}, 60_000);
afterAll(async () => {
  await app.close();
  await api.close();
  await rm(directory, { recursive: true, force: true });
});

type Made = { path: string; username: string; password: string };

async function make(body: object = { description: 'cluster' }, under = registry, token?: string): Promise<Made> {
  const response = await api.ask('POST', `${under}/credentials`, { body, ...(token !== undefined && { token }) });
  expect(response.statusCode).toBe(201);
  expect(response.headers['cache-control']).toBe('no-store');
  expect(Object.keys(response.json())).toEqual(['username', 'password']);
  return { path: String(response.headers['location']), ...response.json() };
}

const revoke = (path: string) => api.ask('DELETE', path);

async function registryToken({ username, password }: Made): Promise<string> {
  const asked = `${url}/v2/token?service=larder-registry&scope=repository:acme/app:pull,push`;
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const answer = (await (await fetch(asked, { headers: { authorization } })).json()) as { token: string };
  return answer.token;
}

test('a hosted registry has a link to its credentials and their limit', async () => {
  const one = (await api.ask('GET', registry)).json();
  expect(one).toMatchObject({ credentials_limit: 10, _links: { credentials: { href: `${registry}/credentials` } } });
});

test('skopeo pulls with a credential and cannot push; a revocation ends the credential and its tokens at once', async () => {
  const made = await make();
  const login = ['--creds', `${made.username}:${made.password}`, '--tls-verify=false'];
  const host = url.replace('http://', '');
  const inspect = () => run('skopeo', ['inspect', '--raw', ...login, `docker://${host}/acme/app:v1`]);
  expect((await inspect()).stdout).toBe(image.manifest);
  const push = ['copy', '--src-creds', login[1] ?? '', '--dest-creds', login[1] ?? ''];
  const tls = ['--src-tls-verify=false', '--dest-tls-verify=false'];
  const copied = run('skopeo', [...push, ...tls, `docker://${host}/acme/app:v1`, `docker://${host}/acme/app:v2`]);
  await expect(copied).rejects.toMatchObject({ stderr: expect.stringMatching(/denied/) });
  const token = await registryToken(made);
  const pull = (headers: Record<string, string>) => fetch(`${url}/v2/acme/app/manifests/v1`, { headers });
  expect((await pull({ authorization: `Bearer ${token}` })).status).toBe(200);
  expect((await pull(basic(made.password))).status).toBe(200);
  const used = (await api.ask('GET', made.path)).json();
  expect(used).toMatchObject({ name: made.username, status: 'ACTIVE', created_by: 'jane', description: 'cluster' });
  expect(used.last_used_at).toBeDefined();
  expect((await revoke(made.path)).statusCode).toBe(204);
  expect((await pull({ authorization: `Bearer ${token}` })).status).toBe(401);
  expect((await pull(basic(made.password))).status).toBe(401);
  await expect(inspect()).rejects.toMatchObject({ stderr: expect.stringMatching(/unauthorized|authentication/) });
  expect((await api.ask('GET', made.path)).json()).toMatchObject({ status: 'REMOVED', removed_by: 'jane' });
  expect((await revoke(made.path)).statusCode).toBe(404);
});

test('a credential is not an API token, and pulls only what its organization can pull', async () => {
  const made = await make({ description: '' }, foreign, api.rival.access.OWNER);
  const headers = basic(made.password);
  expect((await fetch(`${url}/v2/acme/app/manifests/v1`, { headers })).status).toBe(404);
  expect((await fetch(`${url}/v2/`, { headers })).status).toBe(200);
  const exchange = `/csp/gateway/am/api/auth/api-tokens/authorize?refresh_token=${made.password}`;
  expect((await api.ask('POST', exchange, { token: undefined })).statusCode).toBe(401);
});

test('a credential expires', async () => {
  const soon = new Date(Date.now() + 60_000).toISOString();
  const made = await make({ description: 'short', expires_at: soon });
  expect((await fetch(`${url}/v2/`, { headers: basic(made.password) })).status).toBe(200);
  await api.database.pool.query(`update registry_credentials set expires_at = now() where name = $1`, [made.username]);
  expect((await fetch(`${url}/v2/`, { headers: basic(made.password) })).status).toBe(401);
  expect((await api.ask('GET', made.path)).json().status).toBe('EXPIRED');
  expect((await revoke(made.path)).statusCode).toBe(204);
});

describe('credentials', () => {
  test('are rejected with an expiry time that is past, too far, or malformed', async () => {
    const rejected = async (expires_at: string) => {
      const response = await api.ask('POST', `${registry}/credentials`, { body: { description: '', expires_at } });
      expect(response.statusCode).toBe(400);
      return violationsOf(response);
    };
    expect(await rejected('2020-01-01T00:00:00.000Z')).toEqual({ expires_at: 'It should be in the future.' });
    const unheld = { expires_at: 'It should be a time such as 2026-03-03T00:59:52Z.' };
    for (const time of ['2027-01-01T00:00:00-18:09', '0000-01-01T00:00:00Z'])
      expect(await rejected(time)).toEqual(unheld);
    expect(await rejected('2999-01-01T00:00:00.000Z')).toEqual({
      expires_at: 'It should be at most 730 days from now.',
    });
    expect(Object.keys(await rejected('tomorrow'))).toEqual(['expires_at']);
    const none = await api.ask('POST', `${registry}/credentials`, { body: {} });
    expect(violationsOf(none)).toEqual({ description: 'It is required.' });
  });

  test('do not exist for a registry that is not hosted or of another organization', async () => {
    const body = {
      name: 'x',
      description: '',
      provider: 'OCI',
      url: 'https://x.example',
      access_key: 'x',
      access_secret: 'x',
    };
    const own = String((await api.ask('POST', '/v1/registries', { body })).headers['location']);
    const theirs = await make({ description: '' }, foreign, api.rival.access.OWNER);
    for (const under of [own, foreign]) {
      expect((await api.ask('GET', `${under}/credentials`)).statusCode).toBe(404);
      expect((await api.ask('POST', `${under}/credentials`, { body: { description: '' } })).statusCode).toBe(404);
    }
    const crossed = `${registry}/credentials/${theirs.path.split('/').at(-1)}`;
    for (const path of [theirs.path, crossed]) {
      expect((await api.ask('GET', path)).statusCode).toBe(404);
      expect((await revoke(path)).statusCode).toBe(404);
    }
    expect((await api.ask('GET', own)).json()).not.toHaveProperty('credentials_limit');
  });

  test('are limited to ten active ones, also with concurrent requests', async () => {
    const list = async (query = '') => (await api.ask('GET', `${registry}/credentials${query}`)).json();
    const before = (await list()).total_size;
    const asked = Array.from({ length: 15 }, () =>
      api.ask('POST', `${registry}/credentials`, { body: { description: 'many' } }),
    );
    const answers = await Promise.all(asked);
    const made = answers.filter(({ statusCode }) => statusCode === 201);
    expect(made.length).toBe(10 - before);
    const rejected = answers.find(({ statusCode }) => statusCode !== 201);
    expect(rejected?.json()).toMatchObject({ status: 409, type: '/problems/limit-reached' });
    expect((await list()).total_size).toBe(10);
    for (const { headers } of made) expect((await revoke(String(headers['location']))).statusCode).toBe(204);
    expect((await list()).total_size).toBe(before);
    expect((await list('?removed=true')).items[0]).toMatchObject({ status: 'REMOVED', description: 'many' });
  });

  test('never have their password in a later answer, a log or the database', async () => {
    const made = await make();
    const answers = [await api.ask('GET', made.path), await api.ask('GET', `${registry}/credentials`)];
    for (const { body } of answers) expect(body).not.toContain(made.password);
    for (const line of api.lines) expect(line).not.toContain('larderpull_');
    const { rows } = await api.database.pool.query('select * from registry_credentials');
    expect(JSON.stringify(rows)).not.toContain('larderpull_');
    await revoke(made.path);
  });
});
