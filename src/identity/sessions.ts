// Sessions of browsers after a log-in. A session is found by the hash of its secret. It ends by log-out, after a time without
// requests, or after SESSION_HOURS.
import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { recordAuditEvent } from '../db/audit-trail.ts';
import { now } from '../db/clock.ts';
import { type Database, inTransaction, type Transaction } from '../db/database.ts';
import { IdentityError } from './errors.ts';
import type { Principal } from './principal.ts';

/** 256 bits, as in API tokens. */
const SECRET_BYTES = 32;
const SECRET = /^[\w-]{43}$/;

/** A working day, so that people log in once a day. */
export const SESSION_HOURS = 12;
/**
 * A session ends after this time without a request, because the browser may be abandoned. It is longer than a break at work.
 */
const IDLE_MINUTES = 120;
/**
 * The shortest time between two updates of the last use. So the end after IDLE_MINUTES may be wrong by this time. An update
 * at every call would cost too much.
 */
const LAST_USED_MINUTES = 5;

export type NewSession = { id: string; secret: string };

/** The request and the address of a log-in, for the audit trail. */
export type LoginSource = { request_id: string; address: string };

/**
 * Creates a session of a user, and deletes sessions that have expired. The audit trail records the session under the name of
 * the way to log in. Ends the browser's previous session, so that nobody can use its secret any more. Throws IdentityError
 * SESSION_OVER if the user was removed.
 */
export async function createSession(
  tx: Transaction,
  user: { organization_id: string; user_id: string },
  options: { way: 'signInWithPassword' | 'signInWithOidc'; source: LoginSource; instead_of?: string | undefined },
): Promise<NewSession> {
  const { organization_id, user_id } = user;
  const name = await findName(tx, user);
  if (name === undefined) throw new IdentityError('SESSION_OVER', 'The user was removed');
  await tx.deleteFrom('sessions').where('expires_at', '<', now).execute();
  if (options.instead_of !== undefined) await endSessionOf(tx, options.instead_of);
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  const row = await tx
    .insertInto('sessions')
    .values({
      ...{ organization_id, user_id, secret_sha256: digestOf(secret) },
      expires_at: sql<Date>`now() + make_interval(hours => ${SESSION_HOURS})`,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await recordAuditEvent(tx, {
    ...{ organization_id, actor_id: user_id, actor_name: name, action: options.way },
    ...{ subject_kind: 'user', subject_id: user_id },
    ...options.source,
  });
  return { ...row, secret };
}

async function findName(
  tx: Transaction,
  { organization_id, user_id }: { organization_id: string; user_id: string },
): Promise<string | undefined> {
  const user = await tx
    .selectFrom('users')
    .where('id', '=', user_id)
    .where('organization_id', '=', organization_id)
    .where('removed_at', 'is', null)
    .select('name')
    .executeTakeFirst();
  return user?.name;
}

async function endSessionOf(tx: Transaction, secret: string): Promise<void> {
  const ended = tx.updateTable('sessions').set({ ended_at: now }).where('ended_at', 'is', null);
  await ended.where('secret_sha256', '=', digestOf(secret)).execute();
}

/** Returns the principal of a valid session, with the role that the user has now. Throws IdentityError SESSION_OVER. */
export async function getSessionHolder(db: Database, secret: string): Promise<Principal & { session_id: string }> {
  const row = SECRET.test(secret) ? await findRow(db, digestOf(secret)) : undefined;
  if (row === undefined) throw new IdentityError('SESSION_OVER', 'The session has ended');
  const { id, is_use_old, ...principal } = row;
  if (is_use_old) await rememberUse(db, id);
  return { ...principal, session_id: id };
}

/** Ends all sessions of a user, or only the given one. */
export async function endSessions(
  tx: Transaction,
  whose: { organization_id: string; user_id: string; session_id?: string },
): Promise<void> {
  let sessions = tx
    .updateTable('sessions')
    .set({ ended_at: now })
    .where('organization_id', '=', whose.organization_id)
    .where('user_id', '=', whose.user_id)
    .where('ended_at', 'is', null);
  if (whose.session_id !== undefined) sessions = sessions.where('id', '=', whose.session_id);
  await sessions.execute();
}

function findRow(db: Database, digest: Buffer) {
  return db
    .selectFrom('sessions as s')
    .innerJoin('users as u', 'u.id', 's.user_id')
    .where('s.secret_sha256', '=', digest)
    .where('s.ended_at', 'is', null)
    .where('s.expires_at', '>', now)
    .where(sql<boolean>`s.last_used_at > now() - ${IDLE_MINUTES} * interval '1 minute'`)
    .where('u.removed_at', 'is', null)
    .select(['s.id', 's.organization_id', 's.user_id', 'u.name', 'u.role'])
    .select(sql<boolean>`s.last_used_at < now() - ${LAST_USED_MINUTES} * interval '1 minute'`.as('is_use_old'))
    .executeTakeFirst();
}

async function rememberUse(db: Database, id: string): Promise<void> {
  await inTransaction(db, (tx) => tx.updateTable('sessions').set({ last_used_at: now }).where('id', '=', id).execute());
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
