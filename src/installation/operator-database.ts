// Opens the database for the operator's commands. Larder itself need not run, but the database must.
import { join } from 'node:path';
import { type Config, readConfig } from '../config/config.ts';
import { explainConnection } from '../db/connection-failure.ts';
import { type Database, openDatabase } from '../db/database.ts';
import { runningEmbeddedUrl } from '../db/embedded-cluster.ts';
import { migrate } from '../db/migrate.ts';
import { StartError } from '../start-error.ts';

/** Opens the configured database for one command and migrates it. Throws StartError if the database cannot be reached. */
export async function withOperatorDatabase<T>(
  command: string,
  act: (db: Database, config: Config) => Promise<T>,
): Promise<T> {
  const config = readConfig();
  const url = config.databaseUrl ?? runningEmbeddedUrl(join(config.data, 'postgresql'));
  await migrate(url).catch((cause: unknown) => {
    const line = explainConnection(cause, url);
    throw line === undefined ? cause : new StartError('DATABASE', line, { cause });
  });
  const { db, close } = openDatabase(url, { connections: 2, applicationName: `larder ${command}` });
  try {
    return await act(db, config);
  } finally {
    await close();
  }
}
