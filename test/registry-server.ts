// A hosted registry as a separate process, for tests that kill or measure it. Usage: `node registry-server.ts <database url>
// <content directory> <key file>`.
import Fastify from 'fastify';
import { openDiskContent } from '../src/content/disk.ts';
import { openDatabase } from '../src/db/database.ts';
import { openIdentity } from '../src/identity/identity.ts';
import { loadInstallationKey } from '../src/identity/installation-key.ts';
import { registerRegistryRoutes } from '../src/registry/routes.ts';

const [url = '', directory = '', keyFile = ''] = process.argv.slice(2);
const { db, pool } = openDatabase(url);
const identity = await openIdentity(db, await loadInstallationKey(keyFile, { create: true }));
const app = Fastify();
registerRegistryRoutes(app, { pool, content: await openDiskContent(directory), identity });
console.log(await app.listen({ host: '127.0.0.1', port: 0 }));
