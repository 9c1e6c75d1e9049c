// `customization.yaml` as a value: what a customization says rather than brings.
import { cleanPath, climbs } from '../tar/path.ts';
import { CertificateRefused, type JudgedCertificate, readCertificates } from './certificates.ts';
import {
  CERTIFICATES_MAX,
  FILES_MAX,
  LABEL_BYTES_MAX,
  LABELS_MAX,
  PACKAGES_MAX,
  USERS_MAX,
  VARIABLE_BYTES_MAX,
  VARIABLES_MAX,
} from './limits.ts';
import { isMachinePath, nameProblem } from './names.ts';
import { readYaml, YamlRefused, type YamlValue } from './yaml.ts';

/** A user or group by name or number. */
export type OwnerName = string | number;

export type DeclaredFile = {
  /** In the image, without `/` in front. */
  path: string;
  /** Absent: 0, whoever owns the file below. */
  user?: OwnerName;
  group?: OwnerName;
  /** 0o0000 to 0o7777. */
  mode?: number;
  /** Present: the file is made of this text; absent: it is in rootfs. */
  content?: string;
};

export type DeclaredUser = {
  name: string;
  uid: number;
  gid: number;
  home: string;
  shell: string;
  /** Further groups, by name, which the image has. */
  groups: string[];
};

export type Declaration = {
  /** Debian packages as apt takes them: `name` or `name=version`. */
  packages: string[];
  files: DeclaredFile[];
  environment: Record<string, string>;
  labels: Record<string, string>;
  users: DeclaredUser[];
};

export type NamedCertificate = JudgedCertificate & { name: string };
export type Tell = (line: number | undefined, message: string) => void;

export const NOTHING_DECLARED: Declaration = { packages: [], files: [], environment: {}, labels: {}, users: [] };

type Fields = Map<string, YamlValue>;
type Context = { tell: Tell; now: Date };
type Read = { declaration: Declaration; certificates: NamedCertificate[] };

const KEYS = ['certificates', 'packages', 'files', 'environment', 'labels', 'users'] as const;

/** Reads the whole declaration; everything wrong is told with its line, and the rest is read nevertheless. */
export function readDeclaration(bytes: Uint8Array, context: Context): Read {
  try {
    const root = readYaml(bytes);
    if (root.kind === 'nothing') return { declaration: NOTHING_DECLARED, certificates: [] };
    const fields = fieldsOf(root, { known: KEYS, what: 'the document', tell: context.tell });
    return {
      declaration: {
        packages: readPackages(fields, context.tell),
        files: readFiles(fields, context.tell),
        environment: readVariables(fields, context.tell),
        labels: readLabels(fields, context.tell),
        users: readUsers(fields, context.tell),
      },
      certificates: readNamedCertificates(fields, context),
    };
  } catch (error) {
    if (!(error instanceof YamlRefused)) throw error;
    context.tell(error.line, error.message);
    return { declaration: NOTHING_DECLARED, certificates: [] };
  }
}

