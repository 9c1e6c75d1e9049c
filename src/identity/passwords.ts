// The built-in way to log in: a name in the form of an e-mail address, and a password.
import { sql } from 'kysely';
import type { TokenScope } from '../contract/vocabulary.ts';
import { now } from '../db/clock.ts';
import type { Database, Transaction } from '../db/database.ts';
import { IdentityError } from './errors.ts';
import type { PasswordHashes } from './password-hashes.ts';
import type { Principal } from './principal.ts';
import { endSessions } from './sessions.ts';

/** What a token reaches that was not limited: a session reaches that and more tokens. */
const WHOLE: readonly TokenScope[] = ['API', 'REGISTRY'];

export type SessionUser = { organization_id: string; user_id: string };

/** The user of this name and password. Throws IdentityError PASSWORD_WRONG, which of the two is not told, or BUSY. */
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

/** The kept hash of the caller's own password, undefined when there is none. */
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
  /** The hash that was checked, undefined when there was none: another change in between makes this one fail. */
  instead_of: string | undefined;
};

/**
 * Keeps name and password of the caller, and ends all sessions of theirs. Throws IdentityError EMAIL_TAKEN, TOKEN_LESSER when the
 * token in use may less than its user, who would get more by logging in, and PASSWORD_WRONG when somebody was faster.
 */
export async function keepPassword(tx: Transaction, caller: Principal, request: NewPassword): Promise<void> {
  await requireWholeReach(tx, caller);
  if ((await findPasswordHash(tx, caller)) !== request.instead_of) {
    throw new IdentityError('PASSWORD_WRONG', 'The password was changed in between');
  }
  await replacePassword(tx, caller, request);
}

/** The name that a user logs in with, undefined when there is none. */
export async function findSignInName(db: Database, userId: string): Promise<string | undefined> {
  const row = await db.selectFrom('user_passwords').where('user_id', '=', userId).select('email').executeTakeFirst();
  return row?.email;
}

/** Keeps name and password of a user, whatever they had, and ends all sessions of theirs. Throws IdentityError EMAIL_TAKEN. */
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
 * Throws IdentityError TOKEN_LESSER for a token that may less than its user, who would get more by a way to log in; holds the user
 * until the transaction ends.
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
  throw new IdentityError('TOKEN_LESSER', 'A token that may less than its user gives no way to log in.');
}

/** Who was removed needs no name to log in with any more. */
async function freeEmail(tx: Transaction, email: string): Promise<void> {
  await tx
    .deleteFrom('user_passwords')
    .using('users as u')
    .whereRef('u.id', '=', 'user_passwords.user_id')
    .where('u.removed_at', 'is not', null)
    .where(sql`lower(user_passwords.email)`, '=', sql`lower(${email})`)
    .execute();
}
