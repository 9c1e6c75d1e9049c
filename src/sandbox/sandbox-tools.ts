// Programs of this machine that run in a sandbox before a program of the image. Their loader and libraries are copied too, so
// that they use no file of the image.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, realpathSync, statSync } from 'node:fs';
import { chmod, copyFile, mkdtemp, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { findTool, STANDARD_PATH } from './host-commands.ts';
import type { BroughtFiles } from './sandbox-host.ts';
import { ensureFolder, type Workspace } from './workspace.ts';

/** The programs. setpriv changes the user, and then sh and env set the variables of the user. */
const BROUGHT = ['setpriv', 'sh', 'env'];

/** Returns the files of these programs and all libraries that the dynamic loader would load for them (ldd(1)). */
export function findBroughtFiles(): BroughtFiles {
  const files: BroughtFiles = {};
  for (const tool of BROUGHT) {
    const path = findTool(tool);
    if (path === undefined) continue;
    files[tool] = realpathSync(path);
    Object.assign(files, librariesOf(path));
  }
  return files;
}

/**
 * Returns the files for any program of this machine: the program itself under `name`, and the files that the dynamic loader
 * would load for it. A static program needs no other file.
 */
export function findProgramFiles(name: string, path: string): BroughtFiles {
  return { ...librariesOf(path), [name]: realpathSync(path) };
}

/**
 * Returns the libraries of a program, and the dynamic loader as `ld.so`. Returns nothing for a static program, for which
 * ldd(1) fails. Throws if ldd fails for another reason.
 */
function librariesOf(program: string): BroughtFiles {
  const { status, stdout, stderr } = spawnSync(findTool('ldd') ?? 'ldd', [program], {
    encoding: 'utf8',
    env: { PATH: STANDARD_PATH, LC_ALL: 'C' },
  });
  if (/not a dynamic executable|statically linked/.test(`${stdout}${stderr}`)) return {};
  if (status !== 0) throw new Error(`ldd ${program} failed: ${stderr}`);
  const libraries: BroughtFiles = {};
  for (const line of stdout.split('\n')) {
    const path = /(\/\S+)/.exec(line.replace(/^.*=>/, ''))?.[1];
    if (path === undefined || !existsSync(path)) continue;
    const name = basename(path);
    libraries[/^ld[-.]/.test(name) ? 'ld.so' : name] = realpathSync(path);
  }
  return libraries;
}

/**
 * Returns a folder of the workspace with copies of the files. Creates the folder if it is missing. After an upgrade of the
 * machine, the files are copied to a new folder.
 */
export async function prepareTools(workspace: Workspace, files: BroughtFiles): Promise<string> {
  const parent = ensureFolder(workspace, 'tools');
  const folder = join(parent, fingerprint(files));
  if (existsSync(folder)) return folder;
  const part = await mkdtemp(join(parent, '.part-'));
  try {
    for (const [name, path] of Object.entries(files)) {
      await copyFile(path, join(part, name));
      await chmod(join(part, name), 0o755);
    }
    await chmod(part, 0o755);
    await rename(part, folder);
  } catch (error) {
    // Another process created the folder first, with the same copies.
    if (!existsSync(folder)) throw error;
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  return folder;
}

function fingerprint(files: BroughtFiles): string {
  const hash = createHash('sha256');
  for (const [name, path] of Object.entries(files).sort()) {
    const { size, mtimeMs, ino } = statSync(path);
    hash.update(`${name}\0${path}\0${size}\0${mtimeMs}\0${ino}\n`);
  }
  return hash.digest('hex').slice(0, 32);
}
