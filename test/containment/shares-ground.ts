// A whole server with its registry and three organizations. It is for attempts of one client to use up the resources of the
// others.
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { readConfig } from '../../src/config/config.ts';
import { openLog } from '../../src/log.ts';
import { startServer } from '../../src/process/serve.ts';
import { createTestDatabase } from '../database.ts';
import { formOf } from '../multipart.ts';
import { headOf, openRaw, type RawConnection } from '../raw-connection.ts';

export type Tenant = { namespace: string; uploads: string; api: string; registry: string };

export type Answer = { status: number; retryAfter: string | undefined; body: string };

type Sent = { from?: string; authorization?: string; headers?: Record<string, string>; body?: Uint8Array | string };

export type Ground = {
  port: number;
  tenants: [Tenant, Tenant, Tenant];
  /** Sends one request on a new connection. */
  ask(method: string, path: string, sent?: Sent): Promise<Answer>;
  /** Uploads a file that is not an archive. The answer is 400 if the server reads the file, and otherwise 429 or 503. */
  upload(tenant: Tenant, from?: string): Promise<Answer>;
  /** Begins an upload whose body stops after its first bytes. */
  startUpload(tenant: Tenant, from?: string): RawConnection;
  close(): Promise<void>;
};

export async function openSharesGround(settings: Record<string, string> = {}): Promise<Ground> {
  const database = await createTestDatabase();
  const data = await mkdtemp(join(tmpdir(), 'larder-shares-'));
  const config = readConfig({ LARDER_PORT: '0', LARDER_DATA: data, LARDER_DATABASE_URL: database.url, ...settings });
  let apiToken = '';
  const log = openLog({ level: 'silent' });
  const server = await startServer(config, log, (token) => {
    apiToken = token;
  });
  const port = Number(new URL(server.url).port);
  const ask = (method: string, path: string, sent: Sent = {}) => askOnce(port, method, { path, ...sent });
  const owner = await exchange(ask, apiToken);
  const made = async (name: string) => await makeTenant(ask, { owner, name });
  return {
    ...{ port, ask, tenants: [await made('acme'), await made('rival'), await made('third')] },
    upload: async (tenant, from) =>
      await ask('POST', tenant.uploads, { ...sentBy(from), authorization: tenant.api, ...NO_ARCHIVE }),
    startUpload: ({ uploads, api: authorization }, from) =>
      openRaw(port, {
        ...sentBy(from),
        first: headOf('POST', uploads, { authorization, ...HALF.headers }) + HALF.body,
      }),
    async close() {
      await server.stop();
      await database.drop();
      await rm(data, { recursive: true, force: true });
    },
  };
}

const sentBy = (from: string | undefined) => (from === undefined ? {} : { from });

const NO_ARCHIVE = formOf({ name: 'file', filename: 'x.tar.gz', content: 'no archive' });

const HALF = {
  headers: { ...NO_ARCHIVE.headers, 'content-length': 1_000_000 },
  body: NO_ARCHIVE.body.subarray(0, 100),
};

type Ask = Ground['ask'];

async function exchange(ask: Ask, token: string): Promise<string> {
  const path = '/csp/gateway/am/api/auth/api-tokens/authorize';
  return `Bearer ${JSON.parse((await ask('POST', `${path}?refresh_token=${token}`)).body).access_token}`;
}

async function makeTenant(ask: Ask, { owner, name }: { owner: string; name: string }): Promise<Tenant> {
  const answer = await ask('POST', '/larder/v1/organizations', {
    authorization: owner,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, namespace: name, owner: { name: 'owner' } }),
  });
  const token = JSON.parse(answer.body).api_token;
  const api = await exchange(ask, token);
  const { items } = JSON.parse((await ask('GET', '/v1/catalogs', { authorization: api })).body);
  const registry = `Basic ${Buffer.from(`x:${token}`).toString('base64')}`;
  return { namespace: name, uploads: `/v1/catalogs/${items[0].id}/customizations`, api, registry };
}

function askOnce(port: number, method: string, { path, from, authorization, headers, body }: Sent & { path: string }) {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request({
    ...{ port, host: '127.0.0.1', localAddress: from ?? '127.0.0.1', agent: false, method, path },
    headers: { ...headers, ...(authorization !== undefined && { authorization }) },
  });
  sent.on('error', reject).on('response', (response) => {
    const { statusCode = 0, headers: answered } = response;
    const answerOf = (all: string) => ({ status: statusCode, retryAfter: answered['retry-after'], body: all });
    text(response).then((all) => resolve(answerOf(all)), reject);
  });
  sent.end(body);
  return promise;
}
