// API tokens: secrets of users, valid for months and shown once. Clients exchange them for access tokens, or use them as
// passwords for the registry.
import { randomBytes } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import type { ApiToken } from '../contract/api-token.ts';
import type { Input, Output } from '../contract/endpoints.ts';
import { API_TOKEN_MONTHS_DEFAULT, API_TOKEN_MONTHS_MAX, API_TOKENS_PER_USER_MAX } from '../contract/limits.ts';
import type { Violation } from '../contract/problem.ts';
import type { Role, TokenScope, TokenStatus } from '../contract/vocabulary.ts';
import { now } from '../db/clock.ts';
import type { Database, Transaction } from '../db/database.ts';
import { allOf, pageWindow, present, toPage, wireTime } from '../db/page.ts';
import { lockName } from '../db/transaction-locks.ts';
import { IdentityError, notFound, rejectViolations } from './errors.ts';
import type { Principal } from './principal.ts';
import { lesserRole } from './roles.ts';
import { digestOf } from './token-holders.ts';
import { reaches, scopesAmong, WHOLE_SCOPE } from './token-scopes.ts';
import { keepWayIn, type WaysIn } from './ways-in.ts';

/** Secret scanners, and people who find a token in a file, recognize a token by this prefix. */
const API_TOKEN_PREFIX = 'larder_';

/** 32 bytes are 256 bits, which cannot be guessed. */
const SECRET_BYTES = 32;

/** The recorded actor if Larder or an operator makes a change without the API. */
const LARDER = 'Larder';

export type NewApiToken = {
  id: string;
  /** The secret is not stored, so only this result contains it. */
  secret: string;
  expires_at: Date;
};

/**
 * Creates a token for a user of an organization, with the user's role or a lower role. The caller must have checked that the
 * request is allowed.
 */
export async function createApiToken(
  tx: Transaction,
  owner: { organization_id: string; user_id: string },
  options: {
    name: string;
    role: Role;
    scopes?: readonly TokenScope[];
    expires_at?: Date | string | undefined;
    /** The lifetime of the token. Used if `expires_at` is absent. */
    expires_in_days?: number | undefined;
    created_by?: string;
  },
): Promise<NewApiToken> {
  const secret = API_TOKEN_PREFIX + randomBytes(SECRET_BYTES).toString('base64url');
  const { name, role, scopes = WHOLE_SCOPE, created_by = LARDER } = options;
  const row = await tx
    .insertInto('api_tokens')
    .values({
      ...owner,
      ...{ name, role, created_by, scopes: [...scopes] },
      expires_at: options.expires_at ?? endAfter(options.expires_in_days),
      secret_sha256: digestOf(secret),
    })
    .returning(['id', 'expires_at'])
    .executeTakeFirstOrThrow();
  return { ...row, secret };
}

function endAfter(days: number | undefined): RawBuilder<Date> {
  if (days === undefined) return sql<Date>`now() + make_interval(months => ${API_TOKEN_MONTHS_DEFAULT})`;
  return sql<Date>`now() + make_interval(days => ${days})`;
}

/**
 * Revokes a token of any user of the organization. Access tokens that were exchanged for it stay valid until they expire
 * (api.md, section 4).
 */
export async function removeApiToken(
  tx: Transaction,
  token: { organization_id: string; id: string; removed_by?: string },
): Promise<void> {
  await tx
    .updateTable('api_tokens')
    .set({ removed_at: now, removed_by: token.removed_by ?? LARDER })
    .where('id', '=', token.id)
    .where('organization_id', '=', token.organization_id)
    .where('removed_at', 'is', null)
    .execute();
}

/**
 * Lists the tokens that the caller can see, newest first. Revoked tokens are omitted unless `removed` is true. Throws INVALID
 * if the user is unknown.
 */
