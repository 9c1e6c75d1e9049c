// Users that a declaration adds to the image.
import { quoted } from '../yaml/quoted.ts';
import type { LineOf } from '../yaml/read-yaml.ts';
import type { DeclarationDocument } from './declaration-schema.ts';
import { ID_MAX, readId } from './declared-owners.ts';
import type { Tell } from './errors.ts';

export type DeclaredUser = {
  name: string;
  uid: number;
  /** If absent, the gid of the image's account; a new account gets its uid. */
  gid?: number;
  /** If absent, the home of the image's account; a new account gets `/nonexistent`. */
  home?: string;
  /** If absent, the shell of the image's account; a new account gets `/usr/sbin/nologin`. */
  shell?: string;
  /** Further groups, by name; the image must have them. */
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
