// The installation's own secret: a file that only Larder's user can read, from which every other key is derived.
import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { link, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { IdentityError } from './errors.ts';

/** A 256-bit key as AES-256 and HKDF-SHA256 take it. */
const KEY_BYTES = 32;
const ID_BYTES = 8;

/** `larder-key-1 ` and the key in base64url. More lines may follow: earlier keys, which open what they sealed and seal nothing. */
const LINE = /^larder-key-1 ([\w-]{43})$/;

/** Far more than a file of keys ever holds; a path to something else is not read to its end. */
const FILE_BYTES_MAX = 64 * 1024;

export type KeyGeneration = {
  /** First bytes of a digest: tells keys apart and nothing about them. */
  id: Buffer;
  secret: Buffer;
};

export type InstallationKey = {
  current: KeyGeneration;
  /** The current one and all earlier ones. */
  all: readonly KeyGeneration[];
};

/**
 * Reads the key file; a first start makes it (0600) when `create` is given. Throws IdentityError KEY_FILE when it is
 * missing, not a plain file, readable by others, or malformed.
 */
export async function loadInstallationKey(file: string, options: { create?: boolean } = {}): Promise<InstallationKey> {
  const found = await readKeyFile(file);
  if (found) return found;
  if (!options.create)
    throw new IdentityError(
      'KEY_FILE',
      `The installation's key is not at ${file}; LARDER_KEY_FILE must name the file that the first start made`,
    );
  await createKeyFile(file);
  return loadInstallationKey(file);
}

/** A key for one purpose, so that none is ever used for two (RFC 5869). */
export function deriveKey(generation: KeyGeneration, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', generation.secret, '', `larder ${purpose}`, KEY_BYTES));
}

/** A key of random bytes that no file holds, for tests. */
export function newInstallationKey(): InstallationKey {
  const current = generationOf(randomBytes(KEY_BYTES));
  return { current, all: [current] };
}

/** The same for a file that is there, without yielding to the event loop. Throws IdentityError KEY_FILE. */
export function readInstallationKeySync(file: string): InstallationKey {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    requireKeyFile(file, fstatSync(descriptor));
    return parseKeys(file, readFileSync(descriptor, 'utf8'));
  } finally {
    closeSync(descriptor);
  }
}

/** A key as the file has it. */
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
  if (!stat.isFile()) throw new IdentityError('KEY_FILE', `${file} is not a file; LARDER_KEY_FILE must name one`);
  if ((stat.mode & 0o077) !== 0) {
    throw new IdentityError('KEY_FILE', `${file} can be read by others: only its owner may (chmod 600 ${file})`);
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
    throw new IdentityError('KEY_FILE', `${file} holds no key; LARDER_KEY_FILE must name the installation's`);
  return { current, all };
}

function notAKeyFile(file: string): IdentityError {
  return new IdentityError('KEY_FILE', `${file} is not a key file; LARDER_KEY_FILE must name the installation's`);
}

function generationOf(secret: Buffer): KeyGeneration {
  return { secret, id: createHash('sha256').update('larder key id').update(secret).digest().subarray(0, ID_BYTES) };
}

/** Written whole under another name and linked to its own: of two first starts one makes the key, and nobody reads half of it. */
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

/** A name is on disk when its folder is. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}