export async function listApiTokens(
  db: Database,
  principal: Principal,
  input: Input<'listApiTokens'>,
): Promise<Output<'listApiTokens'>> {
  const { user_id } = input;
  if (user_id !== undefined && !(await isSeen(db, principal, user_id))) rejectViolations([noUser(user_id)]);
  const where = allOf([
    visibleTo(principal),
    input.removed === true ? sql`t.removed_at is not null` : sql`t.removed_at is null`,
    user_id === undefined ? undefined : sql`t.user_id = ${user_id}`,
  ]);
  const total = await sql<{ total: number }>`select count(*) as total from api_tokens t where ${where}`.execute(db);
  const rows = await sql<TokenRow>`
    select ${columns()} from api_tokens t join users u on u.id = t.user_id where ${where}
    order by t.created_at desc, t.id ${pageWindow(input)}`.execute(db);
  return toPage(input, total.rows[0]?.total ?? 0, rows.rows.map(toApiToken));
}

/** Returns one token, even if it was revoked or has expired. Throws NOT_FOUND. */
export async function getApiToken(
  db: Database,
  principal: Principal,
  input: Input<'getApiToken'>,
): Promise<Output<'getApiToken'>> {
  const found = await sql<TokenRow>`
    select ${columns()} from api_tokens t join users u on u.id = t.user_id
    where t.id = ${input.api_token_id} and ${visibleTo(principal)}`.execute(db);
  const row = found.rows[0];
  if (!row) throw notFound('API token');
  return toApiToken(row);
}

/**
 * Creates a token for a user. Its role is at most the caller's role and at most the user's role. Its scopes are at most the
 * scopes of the caller's token. Throws INVALID, LIMIT_REACHED, and FORBIDDEN if the user is not the caller and the caller is
 * not an owner.
 */
export async function issueApiToken(
  tx: Transaction,
  principal: Principal,
  input: Input<'issueApiToken'>,
): Promise<Output<'issueApiToken'>> {
  const { organization_id } = principal;
  const user_id = input.user_id?.toLowerCase() ?? principal.user_id;
  if (principal.role !== 'OWNER' && user_id !== principal.user_id) {
    throw new IdentityError('FORBIDDEN', 'Only an owner can create tokens for other users');
  }
  // Takes a lock, so that two concurrent requests cannot exceed the limit together.
  await lockName(tx, ['api-tokens', user_id]);
  const userRole = await lockUser(tx, { organization_id, user_id });
  if (userRole === undefined) {
    if (user_id === principal.user_id) throw new IdentityError('TOKEN_INVALID', 'The user of the token was removed');
    rejectViolations([noUser(user_id)]);
  }
  const roleMax = lesserRole(principal.role, userRole ?? principal.role);
  const { name, role = roleMax } = input;
  const scopes = input.scopes === undefined ? reachOf(principal) : scopesAmong(input.scopes);
  rejectViolations([
    ...(lesserRole(role, roleMax) === role ? [] : [{ field: 'role', message: `It should be at most ${roleMax}.` }]),
    ...scopes.filter((one) => !reaches(principal, one)).map(beyond),
    ...(await endViolations(tx, input.expires_at)),
  ]);
  await requireBelowLimit(tx, user_id);
  const owner = { organization_id, user_id };
  const request = { name, role, scopes, expires_at: input.expires_at, created_by: principal.name };
  const made = await createApiToken(tx, owner, request);
  return { id: made.id, api_token: made.secret };
}

/**
 * Revokes a token that the caller can see. Throws NOT_FOUND if the token does not exist or was already revoked, and
 * LAST_WAY_IN.
 */
export async function revokeApiToken(
  tx: Transaction,
  principal: Principal,
  input: Input<'revokeApiToken'>,
  { waysIn }: { waysIn: WaysIn },
): Promise<void> {
  await keepWayIn(tx, { ...principal, waysIn }, () => revokeVisible(tx, principal, input));
}

async function revokeVisible(tx: Transaction, principal: Principal, input: Input<'revokeApiToken'>): Promise<void> {
  const found = await sql<{ id: string }>`
    select t.id from api_tokens t
    where t.id = ${input.api_token_id} and ${visibleTo(principal)} and t.removed_at is null for update`.execute(tx);
  const { organization_id, name } = principal;
  const [token] = found.rows;
  if (!token) throw notFound('API token');
  await removeApiToken(tx, { organization_id, id: token.id, removed_by: name });
}

