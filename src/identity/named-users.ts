// Finds the user that an operator names: by name, e-mail address or id. Without a name, finds the only owner of an
// organization.
import { type RawBuilder, sql } from 'kysely';
import type { Role } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { IdentityError } from './errors.ts';

export type NamedUser = { id: string; name: string; email: string | null; role: Role };

/** How many names an error lists, so that it stays short. The API lists all users. */
const NAMED_MAX = 5;

/**
 * Returns the user of an organization with this id. If there is none, returns the user with this name or e-mail address.
 * Throws IdentityError NOT_FOUND if no user matches or several do.
 */
export async function namedUser(db: Database, organizationId: string, word: string): Promise<NamedUser> {
  const found = await findUsers(
    db,
    organizationId,
    sql`u.id::text = lower(${word}) or lower(u.name) = lower(${word}) or lower(u.email) = lower(${word})`,
  );
  const byId = found.find(({ id }) => id === word.toLowerCase());
  const [user, another] = byId === undefined ? found : [byId];
  if (user === undefined) throw new IdentityError('NOT_FOUND', `There is no user ${word} in this organization`);
  if (another === undefined) return user;
  throw new IdentityError('NOT_FOUND', `Several users match ${word}: use an id (${namesOf(found)})`);
}

/** Returns the owner of an organization that has exactly one owner. Otherwise throws IdentityError NOT_FOUND. */
export async function onlyOwner(db: Database, organizationId: string): Promise<NamedUser> {
  const owners = await findUsers(db, organizationId, sql`u.role = 'OWNER'`);
  const [owner, another] = owners;
  if (owner === undefined)
    throw new IdentityError('NOT_FOUND', 'This organization has no owner: name a user with --user');
  if (another === undefined) return owner;
  throw new IdentityError(
    'NOT_FOUND',
    `This organization has several owners: name one with --user (${namesOf(owners)})`,
  );
}

async function findUsers(db: Database, organizationId: string, which: RawBuilder<unknown>): Promise<NamedUser[]> {
  const found = await sql<NamedUser>`
    select u.id, u.name, u.email, u.role from users u
    where u.organization_id = ${organizationId} and u.removed_at is null and (${which})
    order by u.created_at, u.id limit ${NAMED_MAX + 1}`.execute(db);
  return found.rows;
}

function namesOf(users: readonly NamedUser[]): string {
  const shown = users.slice(0, NAMED_MAX).map(({ id, name }) => `${name}: ${id}`);
  return [...shown, ...(users.length > NAMED_MAX ? ['…'] : [])].join(', ');
}
