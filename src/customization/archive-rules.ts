// The rules for an archive's entries. Each is checked separately, so that all violations are reported together.
import { HOOK_NAMES } from '../plan/inspection.ts';
import type { TarEntry, TarHeader } from '../tar/entry.ts';
import type { ListingEntry } from '../tar/listing-entry.ts';
import { baseName, parentOf } from '../tar/path.ts';
import { quoted } from '../yaml/quoted.ts';
import { CHART, chartProblem } from './chart-templates.ts';
import { type HookName, ROOTFS } from './inspection.ts';
import { DECLARATION_BYTES_MAX, SCRIPT_BYTES_MAX } from './limits.ts';
import { isMachinePath, nameProblem, targetProblem } from './names.ts';
import type { Warnings } from './warnings.ts';

export const DECLARATION = 'customization.yaml';
const TOP = [DECLARATION, 'rootfs', 'scripts', CHART];

/** Accepted entries, with the bytes of the few files that are read at upload. */
export type Taken = { entries: Entries; contents: Map<string, Buffer>; warnings: Warnings };

/** The entries accepted so far, and the folders above them. */
export class Entries {
  readonly #byPath = new Map<string, ListingEntry>();
  /** The folders above the entries. They exist because an entry is in them, even without an entry of their own. */
  readonly #implied = new Set<string>();
  readonly #strangeTops = new Set<string>();

  /** The number of distinct folders above the entries. */
  get folderCount(): number {
    return this.#implied.size;
  }

