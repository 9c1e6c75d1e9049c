// Files as a declaration speaks of them: whose they are, what rights they have, and small ones whole.
import { cleanPath, climbs } from '../tar/path.ts';
import { FILES_MAX } from './limits.ts';
import { isMachinePath, nameProblem } from './names.ts';
import type { YamlValue } from './yaml.ts';
import { type Fields, fieldsOf, itemsOf, quoted, type Tell, textAt } from './yaml-fields.ts';

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

export function readFiles(fields: Fields, tell: Tell): DeclaredFile[] {
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
  // The line of the value and the path, since an entry may stand far above in a list of many.
  const tellOf = (key: string) => (message: string) => tell(fields.get(key)?.line ?? line, `/${path}: ${message}`);
  if (owner !== undefined) Object.assign(file, readOwner(owner, tellOf('owner')));
  if (mode !== undefined) {
    if (/^(0o?)?[0-7]{3,4}$/.test(mode)) file.mode = Number.parseInt(mode.replace('o', ''), 8);
    else tellOf('mode')(`${quoted(mode)} is no mode; write it in octal, such as 0640`);
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

// What shadow's useradd takes (useradd(8), is_valid_name), capitals as directories have them, and no numbers that could be ids.
export const USER = /^[A-Za-z_][A-Za-z0-9_.-]{0,30}[A-Za-z0-9_.$-]?$/;
/** Builds and tests run in a user namespace with 65,536 ids; the last one stands for no id at all. */
export const ID_MAX = 65534;

function readOwner(text: string, tell: (message: string) => void): { user?: OwnerName; group?: OwnerName } {
  const [user = '', group, ...rest] = text.split(':');
  const parsed = { user: readName(user), group: group === undefined ? undefined : readName(group) };
  if (parsed.user === undefined || (group !== undefined && parsed.group === undefined) || rest.length > 0) {
    tell(`${quoted(text)} is no owner; write user or user:group, by name or number`);
    return {};
  }
  return { user: parsed.user, ...(parsed.group === undefined ? {} : { group: parsed.group }) };
}

function readName(text: string): OwnerName | undefined {
  return USER.test(text) ? text : readId(text);
}

export function readId(text: string): number | undefined {
  return /^(0|[1-9][0-9]{0,9})$/.test(text) && Number(text) <= ID_MAX ? Number(text) : undefined;
}
