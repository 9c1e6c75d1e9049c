// Composes three files from the image's own version and the additions of its customizations: the certificate bundle, /etc/passwd and
// /etc/group.
import { createHash } from 'node:crypto';
import type { TrustedCertificate } from './certificates.ts';
import type { DeclaredUser } from './declared-users.ts';
import { CustomizationError } from './errors.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g;

/** Returns the image's bundle unchanged, followed by the certificates that it does not contain; an image may have no bundle. */
export function composeBundle(own: string, certificates: Pick<TrustedCertificate, 'pem' | 'fingerprint'>[]): string {
  const known = new Set([...own.matchAll(CERTIFICATE)].map(([, base64]) => fingerprintOf(base64 ?? '')));
  let bundle = own === '' || own.endsWith('\n') ? own : `${own}\n`;
  for (const { pem, fingerprint } of certificates) {
    if (!known.has(fingerprint)) bundle += pem;
    known.add(fingerprint);
  }
  return bundle;
}

function fingerprintOf(base64: string): string {
  return createHash('sha256').update(Buffer.from(base64, 'base64')).digest('hex');
}

/** The fields of a line of /etc/passwd or /etc/group, which colons separate (passwd(5), group(5)). */
type Line = string[];
const PASSWD_FIELD_COUNT = 7;

/** The users and groups of an image (/etc/passwd, /etc/group), to which customizations add theirs. Throws USER_TAKEN and GROUP_UNKNOWN. */
export class Accounts {
  readonly #passwd: Line[];
  readonly #group: Line[];

  constructor(passwd: string, group: string) {
    this.#passwd = linesOf(passwd);
    this.#group = linesOf(group);
  }

  get passwd(): string {
    return textOf(this.#passwd);
  }

  get group(): string {
    return textOf(this.#group);
  }

  userId(name: string | number): number {
    return typeof name === 'number' ? name : idOf(this.#passwd, name, 'USER_UNKNOWN');
  }

  groupId(name: string | number): number {
    return typeof name === 'number' ? name : idOf(this.#group, name, 'GROUP_UNKNOWN');
  }

  /**
   * Adds a user. If the image already has a user with this name and uid, changes only the declared fields. If the image has no group with
   * the declared gid, or with the gid of the new user, adds one with the user's name.
   */
  add(user: DeclaredUser): void {
    const { name, uid, groups } = user;
    expectFree(this.#passwd, { name, id: uid, what: 'user' });
    const existing = this.#passwd.find((line) => line[0] === name);
    if (existing === undefined) this.#create(user);
    else this.#change(existing, user);
    for (const group of groups) this.#join(group, name);
  }

  #create({ name, uid, gid = uid, home = '/nonexistent', shell = '/usr/sbin/nologin' }: DeclaredUser): void {
    // `*` means no password. "x" refers to a line in /etc/shadow; without that line, PAM would fail for root too.
    this.#passwd.push([name, '*', String(uid), String(gid), '', home, shell]);
    this.#provideGroup(name, gid);
  }

  #change(line: Line, { name, gid, home, shell }: DeclaredUser): void {
    // In an image's file, a line may have fewer fields.
    while (line.length < PASSWD_FIELD_COUNT) line.push('');
    if (gid !== undefined) {
      line[3] = String(gid);
      this.#provideGroup(name, gid);
    }
    if (home !== undefined) line[5] = home;
    if (shell !== undefined) line[6] = shell;
  }

  #provideGroup(name: string, gid: number): void {
    if (this.#group.some((group) => group[2] === String(gid))) return;
    expectFree(this.#group, { name, id: gid, what: 'group' });
    this.#group.push([name, '*', String(gid), '']);
  }

  #join(groupName: string, user: string): void {
    const group = this.#group.find(([name]) => name === groupName);
    if (group === undefined)
      throw new CustomizationError('GROUP_UNKNOWN', `the image has no group ${groupName} for the user ${user}`);
    const members = (group[3] ?? '').split(',').filter((member) => member !== '');
    if (!members.includes(user)) group[3] = [...members, user].join(',');
  }
}

function linesOf(text: string): Line[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(':'));
}

function textOf(lines: Line[]): string {
  return lines.map((line) => `${line.join(':')}\n`).join('');
}

function idOf(lines: Line[], name: string, code: 'USER_UNKNOWN' | 'GROUP_UNKNOWN'): number {
  const id = Number(lines.find(([other]) => other === name)?.[2]);
  if (Number.isInteger(id)) return id;
  const what = code === 'USER_UNKNOWN' ? 'user' : 'group';
  throw new CustomizationError(
    code,
    `the image has no ${what} ${name}; declare it under users, or name the owner by number`,
  );
}

function expectFree(lines: Line[], { name, id, what }: { name: string; id: number; what: string }): void {
  const other = lines.find(
    (line) => (line[0] === name) !== (line[2] === String(id)) && (line[0] === name || line[2] === String(id)),
  );
  if (other === undefined) return;
  const reason =
    other[0] === name ? `has the ${what} ${name} with id ${other[2]}` : `has the id ${id} for the ${what} ${other[0]}`;
  throw new CustomizationError(
    'USER_TAKEN',
    `the ${what} ${name} with id ${id} cannot be created: the image ${reason}`,
  );
}
