// Files of a declaration: their owners and modes, and the whole text of small files.
import { cleanPath, climbs } from '../tar/path.ts';
import { quoted } from '../yaml/quoted.ts';
import type { IsWhole, LineOf } from '../yaml/read-yaml.ts';
import type { DeclarationDocument } from './declaration-schema.ts';
import { type OwnerName, readOwner } from './declared-owners.ts';
import type { Tell } from './errors.ts';
import { isMachinePath, nameProblem } from './names.ts';

export type DeclaredFile = {
  /** The path in the image, without a leading `/`. */
  path: string;
  /** If absent, the owner is user 0, even if the image has a file of another owner at this path. */
  user?: OwnerName;
  group?: OwnerName;
  /** 0o0000 to 0o7777. */
  mode?: number;
  /** If present, the text of the file; if absent, the file is in rootfs. */
  content?: string;
};

type Context = { tell: Tell; lineOf: LineOf; isWhole: IsWhole };
type FileFields = NonNullable<DeclarationDocument['files']>[number];

/** Reads the files of a declaration. Omits entries with a violation, because their invalid fields are missing. */
export function readFiles(items: readonly FileFields[], { tell, lineOf, isWhole }: Context): DeclaredFile[] {
  const paths = new Set<string>();
  const files: DeclaredFile[] = [];
  for (const [index, item] of items.entries()) {
    // Reports the line of the key, not of the entry, which may start far above.
    const file = readFile(item, (key, message) => tell(lineOf('files', index, key), message));
    if (file === undefined) continue;
    if (isWhole('files', index) && Object.keys(item).length === 1)
      tell(lineOf('files', index), `/${file.path} has no owner, mode or content; set at least one of them`);
    if (paths.has(file.path)) tell(lineOf('files', index), `/${file.path} is listed twice`);
    else if (isWhole('files', index)) files.push(file);
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
  if (isMachinePath(path))
    return 'proc, sys, dev, run and tmp are filled when a container runs; an image cannot have files there';
  return nameProblem(path);
}
