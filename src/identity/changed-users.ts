// Users who changed while access tokens of theirs are out: a removal or a lesser role counts within seconds.
import { sql } from 'kysely';
import type { Role } from '../contract/vocabulary.ts';
import type { Database } from '../db/database.ts';
import { ACCESS_TOKEN_SECONDS } from './access-tokens.ts';
import { IdentityError } from './errors.ts';
import type { Principal } from './principal.ts';
import { lesserRole } from './roles.ts';

/** One small query for each process in this time, instead of one for each request. */
const FRESH_MS = 5_000;

/** A token is not older than that; a minute more for clocks that differ and transactions that take their time. */
const WINDOW_SECONDS = ACCESS_TOKEN_SECONDS + 60;

export type ChangedUser = { id: string; role: Role; removed: boolean };

/**
 * Answers who the holder of an access token is at this moment: never more than the token says, and less where the user's role became
 * a lesser one. Throws IdentityError TOKEN_INVALID for a user who was removed. `now` answers milliseconds.
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
      // While the database does not answer, what is known goes on; who needs more of it is told so there.
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
    if (user.removed) throw new IdentityError('TOKEN_INVALID', 'The user of the token is gone');
    const role = lesserRole(principal.role, user.role);
    return role === principal.role ? principal : { ...principal, role };
  };
}

/** Those of all organizations who changed while a token that is out may say otherwise. */
export async function findChangedUsers(db: Database): Promise<ChangedUser[]> {
  const found = await sql<ChangedUser>`
    select id, role, removed_at is not null as removed from users
    where updated_at > now() - make_interval(secs => ${WINDOW_SECONDS})`.execute(db);
  return found.rows;
}