/** SQL: whether the caller can see a token. Owners see all tokens of the organization, other users only their own. */
function visibleTo({ organization_id, user_id, role }: Principal): RawBuilder<unknown> {
  const own = sql`t.organization_id = ${organization_id}`;
  return role === 'OWNER' ? own : sql`${own} and t.user_id = ${user_id}`;
}

async function isSeen(db: Database, principal: Principal, userId: string): Promise<boolean> {
  if (principal.role !== 'OWNER') return userId.toLowerCase() === principal.user_id;
  const found = await sql`
    select from users where id = ${userId} and organization_id = ${principal.organization_id}`.execute(db);
  return found.rows.length > 0;
}

function noUser(id: string): Violation {
  return { field: 'user_id', message: `There is no user ${id}` };
}

function beyond(scope: TokenScope): Violation {
  return { field: 'scopes', message: `The token in use does not have the scope ${scope}.` };
}

/** Returns the scopes of the caller's token. A caller without a token has all scopes. */
function reachOf({ scopes }: Principal): readonly TokenScope[] {
  return scopes ?? WHOLE_SCOPE;
}

/**
 * Returns the role of a user who was not removed. Locks the user, so that the user cannot be removed until this transaction
 * ends.
 */
async function lockUser(
  tx: Transaction,
  user: { organization_id: string; user_id: string },
): Promise<Role | undefined> {
  const found = await sql<{ role: Role }>`
    select role from users
    where id = ${user.user_id} and organization_id = ${user.organization_id} and removed_at is null
    for no key update`.execute(tx);
  return found.rows[0]?.role;
}

async function endViolations(tx: Transaction, expiresAt: string | undefined): Promise<Violation[]> {
  if (expiresAt === undefined) return [];
  const checked = await sql<{ past: boolean; far: boolean }>`
    select ${expiresAt}::timestamptz <= now() as past,
      ${expiresAt}::timestamptz > now() + make_interval(months => ${API_TOKEN_MONTHS_MAX}) as far`.execute(tx);
  const { past, far } = checked.rows[0] ?? {};
  if (past) return [{ field: 'expires_at', message: 'It should be in the future.' }];
  if (far) return [{ field: 'expires_at', message: `It should be at most ${API_TOKEN_MONTHS_MAX} months from now.` }];
  return [];
}

async function requireBelowLimit(tx: Transaction, userId: string): Promise<void> {
  const working = await sql<{ total: number }>`
    select count(*) as total from api_tokens
    where user_id = ${userId} and removed_at is null and expires_at > now()`.execute(tx);
  if ((working.rows[0]?.total ?? 0) < API_TOKENS_PER_USER_MAX) return;
  throw new IdentityError(
    'LIMIT_REACHED',
    `The user has ${API_TOKENS_PER_USER_MAX} active API tokens, which is the limit: revoke one first`,
  );
}

type TokenRow = {
  id: string;
  name: string;
  user: { id: string; name: string };
  role: Role;
  user_role: Role;
  scopes: string[];
  status: TokenStatus;
  created_at: string;
  created_by: string;
  expires_at: string;
  last_used_at: string | null;
  removed_at: string | null;
  removed_by: string | null;
};

function columns(): RawBuilder<unknown> {
  return sql`t.id, t.name, json_build_object('id', u.id, 'name', u.name) as user, t.role,
    u.role as user_role, t.scopes,
    case when t.removed_at is not null then 'REMOVED' when t.expires_at <= now() then 'EXPIRED' else 'ACTIVE' end as status,
    ${wireTime('t.created_at')} as created_at, t.created_by, ${wireTime('t.expires_at')} as expires_at,
    ${wireTime('t.last_used_at')} as last_used_at, ${wireTime('t.removed_at')} as removed_at, t.removed_by`;
}

/** The returned role is never higher than the user's current role. All endpoints that accept tokens apply this rule. */
function toApiToken({ user_role, ...row }: TokenRow): ApiToken {
  return present<ApiToken>({ ...row, role: lesserRole(row.role, user_role), scopes: scopesAmong(row.scopes) });
}
