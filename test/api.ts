// The whole API for tests. It has a real database, content on disk, and two organizations, each with a catalog and a token
// for each role.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { ensureHostedRegistry } from '../src/catalog/initial-rows.ts';
import type { ContentStore } from '../src/content/content.ts';
import { openDiskContent } from '../src/content/disk.ts';
import type { Role } from '../src/contract/vocabulary.ts';
import { type Database, inTransaction } from '../src/db/database.ts';
import type { Readiness } from '../src/http/health.ts';
import { buildServer } from '../src/http/server.ts';
import type { ServerParts } from '../src/http/server-parts.ts';
import { createApiToken } from '../src/identity/api-tokens.ts';
import { type Identity, openIdentity } from '../src/identity/identity.ts';
import { type InstallationKey, newInstallationKey } from '../src/identity/installation-key.ts';
import { createOrganization } from '../src/identity/organizations.ts';
import { openLog } from '../src/log.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

export type ApiOrganization = {
  id: string;
  catalog_id: string;
  /** The API tokens, by role. */
  tokens: Record<Role, string>;
  /** The access tokens, by role. */
  access: Record<Role, string>;
};

export type Ask = { token?: string | undefined; body?: unknown; headers?: Record<string, string> };

export type TestApi = {
  app: FastifyInstance;
  database: TestDatabase;
  content: ContentStore;
  directory: string;
  identity: Identity;
  key: InstallationKey;
  readiness: Readiness;
  /** The lines of the log. */
  lines: string[];
  acme: ApiOrganization;
  rival: ApiOrganization;
  /** Sends a request. Without a token, sends it as acme's owner. A body is sent as JSON. */
  ask(method: NonNullable<InjectOptions['method']>, url: string, ask?: Ask): Promise<LightMyRequestResponse>;
  close(): Promise<void>;
};

export type ApiOptions = {
  content?: (content: ContentStore) => ContentStore;
  /** Makes the server from its parts. The default is `buildServer`. */
  build?: (parts: ServerParts) => FastifyInstance;
};

/** Opens an API with its own database and content store. */
export async function openTestApi(options: ApiOptions = {}): Promise<TestApi> {
  const database = await createTestDatabase();
  const directory = await mkdtemp(join(tmpdir(), 'larder-api-'));
  const disk = await openDiskContent(directory);
  const content = options.content?.(disk) ?? disk;
  const key = newInstallationKey();
  const identity = await openIdentity(database.db, key);
  const readiness: Readiness = { draining: false, checks: {} };
  const lines: string[] = [];
  const log = openLog({ level: 'debug', destination: { write: (line: string) => lines.push(line) } });
  const app = (options.build ?? buildServer)({ db: database.db, content, identity, log, readiness });
  const acme = await createApiOrganization(database.db, identity, 'acme');
  const rival = await createApiOrganization(database.db, identity, 'rival');
  await app.ready();
  return {
    ...{ app, database, content, directory, identity, key, readiness, lines, acme, rival },
    ask: (method, url, ask = {}) => app.inject(injection(method, url, { token: acme.access.OWNER, ...ask })),
    async close() {
      await app.close();
      await database.drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function injection(method: NonNullable<InjectOptions['method']>, url: string, ask: Ask): InjectOptions {
  const authorization = ask.token === undefined ? {} : { authorization: `Bearer ${ask.token}` };
  if (ask.body === undefined) return { method, url, headers: { ...authorization, ...ask.headers } };
  const isRaw = typeof ask.body === 'string' || ask.body instanceof Uint8Array;
  const headers = { 'content-type': 'application/json', ...authorization, ...ask.headers };
  return { method, url, headers, payload: isRaw ? (ask.body as string) : JSON.stringify(ask.body) };
}

async function createApiOrganization(db: Database, identity: Identity, name: string): Promise<ApiOrganization> {
  const { id, catalog_id, tokens } = await inTransaction(db, async (tx) => {
    const made = await createOrganization(tx, { name, namespace: name, owner: 'jane' });
    const organization_id = made.organization.id;
    const owner = { organization_id, user_id: made.owner.id };
    const tokenOf = async (role: Role) => (await createApiToken(tx, owner, { name: role, role })).secret;
    const catalog = await tx
      .insertInto('catalogs')
      .values({ organization_id, name: 'DefaultCatalog' })
      .returning('id')
      .executeTakeFirstOrThrow();
    const others = { EDITOR: await tokenOf('EDITOR'), VIEWER: await tokenOf('VIEWER') };
    return { id: organization_id, catalog_id: catalog.id, tokens: { OWNER: made.api_token, ...others } };
  });
  const accessOf = async (role: Role) => (await identity.exchangeApiToken(tokens[role])).access_token;
  const access = { OWNER: await accessOf('OWNER'), EDITOR: await accessOf('EDITOR'), VIEWER: await accessOf('VIEWER') };
  return { id, catalog_id, tokens, access };
}

/** Makes acme the owner of the installation, and creates the hosted registry like a first start. */
export async function giveInstallation({ database, acme }: Pick<TestApi, 'database' | 'acme'>): Promise<void> {
  await inTransaction(database.db, async (tx) => {
    await tx.updateTable('organizations').set({ owns_installation: true }).where('id', '=', acme.id).execute();
    await ensureHostedRegistry(tx, acme.id, 'http://127.0.0.1:8080/');
  });
}

/** Returns the messages of a rejection's violations, by the name of the field. */
export function violationsOf(response: LightMyRequestResponse): Record<string, string> {
  const { violations } = response.json() as { violations: { field: string; message: string }[] };
  return Object.fromEntries(violations.map(({ field, message }) => [field, message]));
}
