// The functions of the operator's commands that rotate the installation's key.
import type { Database } from '../db/database.ts';
import { dropKeys, rotateKeys } from '../identity/key-rotation.ts';
import { withOperatorDatabase } from './operator-database.ts';

/** Adds a new key and seals all secrets with it. Returns the message for the operator. */
export async function rotateInstallationKey(): Promise<string> {
  const { sealed, resumed } = await withKeyFile(rotateKeys);
  const begun = resumed ? 'The earlier rotation is complete' : 'A new key was added at the start of the key file';
  return `${begun}; ${sealed} secrets were sealed with it. When every process uses it, «larder keys drop» removes the old one.`;
}

/** Removes the old keys from the key file. Returns the message for the operator. */
export async function dropInstallationKeys(): Promise<string> {
  const dropped = await withKeyFile(dropKeys);
  return dropped === 0
    ? 'The key file holds one key: there is nothing to drop.'
    : `Nothing uses the old keys: ${dropped} removed.`;
}

function withKeyFile<T>(act: (db: Database, keyFile: string) => Promise<T>): Promise<T> {
  return withOperatorDatabase('keys', (db, { keyFile }) => act(db, keyFile));
}
