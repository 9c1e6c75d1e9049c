// Users that a declaration adds to the image.
import { ID_MAX, readId, USER } from './declared-files.ts';
import { USERS_MAX } from './limits.ts';
import type { YamlValue } from './yaml.ts';
import { type Fields, fieldsOf, itemsOf, quoted, type Tell, textAt } from './yaml-fields.ts';

export type DeclaredUser = {
  name: string;
  uid: number;
  /** Absent: what the image's account has; a new account gets its uid. */
  gid?: number;
  /** Absent: what the image's account has; a new account gets `/nonexistent`. */
  home?: string;
  /** Absent: what the image's account has; a new account gets `/usr/sbin/nologin`. */
  shell?: string;
  /** Further groups, by name, which the image has. */
  groups: string[];
};

export function readUsers(fields: Fields, tell: Tell): DeclaredUser[] {
  const users: DeclaredUser[] = [];
  for (const item of itemsOf(fields, 'users', { max: USERS_MAX, tell })) {
    const user = readUser(item, tell);
    if (user === undefined) continue;
    const other = users.find(({ name, uid }) => name === user.name || uid === user.uid);
    if (other === undefined) users.push(user);
    else tell(item.line, `the user ${user.name} has the name or uid of ${other.name}`);
  }
  return users;
}

function readUser(item: YamlValue, tell: Tell): DeclaredUser | undefined {
  const fields = fieldsOf(item, {
    known: ['name', 'uid', 'gid', 'home', 'shell', 'groups'],
    what: 'an entry of users',
    tell,
  });
  const { line } = item;
  const name = textAt(fields, 'name', { line, tell, required: true });
  const uidText = textAt(fields, 'uid', { line, tell, required: true });
  const gidText = textAt(fields, 'gid', { line, tell });
  const home = textAt(fields, 'home', { line, tell });
  const shell = textAt(fields, 'shell', { line, tell });
  const groups = itemsOf(fields, 'groups', { max: USERS_MAX, tell }).map((group) =>
    group.kind === 'text' ? group.text : '',
  );
  if (name === undefined || uidText === undefined) return undefined;
  const uid = readId(uidText);
  const gid = gidText === undefined ? undefined : readId(gidText);
  if (!USER.test(name)) tell(line, `${quoted(name)} is no name of a user`);
  if (uid === undefined || uid === 0)
    tell(line, `${quoted(uidText)} is no uid; it must be a number from 1 to ${ID_MAX}`);
  if (gidText !== undefined && gid === undefined) tell(line, `${quoted(gidText)} is no gid`);
  for (const path of [home, shell])
    if (path !== undefined && !/^\/[\x20-\x39\x3b-\x7e]*$/.test(path))
      tell(line, `${quoted(path)} is no path for a home or shell`);
  for (const group of groups) if (!USER.test(group)) tell(line, `${quoted(group)} is no name of a group`);
  if (uid === undefined) return undefined;
  return {
    name,
    uid,
    ...(gid !== undefined && { gid }),
    ...(home !== undefined && { home }),
    ...(shell !== undefined && { shell }),
    groups,
  };
}
