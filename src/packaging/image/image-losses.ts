// Finds required parts of an image that a customization removed: accounts, the package database, the program of the image,
// and the C library.
import type { ContentStore } from '../../content/content.ts';
import { PackageDatabaseError } from '../../debian/package-database.ts';
import { parseStatus } from '../../evidence/dpkg-packages.ts';
import type { ImagePlan } from '../../plan/image-plan.ts';
import { printable } from '../../tar/header.ts';
import type { MergedListing } from '../../tar/listing-entry.ts';
import { DPKG_STATUS, type ImageState, OS_RELEASE, readFileOf } from './image-files.ts';
import { findFile, findProgram } from './listed-files.ts';

const PASSWD = 'etc/passwd';
const GROUP = 'etc/group';

/** Paths of the dynamic loader that are compiled into programs of Debian and of Alpine. */
const LOADERS = [
  'lib64/ld-linux-x86-64.so.2',
  'lib/ld-linux-aarch64.so.1',
  'lib/ld-musl-x86_64.so.1',
  'lib/ld-musl-aarch64.so.1',
];
/** Paths at which the loader of glibc searches the C library (ld.so(8)). */
const C_LIBRARIES = ['x86_64-linux-gnu', 'aarch64-linux-gnu'].flatMap((machine) => [
  `lib/${machine}/libc.so.6`,
  `usr/lib/${machine}/libc.so.6`,
]);

export type LossInput = {
  content: ContentStore;
  /** The program that the image starts, and the user under which it runs. */
  settings: Pick<ImagePlan['image'], 'user' | 'entrypoint' | 'command'>;
  before: ImageState;
  after: ImageState;
  /** The image's PATH before and after the customization. */
  paths: { before: string | undefined; after: string | undefined };
};

/** Lists the required parts that the image had before the customization and does not have any more. The list may be empty. */
export async function listLosses(input: LossInput): Promise<string[]> {
  const { before, after } = input;
  return [
    ...[PASSWD, GROUP].filter((path) => isLost(path, input)).map((path) => `/${path}`),
    ...(await lostUser(input)),
    ...lostAny(OS_RELEASE, before.listing, after.listing),
    ...(await lostPackages(input)),
    ...lostProgram(input),
    ...LOADERS.filter((path) => isLost(path, input)).map((path) => `the program loader /${path}`),
    ...lostAny(C_LIBRARIES, before.listing, after.listing).map((path) => `the C library ${path}`),
  ];
}

function isLost(path: string, { before, after }: Pick<LossInput, 'before' | 'after'>): boolean {
  return findFile(before.listing, path) !== undefined && findFile(after.listing, path) === undefined;
}

/**
 * Returns the first of these files that existed before the customization. Returns nothing if at least one of them still
 * exists.
 */
function lostAny(paths: readonly string[], before: MergedListing, after: MergedListing): string[] {
  const found = paths.find((path) => findFile(before, path) !== undefined);
  const isGone = found !== undefined && paths.every((path) => findFile(after, path) === undefined);
  return isGone ? [`/${found}`] : [];
}

function isUnchanged(path: string, { before, after }: LossInput): boolean {
  const digest = after.listing.get(path)?.digest;
  return digest !== undefined && before.listing.get(path)?.digest === digest;
}

/**
 * Returns the image's user if the customization removed it. Compares the user's number, because the image's config contains
 * the number.
 */
async function lostUser(input: LossInput): Promise<string[]> {
  const { content, before, after, settings } = input;
  const { name, uid } = settings.user;
  if (isUnchanged(PASSWD, input) || isLost(PASSWD, input)) return [];
  const wasThere = hasUser(await readListedFile(content, before, PASSWD), uid);
  if (!wasThere || hasUser(await readListedFile(content, after, PASSWD), uid)) return [];
  return [`the user ${printable(name)} (uid ${uid}), which the image runs as, in /${PASSWD}`];
}

function hasUser(passwd: string, uid: number): boolean {
  return passwd.split('\n').some((line) => line.split(':')[2] === String(uid));
}

async function lostPackages(input: LossInput): Promise<string[]> {
  const { content, before, after } = input;
  if (isUnchanged(DPKG_STATUS, input)) return [];
  const had = countPackages(await readListedFile(content, before, DPKG_STATUS));
  // If the database was unreadable or empty before the customization, this is not a fault of the customization.
  if (typeof had !== 'number' || had === 0) return [];
  if (isLost(DPKG_STATUS, input)) return [`the package database /${DPKG_STATUS}`];
  const has = countPackages(await readListedFile(content, after, DPKG_STATUS));
  if (typeof has !== 'number')
    return [`the package database /${DPKG_STATUS}, which can no longer be read (${has.message})`];
  return has > 0 ? [] : [`every package of the package database /${DPKG_STATUS}`];
}

/** Counts the installed packages. */
function countPackages(status: string): number | PackageDatabaseError {
  try {
    return parseStatus(status).length;
  } catch (error) {
    if (error instanceof PackageDatabaseError) return error;
    throw error;
  }
}

/** Returns the text of a file and follows links. Returns an empty text if there is no file. */
async function readListedFile(content: ContentStore, image: ImageState, path: string): Promise<string> {
  const found = findFile(image.listing, path);
  const bytes = found && (await readFileOf(content, image, found.path));
  return bytes?.toString('utf8') ?? '';
}

function lostProgram({ settings, before, after, paths }: LossInput): string[] {
  const name = [...settings.entrypoint, ...settings.command][0];
  if (name === undefined || findProgram(before.listing, name, paths.before) === undefined) return [];
  if (findProgram(after.listing, name, paths.after) !== undefined) return [];
  return [`the program ${printable(name)}, which the image starts (missing, not executable, or not in PATH)`];
}
