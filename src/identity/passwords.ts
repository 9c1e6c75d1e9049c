// Log-in without an identity provider: with an e-mail address as the name, and a password.
import { sql } from 'kysely';
import type { TokenScope } from '../contract/vocabulary.ts';
import { now } from '../db/clock.ts';
import type { Database, Transaction } from '../db/database.ts';
import { IdentityError } from './errors.ts';
import type { PasswordHashes } from './password-hashes.ts';
import type { Principal } from './principal.ts';
import { endSessions } from './sessions.ts';

/** The scopes of a token without restrictions. A session has all rights of its user. */
const WHOLE: readonly TokenScope[] = ['API', 'REGISTRY'];

export type SessionUser = { organization_id: string; user_id: string };

/**
 * Returns the user with this name and password. Throws IdentityError BUSY. Throws PASSWORD_WRONG if the name or the password
 * is wrong. The error does not say which of the two is wrong.
 */
export async function checkPassword(
  db: Database,
  hashes: PasswordHashes,
  given: { email: string; password: string },
): Promise<SessionUser> {
  const row = await db
    .selectFrom('user_passwords as p')
    .innerJoin('users as u', 'u.id', 'p.user_id')
    .where(sql`lower(p.email)`, '=', sql`lower(${given.email})`)
    .where('u.removed_at', 'is', null)
    .select(['p.user_id', 'u.organization_id', 'p.password_hash'])
    .executeTakeFirst();
  const matches = await hashes.matches(given.password, row?.password_hash);
  if (row === undefined || !matches) throw new IdentityError('PASSWORD_WRONG', 'The name or the password is wrong');
  return { organization_id: row.organization_id, user_id: row.user_id };
}

/** Returns the stored hash of the caller's password, or undefined if the caller has no password. */
export async function findPasswordHash(db: Database, caller: Principal): Promise<string | undefined> {
  const row = await db
    .selectFrom('user_passwords')
    .where('organization_id', '=', caller.organization_id)
    .where('user_id', '=', caller.user_id)
    .select('password_hash')
    .executeTakeFirst();
  return row?.password_hash;
}

export type NewPassword = {
  email: string;
  password_hash: string;
  /**
   * The stored hash with which the old password was compared, or undefined if there was none. The change fails if another
   * hash is stored now.
   */
  instead_of: string | undefined;
};

/**
 * Stores the name and password of the caller, and ends all sessions of the caller. Throws IdentityError EMAIL_TAKEN, and
 * PASSWORD_WRONG if the password changed concurrently. Throws TOKEN_LESSER if the caller's token has fewer rights than its
 * user, because the password would give the caller all rights of the user.
 */
export async function keepPassword(tx: Transaction, caller: Principal, request: NewPassword): Promise<void> {
  await requireWholeReach(tx, caller);
  if ((await findPasswordHash(tx, caller)) !== request.instead_of) {
    throw new IdentityError('PASSWORD_WRONG', 'The password was changed concurrently');
  }
  await replacePassword(tx, caller, request);
}

/** Returns the name with which a user logs in, or undefined if the user has no password. */
export async function findSignInName(db: Database, userId: string): Promise<string | undefined> {
  const row = await db.selectFrom('user_passwords').where('user_id', '=', userId).select('email').executeTakeFirst();
  return row?.email;
}

/** Sets the name and password of a user, and ends all sessions of the user. Throws IdentityError EMAIL_TAKEN. */
export async function replacePassword(
  tx: Transaction,
  { organization_id, user_id }: SessionUser,
  { email, password_hash }: { email: string; password_hash: string },
): Promise<void> {
  await freeEmail(tx, email);
  await tx.deleteFrom('user_passwords').where('user_id', '=', user_id).execute();
  const kept = await tx
    .insertInto('user_passwords')
    .values({ organization_id, user_id, email, password_hash, updated_at: now })
    .onConflict((conflict) => conflict.doNothing())
    .returning('user_id')
    .executeTakeFirst();
  if (kept === undefined) throw new IdentityError('EMAIL_TAKEN', 'The e-mail address is already in use.');
  await endSessions(tx, { organization_id, user_id });
}

/**
 * Throws IdentityError TOKEN_LESSER if the caller's token has fewer rights than its user. A way to log in would give the
 * caller all rights of the user. Locks the user until the transaction ends.
 */
export async function requireWholeReach(tx: Transaction, caller: Principal): Promise<void> {
  const user = await tx
    .selectFrom('users')
    .where('id', '=', caller.user_id)
    .where('organization_id', '=', caller.organization_id)
    .where('removed_at', 'is', null)
    .select('role')
    .forUpdate()
    .executeTakeFirst();
  const { scopes = WHOLE } = caller;
  if (user?.role === caller.role && WHOLE.every((one) => scopes.includes(one))) return;
  throw new IdentityError(
    'TOKEN_LESSER',
    'This token has fewer rights than its user, so it cannot add a way to log in.',
  );
}

/** If a removed user has this address, deletes that user's password, so that another user can log in with the address. */
async function freeEmail(tx: Transaction, email: string): Promise<void> {
  await tx
    .deleteFrom('user_passwords')
    .using('users as u')
    .whereRef('u.id', '=', 'user_passwords.user_id')
    .where('u.removed_at', 'is not', null)
    .where(sql`lower(user_passwords.email)`, '=', sql`lower(${email})`)
    .execute();
}