  get listing(): ListingEntry[] {
    return [...this.#byPath.values()];
  }

  get(path: string): ListingEntry | undefined {
    return this.#byPath.get(path);
  }

  add(entry: ListingEntry): void {
    this.#byPath.set(entry.path, entry);
    for (const folder of this.#newFoldersAbove(entry.path)) this.#implied.add(folder);
  }

  /** Returns the fault of an entry; undefined if the entry can be added; `''` if the fault was already reported for a neighboring entry. */
  problem({ header, name }: TarEntry): string | undefined {
    return (
      nameProblem(name) ??
      typeProblem(header) ??
      this.#topProblem(header) ??
      placeProblem(header) ??
      this.relationProblem(header)
    );
  }

  /**
   * Returns the fault of an unknown name at the top of the archive. For further entries below the same name, returns `''`, so that an
   * archive whose files are all in one wrong folder gets one violation.
   */
  #topProblem({ path }: TarHeader): string | undefined {
    const top = path.split('/', 1)[0] ?? '';
    if (path === '' || TOP.includes(top)) return undefined;
    if (this.#strangeTops.has(top)) return '';
    this.#strangeTops.add(top);
    return `only ${DECLARATION}, rootfs/, scripts/ and chart/ may be at the top of the archive, not ${quoted(top)}; ${topRemedy(top)}`;
  }

  /** Returns the conflict of an entry with the other entries, if any. */
  relationProblem({ path, type, target }: Pick<TarHeader, 'path' | 'type' | 'target'>): string | undefined {
    if (this.#byPath.has(path))
      return 'the archive has two entries with this path, as «tar -r» makes them; pack the folder again';
    if (type !== 'folder' && this.#implied.has(path)) return 'other entries are beneath it, so it must be a folder';
    const above = [...this.#newFoldersAbove(path)].find(
      (folder) => (this.#byPath.get(folder)?.type ?? 'folder') !== 'folder',
    );
    if (above !== undefined) return `it is beneath ${above}, which is not a folder`;
    return type === 'hardlink' ? this.#linkProblem(path, target ?? '') : undefined;
  }

  #linkProblem(path: string, name: string): string | undefined {
    const linked = name.startsWith(ROOTFS) ? this.linked(name) : undefined;
    if (linked === undefined)
      return 'a hard link must name a file or symbolic link of rootfs/ that is earlier in the archive';
    return linked.type === 'symlink' ? targetProblem(path.slice(ROOTFS.length), linked.target) : undefined;
  }

  /**
   * Returns the entry to write for a hard link to `name`. This is a hard link to the same file. If `name` is a symbolic link (`cp -al`
   * makes hard links to symbolic links), it is a symbolic link with the same target.
   */
  linked(name: string): { type: 'hardlink' | 'symlink'; target: string } | undefined {
    const entry = this.#byPath.get(name);
    if (entry?.type === 'file') return { type: 'hardlink', target: name };
    if (entry?.type === 'symlink' || entry?.type === 'hardlink')
      return { type: entry.type, target: entry.target ?? '' };
    return undefined;
  }

  /** Yields the folders above a path, innermost first, up to the first folder that an earlier entry already implied. */
  *#newFoldersAbove(path: string): Generator<string, void> {
    for (let at = parentOf(path); at !== '' && !this.#implied.has(at); at = parentOf(at)) yield at;
  }
}

/** Folders of the root of a Linux system (Filesystem Hierarchy Standard 3.0, 3.2). */
const ROOT_FOLDERS = /^(bin|boot|etc|home|lib|lib32|lib64|media|mnt|opt|root|sbin|srv|usr|var)$/;

/** Returns the remedy for an unknown entry at the top of the archive. */
function topRemedy(top: string): string {
  if (ROOT_FOLDERS.test(top)) return `move it to rootfs/${top}`;
  if (/^customization\.ya?ml$/i.test(top)) return `rename it to ${DECLARATION}`;
  if (/^scripts?$/i.test(top)) return 'rename it to scripts';
  if (/^rootfs$/i.test(top)) return 'rename it to rootfs';
  if (/^charts?$/i.test(top)) return 'rename it to chart';
  if (/^templates?$/i.test(top)) return 'move it to chart/templates';
  return 'remove it; if the whole folder was packed, pack its contents («tar -C FOLDER -czf …»)';
}

const COPYFILE = 'pack with COPYFILE_DISABLE=1 in the environment';

/**
 * Returns the warning for an entry that is left out of the image: macOS stores attributes as separate files, and its Finder writes files
 * into folders.
 */
export function leftOutMessage({ path, type }: Pick<TarHeader, 'path' | 'type'>): string | undefined {
  if (path.split('/').includes('__MACOSX')) return `macOS added it to the archive, and it is left out; ${COPYFILE}.`;
  if (type !== 'file') return undefined;
  const name = baseName(path);
  if (name.startsWith('._')) return `macOS added the file to the archive, and it is left out; ${COPYFILE}.`;
  return name === '.DS_Store'
    ? `The Finder of macOS made the file, and it is left out; ${COPYFILE} and with --exclude .DS_Store.`
    : undefined;
}

const FOLDERS = ['rootfs', 'scripts', CHART];

function typeProblem({ type, path }: TarHeader): string | undefined {
  if (type === 'character' || type === 'block') return 'devices are not allowed';
  if (type === 'fifo') return 'FIFOs are not allowed';
  return (path === '' || FOLDERS.includes(path)) && type !== 'folder' ? 'it must be a folder' : undefined;
}

function placeProblem(header: TarHeader): string | undefined {
  const { path, type, size } = header;
  if (path === DECLARATION) {
    if (type !== 'file') return 'it must be a regular file';
    return size > DECLARATION_BYTES_MAX ? 'it is larger than 1 MiB' : undefined;
  }
  if (path.startsWith('scripts/')) return scriptProblem(header);
  if (path.startsWith(`${CHART}/`)) return chartProblem(header);
  return path.startsWith(ROOTFS) ? rootfsProblem(header) : undefined;
}

function scriptProblem({ path, type, size }: TarHeader): string | undefined {
  if (hookOf(path) === undefined) return `a script must be called ${HOOK_NAMES.join(', ')}, optionally followed by .sh`;
  if (type !== 'file') return 'it must be a regular file';
  return size > SCRIPT_BYTES_MAX ? 'it is larger than 1 MiB' : undefined;
}

/** Returns the hook that a script implements, by its path in the archive. */
export function hookOf(path: string): HookName | undefined {
  return HOOK_NAMES.find((name) => path === `scripts/${name}` || path === `scripts/${name}.sh`);
}

function rootfsProblem({ path, type, target }: TarHeader): string | undefined {
  const inImage = path.slice(ROOTFS.length);
  if (isMachinePath(inImage))
    return 'proc, sys, dev, run and tmp are filled when a container runs; an image cannot have files there';
  return type === 'symlink' ? targetProblem(inImage, target ?? '') : undefined;
}

const BYTE_ORDER_MARK = Buffer.from('efbbbf', 'hex');

/** Returns the fault of a script's text, if any. */
export function scriptTextProblem(text: Buffer): string | undefined {
  if (text.length === 0) return 'the script is empty';
  if (text.includes(0)) return 'a script must be text';
  if (text.subarray(0, 3).equals(BYTE_ORDER_MARK))
    return 'it begins with a byte order mark, so its interpreter is not found; save it as UTF-8 without one';
  const end = text.indexOf(0x0a);
  if (text[end - 1] === 0x0d)
    return 'the lines end as on Windows (CR LF), so its interpreter is not found; save it with LF';
  if (end === -1 && text.includes(0x0d))
    return 'the lines end with CR alone, so the script would be one line; save it with LF';
  return undefined;
}

export const CERTIFICATES_FOLDER = 'usr/local/share/ca-certificates/';

/** Whether update-ca-certificates would add the file to the trust store. */
export function isCertificatePath(path: string): boolean {
  return path.startsWith(ROOTFS + CERTIFICATES_FOLDER) && path.endsWith('.crt');
}
