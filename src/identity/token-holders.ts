// Finds the holder of an API token, with the token's current role and scopes. Every endpoint that accepts API tokens uses
// this.
import { createHash } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import type { Role } from '../contract/vocabulary.ts';
import { now } from '../db/clock.ts';
import { type Database, inTransaction } from '../db/database.ts';
import { IdentityError } from './errors.ts';
import type { Principal } from './principal.ts';
import { lesserRole } from './roles.ts';
import { scopesAmong } from './token-scopes.ts';

/** The format of the tokens that createApiToken makes. Other texts are rejected without a query. */
const API_TOKEN = /^larder_[\w-]{43}$/;

/**
 * The shortest time between two updates of `last_used_at`. People use this field to find unused tokens, so ten minutes are
 * exact enough. An update at every call would cost too much.
 */
const LAST_USED_MINUTES = 10;

/**
 * The principal of an API token, and the namespace of its organization, with which the names of the organization's
 * repositories begin.
 */
export type TokenHolder = { principal: Principal & { token_id: string }; namespace: string };

/**
 * Returns the holder of a valid token. Throws IdentityError TOKEN_MISSING if the text is empty, and TOKEN_EXPIRED if the
 * token has expired. Throws TOKEN_INVALID if the token is unknown or revoked, or if its user was removed. Searches by digest,
 * so that the duration reveals nothing about the secret.
 */
export async function getTokenHolder(db: Database, secret: string): Promise<TokenHolder> {
  if (secret === '') throw new IdentityError('TOKEN_MISSING', 'API token required');
  return await holderOf(
    db,
    API_TOKEN.test(secret) ? await findRow(db, sql`t.secret_sha256 = ${digestOf(secret)}`) : undefined,
  );
}

/** Returns the holder of a token, or undefined if the token is invalid for any reason. */
export function findTokenHolder(db: Database, secret: string): Promise<TokenHolder | undefined> {
  return unlessRejected(getTokenHolder(db, secret));
}

/** Returns the holder of a token that was accepted earlier, or undefined if the token is no longer valid. */
export async function findTokenHolderById(db: Database, id: string): Promise<TokenHolder | undefined> {
  return await unlessRejected(holderOf(db, await findRow(db, sql`t.id = ${id}`)));
}

async function unlessRejected(holder: Promise<TokenHolder>): Promise<TokenHolder | undefined> {
  try {
    return await holder;
  } catch (error) {
    if (error instanceof IdentityError) return undefined;
    throw error;
  }
}

type TokenRow = {
  id: string;
  organization_id: string;
  user_id: string;
  name: string;
  role: Role;
  user_role: Role;
  scopes: string[];
  namespace: string;
  is_over: boolean;
  is_use_old: boolean;
};

async function findRow(db: Database, which: RawBuilder<unknown>): Promise<TokenRow | undefined> {
  const found = await sql<TokenRow>`
    select t.id, t.organization_id, t.user_id, u.name, t.role, u.role as user_role, t.scopes, o.namespace,
      t.expires_at <= now() as is_over,
      t.last_used_at is null or t.last_used_at < now() - ${LAST_USED_MINUTES} * interval '1 minute' as is_use_old
    from api_tokens t join users u on u.id = t.user_id join organizations o on o.id = t.organization_id
    where ${which} and t.removed_at is null and u.removed_at is null`.execute(db);
  return found.rows[0];
}

async function holderOf(db: Database, row: TokenRow | undefined): Promise<TokenHolder> {
  if (!row) throw new IdentityError('TOKEN_INVALID', 'The token is invalid');
  if (row.is_over) throw new IdentityError('TOKEN_EXPIRED', 'The API token has expired');
  if (row.is_use_old) await rememberUse(db, row.id);
  const { id, organization_id, user_id, name, namespace } = row;
  // If the role of the user is lower than the role of the token, the user's role applies.
  const role = lesserRole(row.role, row.user_role);
  const scopes = scopesAmong(row.scopes);
  return { principal: { organization_id, user_id, name, role, scopes, token_id: id }, namespace };
}

async function rememberUse(db: Database, id: string): Promise<void> {
  await inTransaction(db, (tx) =>
    tx.updateTable('api_tokens').set({ last_used_at: now }).where('id', '=', id).execute(),
  );
}

/**
 * Returns the digest under which a secret is stored. SHA-256 without salt and with one round is enough, because the secret
 * has 256 random bits.
 */
export function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
