// Size limits of the image's files that builds read whole. The declared size is checked before the bytes are read.
import { BuildError } from '../../sandbox/build-error.ts';
import { printable } from '../../tar/header.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** The package database of a full desktop has 4 MB. */
export const DPKG_STATUS_BYTES_MAX = 16 * MIB;
/** A passwd of 10,000 users has 700 KB. */
const ACCOUNTS_BYTES_MAX = MIB;
/** Debian's bundle of certificates has 220 KB. */
const BUNDLE_BYTES_MAX = 4 * MIB;
/** os-release(5) has some twenty lines. */
const OS_RELEASE_BYTES_MAX = 64 * KIB;
/** Limit of a file that is reached through a link at one of the paths above. */
const OTHER_BYTES_MAX = 4 * MIB;

const LIMITS: Readonly<Record<string, number>> = {
  'var/lib/dpkg/status': DPKG_STATUS_BYTES_MAX,
  'etc/passwd': ACCOUNTS_BYTES_MAX,
  'etc/group': ACCOUNTS_BYTES_MAX,
  'etc/ssl/certs/ca-certificates.crt': BUNDLE_BYTES_MAX,
  'etc/os-release': OS_RELEASE_BYTES_MAX,
  'usr/lib/os-release': OS_RELEASE_BYTES_MAX,
};

/** Returns the largest size, in bytes, of a file that is read at this path. */
export function imageFileLimit(path: string): number {
  return Object.hasOwn(LIMITS, path) ? (LIMITS[path] ?? OTHER_BYTES_MAX) : OTHER_BYTES_MAX;
}

/** Throws BuildError for a file that is too large to be read. */
export function checkImageFile({ path, size }: { path: string; size: number }, step: string): void {
  if (size > imageFileLimit(path)) throw imageFileTooLarge(path, step, `has ${size} bytes`);
}

/** Returns the error for a file above its limit. `has` is the predicate of the message, with the size if it is known. */
export function imageFileTooLarge(path: string, step: string, has = 'is too large'): BuildError {
  const message = `/${printable(path)} ${has}; at most ${imageFileLimit(path)} bytes are allowed.`;
  return new BuildError(message, { step, cause_kind: 'BUILD_ERROR' });
}
