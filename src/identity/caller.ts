// Finds the caller's user and organization.
import type { Session } from '../contract/session.ts';
import type { Database } from '../db/database.ts';
import { IdentityError } from './errors.ts';
import type { Principal } from './principal.ts';

/**
 * Returns the caller's user and organization. The role is `caller.role` if given, and otherwise the user's role. Throws
 * IdentityError TOKEN_INVALID.
 */
export async function describeCaller(
  db: Database,
  caller: Pick<Principal, 'organization_id' | 'user_id'> & Partial<Principal>,
): Promise<Session> {
  const row = await db
    .selectFrom('users as u')
    .innerJoin('organizations as o', 'o.id', 'u.organization_id')
    .where('u.id', '=', caller.user_id)
    .where('u.organization_id', '=', caller.organization_id)
    .where('u.removed_at', 'is', null)
    .select(['u.id', 'u.name', 'u.role', 'o.id as organization_id', 'o.name as organization_name', 'o.namespace'])
    .executeTakeFirst();
  if (row === undefined) throw new IdentityError('TOKEN_INVALID', 'The user of the token was removed');
  return {
    user: { id: row.id, name: row.name },
    role: caller.role ?? row.role,
    organization: { id: row.organization_id, name: row.organization_name, namespace: row.namespace },
  };
}