function fieldsOf(
  value: YamlValue,
  { known, what, tell }: { known: readonly string[]; what: string; tell: Tell },
): Fields {
  if (value.kind !== 'map') {
    tell(value.line, `${what} must be a mapping with keys of ${known.join(', ')}`);
    return new Map();
  }
  for (const { key, line } of value.entries) {
    if (!known.includes(key)) tell(line, `unknown key ${quoted(key)}; ${what} may have ${known.join(', ')}`);
  }
  return new Map(value.entries.map((entry) => [entry.key, entry.value]));
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function itemsOf(fields: Fields, key: string, { max, tell }: { max: number; tell: Tell }): YamlValue[] {
  const value = fields.get(key);
  if (value === undefined || value.kind === 'nothing') return [];
  if (value.kind !== 'list') {
    tell(value.line, `${key} must be a list`);
    return [];
  }
  if (value.items.length > max) tell(value.line, `${key} has more than ${max} entries`);
  return value.items.slice(0, max);
}

/** The text under a key; told when it is missing though required, or no text. */
function textAt(
  fields: Fields,
  key: string,
  { line, tell, required = false }: { line: number; tell: Tell; required?: boolean },
): string | undefined {
  const value = fields.get(key);
  if (value === undefined || value.kind === 'nothing') {
    if (required || value !== undefined) tell(value?.line ?? line, `${key} is missing`);
    return undefined;
  }
  if (value.kind === 'text') return value.text;
  tell(value.line, `${key} must be text`);
  return undefined;
}

// Debian policy 5.6.1 and 5.6.12.
const PACKAGE = /^[a-z0-9][a-z0-9.+-]{1,127}$/;
const VERSION = /^([0-9]{1,9}:)?[0-9][A-Za-z0-9.+~-]{0,127}$/;

function readPackages(fields: Fields, tell: Tell): string[] {
  const names = new Set<string>();
  const packages: string[] = [];
  for (const item of itemsOf(fields, 'packages', { max: PACKAGES_MAX, tell })) {
    const text = item.kind === 'text' ? item.text : '';
    const [name = '', version, ...rest] = text.split('=');
    const fits = PACKAGE.test(name) && (version === undefined || VERSION.test(version)) && rest.length === 0;
    if (!fits) tell(item.line, `${quoted(text)} is no package; write name or name=version`);
    else if (names.has(name)) tell(item.line, `the package ${name} is there twice`);
    else packages.push(text);
    names.add(name);
  }
  return packages;
}

function readFiles(fields: Fields, tell: Tell): DeclaredFile[] {
  const paths = new Set<string>();
  const files: DeclaredFile[] = [];
  for (const item of itemsOf(fields, 'files', { max: FILES_MAX, tell })) {
    const file = readFile(item, tell);
    if (file === undefined) continue;
    if (paths.has(file.path)) tell(item.line, `/${file.path} is there twice`);
    else files.push(file);
    paths.add(file.path);
  }
  return files;
}

function readFile(item: YamlValue, tell: Tell): DeclaredFile | undefined {
  const fields = fieldsOf(item, { known: ['path', 'owner', 'mode', 'content'], what: 'an entry of files', tell });
  const { line } = item;
  const path = readImagePath(textAt(fields, 'path', { line, tell, required: true }), line, tell);
  const owner = textAt(fields, 'owner', { line, tell });
  const mode = textAt(fields, 'mode', { line, tell });
  const content = textAt(fields, 'content', { line, tell });
  if (path === undefined) return undefined;
  const file: DeclaredFile = { path, ...(content === undefined ? {} : { content }) };
  if (owner !== undefined) Object.assign(file, readOwner(owner, line, tell));
  if (mode !== undefined) {
    if (/^(0o?)?[0-7]{3,4}$/.test(mode)) file.mode = Number.parseInt(mode.replace('o', ''), 8);
    else tell(line, `${quoted(mode)} is no mode; write it in octal, such as 0640`);
  }
  if (owner === undefined && mode === undefined && content === undefined)
    tell(line, `/${path} says nothing: give owner, mode or content`);
  return file;
}

function readImagePath(text: string | undefined, line: number, tell: Tell): string | undefined {
  if (text === undefined) return undefined;
  const path = cleanPath(text);
  const problem = !text.startsWith('/')
    ? 'the path must begin with /'
    : climbs(text)
      ? 'a path may not contain ..'
      : path === ''
        ? 'the root itself is not to be changed'
        : isMachinePath(path)
          ? 'the machine fills proc, sys, dev, run and tmp; an image holds nothing there'
          : nameProblem(path);
  if (problem !== undefined) tell(line, `${quoted(text)}: ${problem}`);
  return problem === undefined ? path : undefined;
}

// useradd's NAME_REGEX on Debian.
const USER = /^[a-z_][a-z0-9_-]{0,31}$/;
/** Builds and tests run in a user namespace with 65,536 ids; the last one stands for no id at all. */
const ID_MAX = 65534;

function readOwner(text: string, line: number, tell: Tell): { user?: OwnerName; group?: OwnerName } {
  const [user = '', group, ...rest] = text.split(':');
  const parsed = { user: readName(user), group: group === undefined ? undefined : readName(group) };
  if (parsed.user === undefined || (group !== undefined && parsed.group === undefined) || rest.length > 0) {
    tell(line, `${quoted(text)} is no owner; write user or user:group, by name or number`);
    return {};
  }
  return { user: parsed.user, ...(parsed.group === undefined ? {} : { group: parsed.group }) };
}

function readName(text: string): OwnerName | undefined {
  return USER.test(text) ? text : readId(text);
}

function readId(text: string): number | undefined {
  return /^(0|[1-9][0-9]{0,9})$/.test(text) && Number(text) <= ID_MAX ? Number(text) : undefined;
}

function pairsOf(
  fields: Fields,
  key: string,
  { max, tell }: { max: number; tell: Tell },
): { name: string; line: number; text: string }[] {
  const value = fields.get(key);
  if (value === undefined || value.kind === 'nothing') return [];
  if (value.kind !== 'map') {
    tell(value.line, `${key} must be a mapping of names to texts`);
    return [];
  }
  if (value.entries.length > max) tell(value.line, `${key} has more than ${max} entries`);
  return value.entries.slice(0, max).flatMap(({ key: name, line, value: held }) => {
    if (held.kind === 'text') return [{ name, line, text: held.text }];
    tell(line, `${key}: ${quoted(name)} must have a text; write "" for an empty one`);
    return [];
  });
}

function readVariables(fields: Fields, tell: Tell): Record<string, string> {
  const pairs = pairsOf(fields, 'environment', { max: VARIABLES_MAX, tell });
  for (const { name, line, text } of pairs) {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,254}$/.test(name)) tell(line, `${quoted(name)} is no name of a variable`);
    if (Buffer.byteLength(text) > VARIABLE_BYTES_MAX) tell(line, `${name} is longer than ${VARIABLE_BYTES_MAX} bytes`);
    if (text.includes('\0')) tell(line, `${name} holds a NUL`);
  }
  return Object.fromEntries(pairs.map(({ name, text }) => [name, text]));
}

