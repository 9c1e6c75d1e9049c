// The users of an organization. Owners create, change and remove users. There is always at least one owner.
import { type RawBuilder, sql } from 'kysely';
import type { Input, Output } from '../contract/endpoints.ts';
import { USERS_MAX } from '../contract/limits.ts';
import type { User } from '../contract/user.ts';
import type { Role } from '../contract/vocabulary.ts';
import { now } from '../db/clock.ts';
import type { Database, Transaction } from '../db/database.ts';
import { allOf, containing, direction, pageWindow, present, toPage, wireTime } from '../db/page.ts';
import { issueApiToken } from './api-tokens.ts';
import { IdentityError, notFound } from './errors.ts';
import type { Principal } from './principal.ts';
import { endSessions } from './sessions.ts';
import { lockUsers } from './users-lock.ts';
import { keepWayIn, type WaysIn } from './ways-in.ts';

const FIRST_TOKEN = 'first token';

const ORDERS: Record<Input<'listUsers'>['order_field'], RawBuilder<unknown>> = {
  NAME: sql`u.name`,
  CREATED_AT: sql`u.created_at`,
  UPDATED_AT: sql`u.updated_at`,
};

/** Lists the organization's users. Removed users are omitted unless `removed` is true. Two statements. */
export async function listUsers(
  db: Database,
  principal: Principal,
  input: Input<'listUsers'>,
): Promise<Output<'listUsers'>> {
  const where = allOf([
    sql`u.organization_id = ${principal.organization_id}`,
    input.removed === true ? sql`u.removed_at is not null` : sql`u.removed_at is null`,
    input.role === undefined ? undefined : sql`u.role = ${input.role}`,
    input.name === undefined ? undefined : sql`u.name ilike ${containing(input.name)}`,
  ]);
  const total = await sql<{ total: number }>`select count(*) as total from users u where ${where}`.execute(db);
  const rows = await sql<UserRow>`
    select ${columns(principal)} from users u where ${where}
    order by ${ORDERS[input.order_field]} ${direction(input.order_direction)}, u.id ${pageWindow(input)}`.execute(db);
  return toPage(input, total.rows[0]?.total ?? 0, rows.rows.map(toUser));
}

/** Returns one user, even if the user was removed. Throws NOT_FOUND. */
export async function getUser(db: Database, principal: Principal, input: Input<'getUser'>): Promise<Output<'getUser'>> {
  const found = await sql<UserRow>`
    select ${columns(principal)} from users u
    where u.id = ${input.user_id} and u.organization_id = ${principal.organization_id}`.execute(db);
  const row = found.rows[0];
  if (!row) throw notFound('user');
  return toUser(row);
}

/**
 * Creates a user, with an API token if requested. Throws LIMIT_REACHED, TAKEN if another user has the e-mail address, and
 * FORBIDDEN or TOKEN_INVALID if the caller is no longer an owner.
 */
