// The accounts of this machine and their ranges of subordinate ids, which sandboxes need.
import { readFileSync } from 'node:fs';

/** A sandbox maps the ids from 0 to 65,535: the possible owners of an image's files. */
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

/** Returns the account with this name or uid (passwd(5)); undefined if there is none. */
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

/** Returns the first start of a range of subordinate ids that overlaps no other range. */
export function freeSubordinateStart(): number {
  // shadow's own default for the first range (SUB_UID_MIN of login.defs).
  const FIRST = 100_000;
  const ends = ['/etc/subuid', '/etc/subgid'].flatMap((file) =>
    lines(file)
      .map((line) => line.split(':'))
      .map(([, start, count]) => Number(start) + Number(count)),
  );
  return Math.max(FIRST, ...ends.filter(Number.isFinite));
}
