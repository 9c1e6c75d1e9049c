// A hosted registry for tests: real tables, a content store on disk, two organizations, and a token for each role.
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify, { type FastifyInstance } from 'fastify';
import { jwtVerify, SignJWT } from 'jose';
import type pg from 'pg';
import type { Role } from '../src/contract/vocabulary.ts';
import type { ContentStore } from '../src/oci/content.ts';
import { type Descriptor, type Digest, MEDIA_TYPES } from '../src/oci/descriptor.ts';
import { openDiskContent } from '../src/oci/disk.ts';
import type { IdentityForRegistry } from '../src/registry/identity.ts';
import { registerRegistryRoutes } from '../src/registry/routes.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

export type TestOrganization = { id: string; namespace: string; tokens: Record<Role, string> };

export type TestRegistry = {
  app: FastifyInstance;
  database: TestDatabase;
  content: ContentStore;
  directory: string;
  /** `http://127.0.0.1:port`, listening. */
  url: string;
  acme: TestOrganization;
  rival: TestOrganization;
  close(): Promise<void>;
};

/** Starts a registry on loopback over a database of its own. */
export async function openTestRegistry(
  options: { content?: (content: ContentStore) => ContentStore } = {},
): Promise<TestRegistry> {
  const database = await createTestDatabase();
  const directory = await mkdtemp(join(tmpdir(), 'larder-registry-'));
  const disk = await openDiskContent(directory);
  const content = options.content?.(disk) ?? disk;
  const acme = await createTestOrganization(database.pool, 'acme');
  const rival = await createTestOrganization(database.pool, 'rival');
  const app = Fastify();
  registerRegistryRoutes(app, { pool: database.pool, content, identity: testIdentity(database.pool) });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    app,
    database,
    content,
    directory,
    url: `http://127.0.0.1:${port}`,
    acme,
    rival,
    async close() {
      await app.close();
      await database.drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function createTestOrganization(pool: pg.Pool, namespace: string): Promise<TestOrganization> {
  const { rows } = await pool.query('insert into organizations (name, namespace) values ($1, $1) returning id', [
    namespace,
  ]);
  const id: string = rows[0].id;
  const tokens = { OWNER: '', EDITOR: '', VIEWER: '' };
  for (const role of ['OWNER', 'EDITOR', 'VIEWER'] as const) {
    tokens[role] = await createTestToken(pool, id, role);
  }
  return { id, namespace, tokens };
}

/** An API token of an organization, as the tables hold it. */
export async function createTestToken(pool: pg.Pool, organizationId: string, role: Role): Promise<string> {
  const secret = randomBytes(32).toString('base64url');
  const user = await pool.query('insert into users (organization_id, name, role) values ($1, $2, $2) returning id', [
    organizationId,
    role,
  ]);
  await pool.query(
    `insert into api_tokens (organization_id, user_id, name, secret_sha256, role, expires_at)
     values ($1, $2, 'test', sha256($3::bytea), $4, now() + interval '1 day')`,
    [organizationId, user.rows[0].id, Buffer.from(secret), role],
  );
  return secret;
}

export function testIdentity(pool: pg.Pool): IdentityForRegistry {
  const key = randomBytes(32);
  return {
    async findTokenHolder(apiToken) {
      const { rows } = await pool.query(
        `select o.namespace, t.organization_id, t.user_id, t.name, t.role from api_tokens t join organizations o on o.id = t.organization_id
         where t.secret_sha256 = sha256($1::bytea) and t.removed_at is null and t.expires_at > now()`,
        [Buffer.from(apiToken)],
      );
      const [row] = rows;
      return row && { namespace: row.namespace, principal: row };
    },
    async signToken(claims, { audience, lifetimeSeconds }) {
      return await new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256' })
        .setAudience(audience)
        .setExpirationTime(`${lifetimeSeconds}s`)
        .sign(key);
    },
    async verifyToken(jwt, { audience }) {
      return (await jwtVerify(jwt, key, { audience, algorithms: ['HS256'] })).payload;
    },
  };
}

/** The Authorization header of an API token. */
export function basic(token: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`anyone:${token}`).toString('base64')}` };
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export function descriptorOf(bytes: Uint8Array | string, mediaType: string): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: Buffer.byteLength(bytes) };
}

export type TestImage = { config: string; layer: Buffer; manifest: string; digest: Digest };

/** A small image; the same seed makes the same bytes. */
export function testImage(seed: string, more: Record<string, unknown> = {}): TestImage {
  const config = JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] }, seed });
  const layer = Buffer.from(`layer of ${seed}`);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config: descriptorOf(config, MEDIA_TYPES.config),
    layers: [descriptorOf(layer, MEDIA_TYPES.layer)],
    ...more,
  });
  return { config, layer, manifest, digest: digestOf(manifest) };
}
