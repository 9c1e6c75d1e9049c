// Size limits of the files of an image that builds read into memory. The size in the header is checked before the bytes are
// read.
import { BuildError } from '../../sandbox/build-error.ts';
import { printable } from '../../tar/header.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** The largest package database, in bytes. The one of a full desktop has 4 MB. */
export const DPKG_STATUS_BYTES_MAX = 16 * MIB;
/** The largest passwd and group files, in bytes. A passwd file with 10,000 users has 700 KB. */
const ACCOUNTS_BYTES_MAX = MIB;
/** The largest certificate bundle, in bytes. The one of Debian has 220 KB. */
const BUNDLE_BYTES_MAX = 4 * MIB;
/** The largest os-release(5) file, in bytes. It has some twenty lines. */
const OS_RELEASE_BYTES_MAX = 64 * KIB;
/** The largest file at any other path, in bytes. A link at one of the paths above may point to such a file. */
const OTHER_BYTES_MAX = 4 * MIB;

const LIMITS: Readonly<Record<string, number>> = {
  'var/lib/dpkg/status': DPKG_STATUS_BYTES_MAX,
  'etc/passwd': ACCOUNTS_BYTES_MAX,
  'etc/group': ACCOUNTS_BYTES_MAX,
  'etc/ssl/certs/ca-certificates.crt': BUNDLE_BYTES_MAX,
  'etc/os-release': OS_RELEASE_BYTES_MAX,
  'usr/lib/os-release': OS_RELEASE_BYTES_MAX,
};

/** Returns the largest allowed size, in bytes, of a file at this path. */
export function imageFileLimit(path: string): number {
  return Object.hasOwn(LIMITS, path) ? (LIMITS[path] ?? OTHER_BYTES_MAX) : OTHER_BYTES_MAX;
}

/** Throws BuildError if the file is too large to be read. */
export function checkImageFile({ path, size }: { path: string; size: number }, step: string): void {
  if (size > imageFileLimit(path)) throw imageFileTooLarge(path, step, `has ${size} bytes`);
}

/** Returns the error for a file that exceeds its limit. `has` is the predicate of the message, which may contain the size. */
export function imageFileTooLarge(path: string, step: string, has = 'is too large'): BuildError {
  const message = `/${printable(path)} ${has}; at most ${imageFileLimit(path)} bytes are allowed.`;
  return new BuildError(message, { step, cause_kind: 'BUILD_ERROR' });
}
