// API tokens: long-lived secrets of a user, shown once, exchanged for access tokens, and passwords for the registry.
import { createHash, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Role } from '../contract/vocabulary.ts';
import { now } from '../db/clock.ts';
import { type Database, inTransaction, type Transaction } from '../db/database.ts';
import { IdentityError } from './errors.ts';
import type { Principal } from './principal.ts';

/** Secret scanners, and people who find one in a file, see whose it is. */
const API_TOKEN_PREFIX = 'larder_';

/** 256 bits: nothing to guess, so SHA-256 without salt or stretching keeps it. */
const SECRET_BYTES = 32;
const API_TOKEN = /^larder_[\w-]{43}$/;

/** A year: long enough for pipelines to be set up once, short enough that a forgotten one ends. */
const API_TOKEN_DAYS = 365;

/** `last_used_at` is for people who tidy up; a write for every call would cost more than it tells. */
const LAST_USED_MINUTES = 10;

export type NewApiToken = {
  id: string;
  /** Not kept anywhere: the only time that it is seen. */
  secret: string;
  expires_at: Date;
};

/** Makes a token for a user of an organization, with the user's role or a lesser one. */
export async function createApiToken(
  tx: Transaction,
  owner: { organization_id: string; user_id: string },
  options: { name: string; role: Role; expires_at?: Date },
): Promise<NewApiToken> {
  const secret = API_TOKEN_PREFIX + randomBytes(SECRET_BYTES).toString('base64url');
  const { name, role } = options;
  const row = await tx
    .insertInto('api_tokens')
    .values({
      ...owner,
      name,
      role,
      expires_at: options.expires_at ?? sql<Date>`now() + make_interval(days => ${API_TOKEN_DAYS})`,
      secret_sha256: digestOf(secret),
    })
    .returning(['id', 'expires_at'])
    .executeTakeFirstOrThrow();
  return { ...row, secret };
}

/** Ends a token; access tokens made from it live out their half hour (api.md, section 4). */
export async function removeApiToken(tx: Transaction, token: { organization_id: string; id: string }): Promise<void> {
  await tx
    .updateTable('api_tokens')
    .set({ removed_at: now })
    .where('id', '=', token.id)
    .where('organization_id', '=', token.organization_id)
    .where('removed_at', 'is', null)
    .execute();
}

/** Who an API token stands for, with the first segment of the organization's repository names. */
export type TokenHolder = { principal: Principal & { token_id: string }; namespace: string };

/**
 * The holder of a living token. Throws IdentityError: TOKEN_INVALID for one that is unknown or removed or whose user
 * is, TOKEN_EXPIRED for one that is over. Found by its digest: what the search compares tells nothing about a secret.
 */
export async function getTokenHolder(db: Database, secret: string): Promise<TokenHolder> {
  if (secret === '') throw new IdentityError('TOKEN_MISSING', 'An API token is needed');
  const row = API_TOKEN.test(secret) ? await findRow(db, digestOf(secret)) : undefined;
  if (!row) throw new IdentityError('TOKEN_INVALID', 'The token is not valid');
  if (row.is_over) throw new IdentityError('TOKEN_EXPIRED', 'The API token has expired');
  if (row.is_use_old) await rememberUse(db, row.id);
  const { id, organization_id, user_id, name, role, namespace } = row;
  return { principal: { organization_id, user_id, name, role, token_id: id }, namespace };
}

/** The same, undefined for every token that opens nothing. */
export async function findTokenHolder(db: Database, secret: string): Promise<TokenHolder | undefined> {
  try {
    return await getTokenHolder(db, secret);
  } catch (error) {
    if (error instanceof IdentityError) return undefined;
    throw error;
  }
}

function findRow(db: Database, digest: Buffer) {
  return db
    .selectFrom('api_tokens as t')
    .innerJoin('users as u', 'u.id', 't.user_id')
    .innerJoin('organizations as o', 'o.id', 't.organization_id')
    .where('t.secret_sha256', '=', digest)
    .where('t.removed_at', 'is', null)
    .where('u.removed_at', 'is', null)
    .select(['t.id', 't.organization_id', 't.user_id', 'u.name', 't.role', 'o.namespace'])
    .select([
      sql<boolean>`t.expires_at <= now()`.as('is_over'),
      sql<boolean>`t.last_used_at is null or t.last_used_at < now() - ${LAST_USED_MINUTES} * interval '1 minute'`.as(
        'is_use_old',
      ),
    ])
    .executeTakeFirst();
}

async function rememberUse(db: Database, id: string): Promise<void> {
  await inTransaction(db, (tx) =>
    tx.updateTable('api_tokens').set({ last_used_at: now }).where('id', '=', id).execute(),
  );
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