/** These say what the image is and are Larder's to write. */
const OWN_LABELS = ['base.name', 'base.digest', 'created', 'ref.name', 'version'].map(
  (name) => `org.opencontainers.image.${name}`,
);

function readLabels(fields: Fields, tell: Tell): Record<string, string> {
  const pairs = pairsOf(fields, 'labels', { max: LABELS_MAX, tell });
  for (const { name, line, text } of pairs) {
    if (!/^[A-Za-z0-9]([A-Za-z0-9._/-]{0,253}[A-Za-z0-9])?$/.test(name))
      tell(line, `${quoted(name)} is no name of a label`);
    if (OWN_LABELS.includes(name)) tell(line, `${name} is written by the build and cannot be set`);
    if (Buffer.byteLength(text) > LABEL_BYTES_MAX) tell(line, `${name} is longer than ${LABEL_BYTES_MAX} bytes`);
    if (text.includes('\0')) tell(line, `${name} holds a NUL`);
  }
  return Object.fromEntries(pairs.map(({ name, text }) => [name, text]));
}

function readUsers(fields: Fields, tell: Tell): DeclaredUser[] {
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
  const gidText = textAt(fields, 'gid', { line, tell }) ?? uidText;
  const home = textAt(fields, 'home', { line, tell }) ?? '/nonexistent';
  const shell = textAt(fields, 'shell', { line, tell }) ?? '/usr/sbin/nologin';
  const groups = itemsOf(fields, 'groups', { max: USERS_MAX, tell }).map((group) =>
    group.kind === 'text' ? group.text : '',
  );
  if (name === undefined || uidText === undefined || gidText === undefined) return undefined;
  const [uid, gid] = [readId(uidText), readId(gidText)];
  if (!USER.test(name)) tell(line, `${quoted(name)} is no name of a user`);
  if (uid === undefined || uid === 0) tell(line, `${quoted(uidText)} is no uid; it must be a number from 1 up`);
  if (gid === undefined) tell(line, `${quoted(gidText)} is no gid`);
  for (const path of [home, shell])
    if (!/^\/[\x20-\x39\x3b-\x7e]*$/.test(path)) tell(line, `${quoted(path)} is no path for a home or shell`);
  for (const group of groups) if (!USER.test(group)) tell(line, `${quoted(group)} is no name of a group`);
  return uid === undefined || gid === undefined ? undefined : { name, uid, gid, home, shell, groups };
}

function readNamedCertificates(fields: Fields, { tell, now }: Context): NamedCertificate[] {
  const names = new Set<string>();
  return itemsOf(fields, 'certificates', { max: CERTIFICATES_MAX, tell }).flatMap((item) => {
    const inner = fieldsOf(item, { known: ['name', 'pem'], what: 'an entry of certificates', tell });
    const name = textAt(inner, 'name', { line: item.line, tell, required: true });
    const pem = textAt(inner, 'pem', { line: item.line, tell, required: true });
    if (name === undefined || pem === undefined) return [];
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name))
      tell(item.line, `${quoted(name)} is no name of a certificate; use letters, digits, . _ -`);
    if (names.has(name)) tell(item.line, `the certificate ${name} is there twice`);
    names.add(name);
    try {
      return named(name, readCertificates(pem, now));
    } catch (error) {
      if (!(error instanceof CertificateRefused)) throw error;
      tell(item.line, `the certificate ${name} ${error.message}`);
      return [];
    }
  });
}

/** The first takes the name, those behind it in one text take a number. */
export function named(name: string, certificates: JudgedCertificate[]): NamedCertificate[] {
  return certificates.map((certificate, index) => ({
    ...certificate,
    name: index === 0 ? name : `${name}-${index + 1}`,
  }));
}
