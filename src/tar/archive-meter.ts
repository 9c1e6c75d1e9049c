// Limits of an archive. They are checked at each header. So an entry that exceeds a limit ends the reading before its bytes
// are read.
import type { TarHeader } from './entry.ts';
import { TarError } from './errors.ts';
import { printable } from './header.ts';
import { parentOf } from './path.ts';
import { PathSet } from './path-index.ts';
import { nameLength } from './text.ts';
import { parseWhiteout } from './whiteout.ts';

export type ArchiveLimits = {
  /** The most entries. */
  entryCountMax: number;
  /**
   * The most distinct folders, because readers keep every folder in memory. A folder counts even if it occurs only in paths
   * of other entries.
   */
  folderCountMax: number;
  /** The most bytes of all paths and link targets together. */
  namesBytesMax: number;
  /** The most bytes of all files together, as declared in the headers. */
  contentBytesMax: number;
};

/** The longest name and the longest path, in bytes (NAME_MAX and PATH_MAX of Linux). */
const NAME_BYTES_MAX = 255;
const PATH_BYTES_MAX = 4096;
/** The most components in a path. The deepest folders in images (nested `node_modules`) have some 60. */
export const DEPTH_MAX = 128;

/** Counts the entries of one or more archives, and compares the counts with the limits. */
export class ArchiveMeter {
  readonly #limits: ArchiveLimits;
  readonly #folders = new PathSet();
  #entries = 0;
  #namesBytes = 0;
  #contentBytes = 0;
  #lastFolder = '';

  constructor(limits: ArchiveLimits) {
    this.#limits = limits;
  }

  /** Counts an entry. Throws TarError LIMIT if it exceeds a limit, and NAME if no layer can contain its path. */
  add(header: TarHeader): void {
    checkPath(header);
    this.#entries += 1;
    this.#contentBytes += header.size;
    this.#namesBytes += nameLength(header.path) + nameLength(header.target ?? '');
    this.#addFolders(header.type === 'folder' ? header.path : parentOf(header.path));
    const { entryCountMax, folderCountMax, namesBytesMax, contentBytesMax } = this.#limits;
    if (this.#entries > entryCountMax) throw tooMany(`more than ${entryCountMax} entries`);
    if (this.#folders.size > folderCountMax) throw tooMany(`more than ${folderCountMax} folders`);
    if (this.#namesBytes > namesBytesMax) throw tooMany(`names of more than ${namesBytesMax} bytes in total`);
    if (this.#contentBytes > contentBytesMax) {
      throw limit(`with it, the files have more than ${contentBytesMax} bytes`, header.path);
    }
  }

  /** Adds the folders above a path. Stops at the first known folder, because the folders above it are known too. */
  #addFolders(path: string): void {
    if (path === this.#lastFolder) return;
    this.#lastFolder = path;
    for (let at = path; at !== '' && !this.#folders.has(at); at = parentOf(at)) this.#folders.add(at);
  }
}

function checkPath({ path, type, target }: TarHeader): void {
  if (nameLength(path) > PATH_BYTES_MAX) throw limit(`the path is longer than ${PATH_BYTES_MAX} bytes`, path);
  let depth = 0;
  for (let start = 0; start <= path.length; depth++) {
    const slash = path.indexOf('/', start);
    const end = slash < 0 ? path.length : slash;
    // A character has at most four bytes. So bytes are counted only for a name that may be too long.
    if (end - start > NAME_BYTES_MAX / 4 && nameLength(path.slice(start, end)) > NAME_BYTES_MAX) {
      throw limit(`a name in the path is longer than ${NAME_BYTES_MAX} bytes`, path);
    }
    start = end + 1;
  }
  if (depth > DEPTH_MAX) throw limit(`the path is deeper than ${DEPTH_MAX} folders`, path);
  if (target !== undefined && nameLength(target) > PATH_BYTES_MAX) {
    throw limit(`the target of the link is longer than ${PATH_BYTES_MAX} bytes`, path);
  }
  if (type === 'hardlink' && target === path)
    throw new TarError('NAME', 'it is a hard link to itself', printable(path));
  parseWhiteout(path);
}

function limit(reason: string, path: string): TarError {
  return new TarError('LIMIT', reason, printable(path));
}

function tooMany(what: string): TarError {
  return new TarError('LIMIT', `the image has ${what}`);
}
