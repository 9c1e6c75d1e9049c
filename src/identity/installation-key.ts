// The key of the installation, in a file that only Larder's account can read. All other keys are derived from it.
import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { link, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { IdentityError } from './errors.ts';

/** 256 bits, as AES-256 and HKDF-SHA256 require. */
const KEY_BYTES = 32;
const ID_BYTES = 8;

/**
 * A line of the key file: `larder-key-1 ` and the key in base64url. The first line has the current key. Further lines have
 * earlier keys, which open the values that they sealed, and seal no new values.
 */
const LINE = /^larder-key-1 ([\w-]{43})$/;

/** The largest key file, in bytes. It is far larger than any real key file. A larger file is rejected before it is read. */
const FILE_BYTES_MAX = 64 * 1024;

export type KeyGeneration = {
  /** The first bytes of a digest of the key. They distinguish keys, but reveal nothing about a key. */
  id: Buffer;
  secret: Buffer;
};

export type InstallationKey = {
  current: KeyGeneration;
  /** The current key and all earlier keys. */
  all: readonly KeyGeneration[];
};

/**
 * Reads the key file. With `create`, creates a missing file with mode 0600. Throws IdentityError KEY_FILE if the file is
 * missing, not a regular file, malformed, or readable by other users.
 */
export async function loadInstallationKey(file: string, options: { create?: boolean } = {}): Promise<InstallationKey> {
  const found = await readKeyFile(file);
  if (found) return found;
  if (!options.create)
    throw new IdentityError(
      'KEY_FILE',
      `The key file ${file} does not exist; LARDER_KEY_FILE must name the file that the first start created`,
    );
  await createKeyFile(file);
  return loadInstallationKey(file);
}

/** Derives a key for one purpose, so that no key is used for two purposes (RFC 5869). */
export function deriveKey(generation: KeyGeneration, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', generation.secret, '', `larder ${purpose}`, KEY_BYTES));
}

/** Returns a random key without a file. For tests. */
export function newInstallationKey(): InstallationKey {
  const current = generationOf(randomBytes(KEY_BYTES));
  return { current, all: [current] };
}

/** Reads an existing key file synchronously. Throws IdentityError KEY_FILE. */
export function readInstallationKeySync(file: string): InstallationKey {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    requireKeyFile(file, fstatSync(descriptor));
    return parseKeys(file, readFileSync(descriptor, 'utf8'));
  } finally {
    closeSync(descriptor);
  }
}

/** Returns the line of the key file that contains this key. */
export function lineOf({ secret }: KeyGeneration): string {
  return `larder-key-1 ${secret.toString('base64url')}\n`;
}

async function readKeyFile(file: string): Promise<InstallationKey | undefined> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new IdentityError(
      'KEY_FILE',
      `${file} cannot be read (${error.code}); LARDER_KEY_FILE must name a file of Larder's own account`,
      { cause: error },
    );
  });
  if (!handle) return undefined;
  try {
    requireKeyFile(file, await handle.stat());
    return parseKeys(file, await handle.readFile('utf8'));
  } finally {
    await handle.close();
  }
}

function requireKeyFile(file: string, stat: Stats): void {
  if (!stat.isFile())
    throw new IdentityError('KEY_FILE', `${file} is not a regular file; LARDER_KEY_FILE must name one`);
  if ((stat.mode & 0o077) !== 0) {
    throw new IdentityError(
      'KEY_FILE',
      `${file} is readable by other accounts; only its owner may read it (chmod 600 ${file})`,
    );
  }
  if (stat.size > FILE_BYTES_MAX) throw notAKeyFile(file);
}

function parseKeys(file: string, text: string): InstallationKey {
  const all = text
    .trim()
    .split('\n')
    .map((line) => {
      const secret = Buffer.from(LINE.exec(line.trim())?.[1] ?? '', 'base64url');
      if (secret.length !== KEY_BYTES) throw notAKeyFile(file);
      return generationOf(secret);
    });
  const [current] = all;
  if (!current)
    throw new IdentityError(
      'KEY_FILE',
      `${file} contains no key; LARDER_KEY_FILE must name the installation's key file`,
    );
  return { current, all };
}

function notAKeyFile(file: string): IdentityError {
  return new IdentityError(
    'KEY_FILE',
    `${file} is not a key file; LARDER_KEY_FILE must name the installation's key file`,
  );
}

function generationOf(secret: Buffer): KeyGeneration {
  return { secret, id: createHash('sha256').update('larder key id').update(secret).digest().subarray(0, ID_BYTES) };
}

/**
 * Writes the file under a temporary name and then links it to its final name. So if two first starts run at once, only one of
 * them creates the key, and no process reads an incomplete file.
 */
async function createKeyFile(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o750 });
  const unfinished = `${file}.${randomBytes(6).toString('hex')}`;
  const handle = await open(unfinished, 'wx', 0o600);
  try {
    await handle.writeFile(lineOf(newInstallationKey().current));
    await handle.sync();
    await handle.close();
    await link(unfinished, file);
    await syncFolder(dirname(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(unfinished, { force: true });
  }
}

/** Syncs a folder, because a new file name is on disk for certain only after that. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}