export async function createUser(
  tx: Transaction,
  principal: Principal,
  input: Input<'createUser'>,
): Promise<Output<'createUser'>> {
  await lockUsers(tx, principal);
  await requireOwner(tx, principal);
  await requireUsersBelowLimit(tx, principal);
  await requireFree(tx, principal, { email: input.email });
  const { organization_id, name: actor } = principal;
  const { id } = await tx
    .insertInto('users')
    .values({
      ...{ organization_id, name: input.name.trim(), email: input.email ?? null, role: input.role },
      ...{ created_by: actor, updated_by: actor },
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  if (input.with_api_token !== true) return { id };
  const { api_token } = await issueApiToken(tx, principal, { name: FIRST_TOKEN, user_id: id });
  return { id, api_token };
}

/**
 * Changes the name, e-mail address or role of a user. Throws NOT_FOUND, TAKEN, LAST_OWNER, LAST_WAY_IN, and FORBIDDEN or
 * TOKEN_INVALID like createUser.
 */
export async function updateUser(
  tx: Transaction,
  principal: Principal,
  input: Input<'updateUser'>,
  { waysIn }: { waysIn: WaysIn },
): Promise<void> {
  await keepWayIn(tx, { ...principal, waysIn }, () => changeUser(tx, principal, input));
}

async function changeUser(tx: Transaction, principal: Principal, input: Input<'updateUser'>): Promise<void> {
  const user = await holdUser(tx, principal, input.user_id);
  const { name, email, role } = input;
  if (user.role === 'OWNER' && role !== undefined && role !== 'OWNER') await requireOtherOwner(tx, principal, user.id);
  if (email !== undefined) await requireFree(tx, principal, { email, besides: user.id });
  await tx
    .updateTable('users')
    .set({
      ...(name !== undefined && { name: name.trim() }),
      ...(email !== undefined && { email }),
      ...(role !== undefined && { role }),
      updated_at: now,
      updated_by: principal.name,
    })
    .where('id', '=', user.id)
    .execute();
}

/**
 * Removes a user, revokes all tokens of the user and ends all sessions of the user. Throws NOT_FOUND, LAST_OWNER, LAST_WAY_IN,
 * and FORBIDDEN or TOKEN_INVALID like createUser.
 */
export async function deleteUser(
  tx: Transaction,
  principal: Principal,
  input: Input<'deleteUser'>,
  { waysIn }: { waysIn: WaysIn },
): Promise<void> {
  await keepWayIn(tx, { ...principal, waysIn }, () => removeUser(tx, principal, input));
}

async function removeUser(tx: Transaction, principal: Principal, input: Input<'deleteUser'>): Promise<void> {
  const user = await holdUser(tx, principal, input.user_id);
  if (user.role === 'OWNER') await requireOtherOwner(tx, principal, user.id);
  const removal = { removed_at: now, removed_by: principal.name };
  // Changes the user's row first. This waits for a transaction that is creating a token for the user, so that the new token
  // is revoked too.
  await tx
    .updateTable('users')
    .set({ ...removal, updated_at: now, updated_by: principal.name })
    .where('id', '=', user.id)
    .execute();
  await tx
    .updateTable('api_tokens')
    .set(removal)
    .where('organization_id', '=', principal.organization_id)
    .where('user_id', '=', user.id)
    .where('removed_at', 'is', null)
    .execute();
  await endSessions(tx, { organization_id: principal.organization_id, user_id: user.id });
}

/**
 * Throws TOKEN_INVALID or FORBIDDEN unless the caller is an owner now. The role in an access token is up to half an hour old,
 * so it is not enough to change other users.
 */
export async function requireOwner(tx: Transaction, principal: Principal): Promise<void> {
  const found = await sql<{ role: Role }>`
    select role from users
    where id = ${principal.user_id} and organization_id = ${principal.organization_id} and removed_at is null`.execute(
    tx,
  );
  const [user] = found.rows;
  if (user === undefined) throw new IdentityError('TOKEN_INVALID', 'The user of the token was removed');
  if (user.role !== 'OWNER') throw new IdentityError('FORBIDDEN', 'The user of the token is no longer an owner');
}

/**
 * Locks a user until this transaction ends. Throws NOT_FOUND if the user does not exist or was removed, and the errors of
 * requireOwner.
 */
async function holdUser(tx: Transaction, principal: Principal, id: string): Promise<{ id: string; role: Role }> {
  await lockUsers(tx, principal);
  await requireOwner(tx, principal);
  const found = await sql<{ id: string; role: Role }>`
    select id, role from users
    where id = ${id} and organization_id = ${principal.organization_id} and removed_at is null`.execute(tx);
  const [user] = found.rows;
  if (user === undefined) throw notFound('user');
  return user;
}

/**
 * Throws LAST_OWNER if this user is the only owner. The caller must hold the lock of lockUsers, so that no concurrent change
 * makes the result wrong.
 */
export async function requireOtherOwner(
  tx: Transaction,
  { organization_id }: Pick<Principal, 'organization_id'>,
  id: string,
): Promise<void> {
  const others = await sql`
    select from users
    where organization_id = ${organization_id} and role = 'OWNER' and removed_at is null and id <> ${id} limit 1`.execute(
    tx,
  );
  if (others.rows.length > 0) return;
  throw new IdentityError('LAST_OWNER', 'This is the organization’s last owner: make another user an owner first');
}

async function requireFree(
  tx: Transaction,
  { organization_id }: Principal,
  { email, besides }: { email: string | undefined; besides?: string },
): Promise<void> {
  if (email === undefined) return;
  const taken = await sql`
    select from users where organization_id = ${organization_id} and lower(email) = lower(${email})
      and removed_at is null and id is distinct from ${besides ?? null}::uuid`.execute(tx);
  if (taken.rows.length > 0) throw new IdentityError('TAKEN', `Another user has the e-mail address ${email}`);
}

/** Throws LIMIT_REACHED if the organization has the maximum number of users. The caller must hold the lock of lockUsers. */
export async function requireUsersBelowLimit(
  tx: Transaction,
  { organization_id }: Pick<Principal, 'organization_id'>,
): Promise<void> {
  const living = await sql<{ total: number }>`
    select count(*) as total from users where organization_id = ${organization_id} and removed_at is null`.execute(tx);
  if ((living.rows[0]?.total ?? 0) < USERS_MAX) return;
  throw new IdentityError(
    'LIMIT_REACHED',
    `The organization has ${USERS_MAX} users, which is the limit: remove one first`,
  );
}

type UserRow = { [F in keyof User]-?: User[F] | null };

/**
 * SQL: the columns of users that the caller can see. An owner sees all e-mail addresses, and any other user only their own.
 */
function columns({ user_id, role }: Principal): RawBuilder<unknown> {
  const email = role === 'OWNER' ? sql`u.email` : sql`case when u.id = ${user_id} then u.email end`;
  return sql`u.id, u.name, ${email} as email, u.role, ${wireTime('u.created_at')} as created_at, u.created_by,
    ${wireTime('u.updated_at')} as updated_at, u.updated_by, ${wireTime('u.removed_at')} as removed_at, u.removed_by`;
}

function toUser(row: UserRow): User {
  return present<User>(row as User);
}
