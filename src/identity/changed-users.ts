// Users who changed while access tokens of theirs are valid: a removal or a lesser role takes effect within seconds.
import { sql } from 'kysely';
import type { Role } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { ACCESS_TOKEN_SECONDS } from './access-tokens.ts';
import { IdentityError } from './errors.ts';
import type { Principal } from './principal.ts';
import { lesserRole } from './roles.ts';

/** Each process sends one small query in this time, instead of one for each request. */
const FRESH_MS = 5_000;

/** No token is older than its lifetime; one more minute allows for differing clocks and long transactions. */
const WINDOW_SECONDS = ACCESS_TOKEN_SECONDS + 60;

export type ChangedUser = { id: string; role: Role; removed: boolean };

/**
 * Returns the current principal of an access token: never more rights than the token has, and fewer if the user's role is now a
 * lesser one. Throws IdentityError TOKEN_INVALID for a removed user. `now` returns milliseconds.
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
      // While the database does not respond, the last known changes apply; calls that need the database fail there.
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

/** Returns the users of all organizations who changed within the lifetime of an access token. */
export async function findChangedUsers(db: Database): Promise<ChangedUser[]> {
  const found = await sql<ChangedUser>`
    select id, role, removed_at is not null as removed from users
    where updated_at > now() - make_interval(secs => ${WINDOW_SECONDS})`.execute(db);
  return found.rows;
}
