// The passwords of credentials for the hosted registry. A password is shown once. Only its digest is stored, and the registry
// finds the credential by the digest.
import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { type Database, inTransaction } from '../db/database.ts';

/**
 * Secret scanners, and people who find a password in a file, recognize a password by this prefix. The prefix also
 * distinguishes a password from an API token without a query.
 */
const PREFIX = 'larderpull_';

/** 256 bits cannot be guessed. So a SHA-256 without salt and with one round is safe enough to be stored. */
const SECRET_BYTES = 32;
const PASSWORD = /^larderpull_[\w-]{43}$/;

/**
 * The shortest time between two updates of `last_used_at`. People use this field to find unused credentials, so ten minutes
 * are exact enough. An update at every pull would cost too much.
 */
const LAST_USED_MINUTES = 10;

/** Returns a new password and its digest. Only the digest is stored. */
export function newRegistryPassword(): { password: string; sha256: Buffer } {
  const password = PREFIX + randomBytes(SECRET_BYTES).toString('base64url');
  return { password, sha256: digestOf(password) };
}

/** A client that has logged in with a credential of the hosted registry. */
export type RegistryGuest = { credential_id: string; organization_id: string; namespace: string };

/**
 * Returns the holder of the credential with this password. Returns undefined if the password is unknown, or if the credential
 * was revoked or has expired.
 */
export async function findRegistryGuest(db: Database, password: string): Promise<RegistryGuest | undefined> {
  if (!PASSWORD.test(password)) return undefined;
  const row = await db
    .selectFrom('registry_credentials as c')
    .innerJoin('organizations as o', 'o.id', 'c.organization_id')
    .where('c.secret_sha256', '=', digestOf(password))
    .where('c.removed_at', 'is', null)
    .where('c.expires_at', '>', sql<Date>`now()`)
    .select(['c.id', 'c.organization_id', 'o.namespace'])
    .executeTakeFirst();
  if (!row) return undefined;
  return { credential_id: row.id, organization_id: row.organization_id, namespace: row.namespace };
}

/**
 * Whether a credential is still valid. Called at every request, so that a revocation takes effect at once. Also records that
 * the credential was used.
 */
export async function useRegistryCredential(db: Database, credentialId: string): Promise<boolean> {
  const row = await db
    .selectFrom('registry_credentials')
    .where('id', '=', credentialId)
    .where('removed_at', 'is', null)
    .where('expires_at', '>', sql<Date>`now()`)
    .select(
      sql<boolean>`last_used_at is null or last_used_at < now() - ${LAST_USED_MINUTES} * interval '1 minute'`.as(
        'is_use_old',
      ),
    )
    .executeTakeFirst();
  if (row?.is_use_old) await rememberUse(db, credentialId);
  return row !== undefined;
}

async function rememberUse(db: Database, id: string): Promise<void> {
  await inTransaction(db, (tx) =>
    tx.updateTable('registry_credentials').set({ last_used_at: sql`now()` }).where('id', '=', id).execute(),
  );
}

function digestOf(password: string): Buffer {
  return createHash('sha256').update(password).digest();
}
