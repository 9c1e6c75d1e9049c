// The operator's commands that rotate the installation's key, beside a running Larder or a stopped one with its database.
import { join } from 'node:path';
import { readConfig } from './config.ts';
import { type Database, openDatabase } from './db/database.ts';
import { runningEmbeddedUrl } from './db/embedded-cluster.ts';
import { migrate } from './db/migrate.ts';
import { dropKeys, rotateKeys } from './identity/key-rotation.ts';

/** Puts a new key in front and seals everything with it. Answers what to tell the operator. */
export async function rotateInstallationKey(): Promise<string> {
  const { sealed, resumed } = await withDatabase(rotateKeys);
  const begun = resumed ? 'A rotation that was begun before is finished' : 'A new key is in front of the key file';
  return `${begun}; ${sealed} secrets were sealed with it. When every process has it, «larder keys drop» takes the old one out.`;
}

/** Takes the old keys out. Answers what to tell the operator. */
export async function dropInstallationKeys(): Promise<string> {
  const dropped = await withDatabase(dropKeys);
  return dropped === 0
    ? 'The key file holds one key: there is nothing to drop.'
    : `Nothing needs the old keys: ${dropped} went.`;
}

async function withDatabase<T>(act: (db: Database, keyFile: string) => Promise<T>): Promise<T> {
  const config = readConfig();
  const url = config.databaseUrl ?? runningEmbeddedUrl(join(config.data, 'postgresql'));
  await migrate(url);
  const { db, close } = openDatabase(url, { connections: 2, applicationName: 'larder keys' });
  try {
    return await act(db, config.keyFile);
  } finally {
    await close();
  }
}
