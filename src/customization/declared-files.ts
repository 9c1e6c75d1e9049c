// Files of a declaration: their owners and modes, and the whole text of small ones.
import { cleanPath, climbs } from '../tar/path.ts';
import { quoted } from '../yaml/quoted.ts';
import type { LineOf } from '../yaml/read-yaml.ts';
import type { DeclarationDocument } from './declaration-schema.ts';
import { type OwnerName, readOwner } from './declared-owners.ts';
import type { Tell } from './errors.ts';
import { isMachinePath, nameProblem } from './names.ts';

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

/** `isWhole`: every field of the document is in the value; otherwise a field may be absent because it has a violation. */
type Context = { tell: Tell; lineOf: LineOf; isWhole: boolean };
type FileFields = NonNullable<DeclarationDocument['files']>[number];

export function readFiles(items: readonly FileFields[], { tell, lineOf, isWhole }: Context): DeclaredFile[] {
  const paths = new Set<string>();
  const files: DeclaredFile[] = [];
  for (const [index, item] of items.entries()) {
    // The line of the value, since an entry may be far above in a long list.
    const file = readFile(item, (key, message) => tell(lineOf('files', index, key), message));
    if (file === undefined) continue;
    if (isWhole && Object.keys(item).length === 1)
      tell(lineOf('files', index), `/${file.path} says nothing: give owner, mode or content`);
    if (paths.has(file.path)) tell(lineOf('files', index), `/${file.path} is there twice`);
    else files.push(file);
    paths.add(file.path);
  }
  return files;
}

type TellField = (key: keyof FileFields, message: string) => void;

function readFile({ path: text, owner, mode, content }: FileFields, tell: TellField): DeclaredFile | undefined {
  const path = cleanPath(text);
  const problem = pathProblem(text, path);
  if (problem !== undefined) {
    tell('path', `${quoted(text)}: ${problem}`);
    return undefined;
  }
  const named = owner === undefined ? {} : readOwner(owner);
  if (named === undefined)
    tell('owner', `/${path}: ${quoted(owner ?? '')} is not an owner; write user or user:group, by name or number`);
  return {
    path,
    ...named,
    ...(mode !== undefined && { mode: Number.parseInt(mode.replace('o', ''), 8) }),
    ...(content !== undefined && { content }),
  };
}

function pathProblem(text: string, path: string): string | undefined {
  if (!text.startsWith('/')) return 'the path must begin with /';
  if (climbs(text)) return 'a path may not contain ..';
  if (path === '') return 'the root itself cannot be changed';
  if (isMachinePath(path)) return 'the machine fills proc, sys, dev, run and tmp; an image holds nothing there';
  return nameProblem(path);
}
