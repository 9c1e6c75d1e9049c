// The resources of a process. They are opened in order, and closed once in reverse order.
import { type Config, ConfigError } from './config/config.ts';
import type { ContentStore } from './content/content.ts';
import { openDiskContent } from './content/disk.ts';
import { explainConnection } from './db/connection-failure.ts';
import { type Database, type OpenedDatabase, openDatabase } from './db/database.ts';
import { MigrationError, migrate } from './db/migrate.ts';
import { createEgress, type Egress } from './egress/egress.ts';
import { IdentityError } from './identity/errors.ts';
import { type Identity, openIdentity } from './identity/identity.ts';
import { isInstalled } from './identity/installation.ts';
import { loadInstallationKey } from './identity/installation-key.ts';
import { followInstallationKey } from './identity/key-file.ts';
import { claimContentFolder } from './installation/content-folder.ts';
import type { Logger } from './log.ts';
import { StartError } from './start-error.ts';

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

/**
 * Migrates the database and opens everything. Throws ConfigError and StartError for faults that the operator can correct, and
 * otherwise the errors of the parts. After an error, nothing stays open.
 */
export async function openResources(config: Config, log: Logger): Promise<Resources> {
  const databaseUrl = config.databaseUrl;
  if (databaseUrl === undefined) {
    const message = 'is required by a server and a worker; only «npm start» starts its own database';
    throw new ConfigError([{ name: 'LARDER_DATABASE_URL', message }]);
  }
  try {
    return await openAll(config, databaseUrl, log);
  } catch (error) {
    throw isOfFolder(error, config.contentDirectory) ? error : startErrorOf(error, databaseUrl);
  }
}

async function openAll(config: Config, databaseUrl: string, log: Logger): Promise<Resources> {
  await migrate(databaseUrl);
  const egress = createEgress({ allow: [...config.egressAllow], proxy: config.proxy });
  const opened = openDatabase(databaseUrl);
  const close = async () => {
    egress.close();
    await opened.close();
  };
  try {
    // Only a new database gets a new key. With a new key, no secret in an older database could be decrypted.
    const create = !(await isInstalled(opened.db));
    const key = followInstallationKey(config.keyFile, await loadInstallationKey(config.keyFile, { create }));
    const identity = await openIdentity(opened.db, key, {
      ...{ loginLimits: config.loginLimits, passwords: config.passwords, egress },
      ...(config.oidc !== undefined && { oidc: config.oidc }),
    });
    await claimContentFolder(opened.db, config.contentDirectory);
    const content = await openDiskContent(config.contentDirectory);
    return { config, log, databaseUrl, db: opened.db, pool: opened.pool, content, egress, identity, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Whether a file error is about the content folder. It may also be about certificates in the address of the database. */
function isOfFolder(error: unknown, folder: string): boolean {
  const { path } = (error instanceof Error ? error : {}) as NodeJS.ErrnoException;
  return path !== undefined && `${path}/`.startsWith(`${folder}/`);
}

function startErrorOf(cause: unknown, databaseUrl: string): unknown {
  if (cause instanceof MigrationError) return new StartError('DATABASE', cause.message, { cause });
  if (cause instanceof IdentityError) return new StartError('KEY', cause.message, { cause });
  const line = explainConnection(cause, databaseUrl);
  return line === undefined ? cause : new StartError('DATABASE', line, { cause });
}
