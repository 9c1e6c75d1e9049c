// Reads the accounts of this machine, and their ranges of subordinate ids, which sandboxes need.
import { readFileSync } from 'node:fs';

/**
 * The number of ids in a sandbox. A sandbox maps the ids from 0 to 65,535, because the files of an image may belong to any of
 * them.
 */
export const SUBORDINATE_IDS = 65_536;

export type Account = { name: string; uid: number; gid: number; home: string };

function lines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Returns the account with this name or uid (passwd(5)), or undefined if there is none. */
export function findAccount(who: string | number): Account | undefined {
  return lines('/etc/passwd')
    .map((line) => line.split(':'))
    .map(([name = '', , uid, gid, , home = '/']) => ({ name, uid: Number(uid), gid: Number(gid), home }))
    .find((account) => (typeof who === 'number' ? account.uid === who : account.name === who));
}

/** Whether the account has enough subordinate user and group ids (subuid(5)). */
export function hasSubordinateIds(account: Account): boolean {
  return ['/etc/subuid', '/etc/subgid'].every((file) =>
    lines(file)
      .map((line) => line.split(':'))
      .some(
        ([owner, , count]) =>
          (owner === account.name || owner === String(account.uid)) && Number(count) >= SUBORDINATE_IDS,
      ),
  );
}

/** Returns the lowest number at which a new range of subordinate ids can begin without overlapping an existing range. */
export function freeSubordinateStart(): number {
  // The first range that shadow itself assigns begins here (SUB_UID_MIN in login.defs).
  const FIRST = 100_000;
  const ends = ['/etc/subuid', '/etc/subgid'].flatMap((file) =>
    lines(file)
      .map((line) => line.split(':'))
      .map(([, start, count]) => Number(start) + Number(count)),
  );
  return Math.max(FIRST, ...ends.filter(Number.isFinite));
}
