// A hosted registry for tests. It has real tables, a content store on disk, two organizations, and a token for each role.
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify, { type FastifyInstance } from 'fastify';
import type { ContentStore } from '../src/content/content.ts';
import { openDiskContent } from '../src/content/disk.ts';
import type { Role } from '../src/contract/vocabulary.ts';
import { type Database, inTransaction } from '../src/db/database.ts';
import { createApiToken } from '../src/identity/api-tokens.ts';
import { openIdentity } from '../src/identity/identity.ts';
import { loadInstallationKey } from '../src/identity/installation-key.ts';
import { createOrganization } from '../src/identity/organizations.ts';
import { type Descriptor, type Digest, MEDIA_TYPES } from '../src/oci/descriptor.ts';
import { registerRegistryRoutes } from '../src/registry/routes.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

type TestOrganization = { id: string; namespace: string; tokens: Record<Role, string> };

export type TestRegistry = {
  app: FastifyInstance;
  database: TestDatabase;
  content: ContentStore;
  directory: string;
  /** The address on which the registry listens, `http://127.0.0.1:port`. */
  url: string;
  acme: TestOrganization;
  rival: TestOrganization;
  close(): Promise<void>;
};

/** Starts a registry on loopback with its own database. `log` receives its errors, each as a line of JSON. */
export async function openTestRegistry(
  options: { content?: (content: ContentStore) => ContentStore; log?: (line: string) => void } = {},
): Promise<TestRegistry> {
  const database = await createTestDatabase();
  const directory = await mkdtemp(join(tmpdir(), 'larder-registry-'));
  const disk = await openDiskContent(directory);
  const content = options.content?.(disk) ?? disk;
  const acme = await createTestOrganization(database.db, 'acme');
  const rival = await createTestOrganization(database.db, 'rival');
  const identity = await openIdentity(database.db, await loadInstallationKey(join(directory, 'key'), { create: true }));
  const { log } = options;
  const app = Fastify(log === undefined ? {} : { logger: { level: 'error', stream: { write: log } } });
  registerRegistryRoutes(app, { pool: database.pool, content, identity });
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

async function createTestOrganization(db: Database, namespace: string): Promise<TestOrganization> {
  return await inTransaction(db, async (tx) => {
    const made = await createOrganization(tx, { name: namespace, namespace, owner: 'owner' });
    const owner = { organization_id: made.organization.id, user_id: made.owner.id };
    const tokenOf = async (role: Role) => (await createApiToken(tx, owner, { name: role, role })).secret;
    const tokens = { OWNER: made.api_token, EDITOR: await tokenOf('EDITOR'), VIEWER: await tokenOf('VIEWER') };
    return { id: made.organization.id, namespace, tokens };
  });
}

/** Returns the Authorization header for an API token. */
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

/** Returns a small image. The same seed gives the same bytes. */
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
