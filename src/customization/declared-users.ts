// Users that a declaration adds to the image.
import { quoted } from '../yaml/quoted.ts';
import type { LineOf } from '../yaml/read-yaml.ts';
import type { DeclarationDocument } from './declaration-schema.ts';
import { ID_MAX, readId } from './declared-owners.ts';
import type { Tell } from './errors.ts';

export type DeclaredUser = {
  name: string;
  uid: number;
  /** If absent: the present gid of a user that the image has; for a new user, its uid. */
  gid?: number;
  /** If absent: the present home of a user that the image has; for a new user, `/nonexistent`. */
  home?: string;
  /** If absent: the present shell of a user that the image has; for a new user, `/usr/sbin/nologin`. */
  shell?: string;
  /** Names of additional groups, which the image must have. */
  groups: string[];
};

type Context = { tell: Tell; lineOf: LineOf };
type UserFields = NonNullable<DeclarationDocument['users']>[number];

export function readUsers(items: readonly UserFields[], { tell, lineOf }: Context): DeclaredUser[] {
  const known: { user: DeclaredUser; line: number }[] = [];
  for (const [index, item] of items.entries()) {
    const user = readUser(item, (key, message) => tell(lineOf('users', index, key), message));
    if (user === undefined) continue;
    const line = lineOf('users', index);
    const other = known.find(({ user: { name, uid } }) => name === user.name || uid === user.uid);
    if (other === undefined) known.push({ user, line });
    else if (other.user.name === user.name)
      tell(line, `the user ${user.name} is listed twice, first in line ${other.line}`);
    else tell(line, `the user ${user.name} has the uid of ${other.user.name} in line ${other.line}`);
  }
  return known.map(({ user }) => user);
}

type TellField = (key: keyof UserFields, message: string) => void;

function readUser({ uid: uidText, gid: gidText, groups = [], ...user }: UserFields, tell: TellField) {
  const uid = readId(uidText);
  const gid = gidText === undefined ? undefined : readId(gidText);
  if (uid === undefined || uid === 0) tell('uid', `${quoted(uidText)} is not a uid; expected 1 to ${ID_MAX}`);
  if (gidText !== undefined && gid === undefined)
    tell('gid', `${quoted(gidText)} is not a gid; expected 0 to ${ID_MAX}`);
  if (uid === undefined) return undefined;
  return { ...user, uid, ...(gid !== undefined && { gid }), groups };
}
