// Applies changes of users to access tokens that are still valid. A removal or a lower role takes effect within seconds.
import { sql } from 'kysely';
import type { Role } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { ACCESS_TOKEN_SECONDS } from './access-tokens.ts';
import { IdentityError } from './errors.ts';
import type { Principal } from './principal.ts';
import { lesserRole } from './roles.ts';

/**
 * How long the list of changed users is reused. With this, each process sends one small query in this time instead of one for
 * each request.
 */
const FRESH_MS = 5_000;

/**
 * Only changes of users in this time matter, because tokens from before have expired. The additional minute allows for
 * different clocks and for long transactions.
 */
const WINDOW_SECONDS = ACCESS_TOKEN_SECONDS + 60;

export type ChangedUser = { id: string; role: Role; removed: boolean };

/**
 * Returns a function that returns the current principal of an access token. The principal never has more rights than the
 * token. It has fewer rights if the user's role is now lower. The function throws IdentityError TOKEN_INVALID if the user was
 * removed. `now` returns milliseconds.
 */
export function followChangedUsers(
  load: () => Promise<ChangedUser[]>,
  now: () => number = () => performance.now(),
): (principal: Principal) => Promise<Principal> {
  let changed = new Map<string, ChangedUser>();
  let askedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<void> | undefined;
  const reload = async () => {
    const asked = now();
    try {
      changed = new Map((await load()).map((user) => [user.id, user]));
    } catch {
      // While the database does not respond, the last list stays in use. Calls that need the database fail anyway.
    }
    askedAt = asked;
    loading = undefined;
  };
  return async (principal) => {
    if (now() - askedAt >= FRESH_MS) {
      loading ??= reload();
      await loading;
    }
    const user = changed.get(principal.user_id);
    if (user === undefined) return principal;
    if (user.removed) throw new IdentityError('TOKEN_INVALID', 'The user of the token was removed');
    const role = lesserRole(principal.role, user.role);
    return role === principal.role ? principal : { ...principal, role };
  };
}

/** Returns the users of all organizations who changed recently, so that older access tokens may still be valid. */
export async function findChangedUsers(db: Database): Promise<ChangedUser[]> {
  const found = await sql<ChangedUser>`
    select id, role, removed_at is not null as removed from users
    where updated_at > now() - make_interval(secs => ${WINDOW_SECONDS})`.execute(db);
  return found.rows;
}
