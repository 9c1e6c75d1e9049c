// What a process holds while it lives: opened once in order, closed once in reverse.
import type { Config } from './config.ts';
import { type Database, type OpenedDatabase, openDatabase } from './db/database.ts';
import { migrate } from './db/migrate.ts';
import { createEgress, type Egress } from './egress/egress.ts';
import { type Identity, openIdentity } from './identity/identity.ts';
import { loadInstallationKey } from './identity/installation-key.ts';
import type { Logger } from './log.ts';
import type { ContentStore } from './oci/content.ts';
import { openDiskContent } from './oci/disk.ts';

export type Resources = {
  config: Config;
  log: Logger;
  databaseUrl: string;
  db: Database;
  pool: OpenedDatabase['pool'];
  content: ContentStore;
  egress: Egress;
  identity: Identity;
  close(): Promise<void>;
};

/** Brings the database up to date and opens everything. Throws what the parts throw; nothing stays open then. */
export async function openResources(config: Config, log: Logger): Promise<Resources> {
  const databaseUrl = config.databaseUrl;
  if (databaseUrl === undefined) throw new Error('This process needs LARDER_DATABASE_URL.');
  await migrate(databaseUrl);
  const key = await loadInstallationKey(config.keyFile, { create: true });
  const content = await openDiskContent(config.contentDirectory);
  const egress = createEgress({ allow: [...config.egressAllow], proxy: config.proxy });
  const opened = openDatabase(databaseUrl);
  const close = async () => {
    egress.close();
    await opened.close();
  };
  try {
    const identity = await openIdentity(opened.db, key, { loginLimits: config.loginLimits });
    return { config, log, databaseUrl, db: opened.db, pool: opened.pool, content, egress, identity, close };
  } catch (error) {
    await close();
    throw error;
  }
}
