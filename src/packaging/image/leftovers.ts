// Leftovers: files that the installation of packages creates and that images must not contain. These are logs, caches,
// backups, machine ids and private keys.
import { posix } from 'node:path';
import type { TarHeader, TarInput } from '../../tar/entry.ts';
import { parentOf } from '../../tar/path.ts';
import { pathMatcher } from './path-pattern.ts';

/**
 * Paths whose files do not belong in an image, because they are temporary or because file systems are mounted there when a
 * container starts.
 */
const MOUNTED = ['proc/*', 'sys/*', 'dev/*', 'run/*', 'tmp/*', 'var/tmp/*'];

const LEFTOVERS = [
  // Logs, caches and backups of dpkg, apt and debconf.
  'var/cache/apt/*',
  'var/cache/debconf/*-old',
  'var/lib/apt/lists/*',
  'var/lib/apt/periodic/*',
  'var/lib/dpkg/*-old',
  'var/lib/dpkg/lock',
  'var/lib/dpkg/lock-frontend',
  'var/lib/dpkg/triggers/Lock',
  'var/lib/dpkg/updates/*',
  // Backups and a lock of shadow and adduser.
  'etc/passwd-',
  'etc/group-',
  'etc/shadow-',
  'etc/gshadow-',
  'etc/subuid-',
  'etc/subgid-',
  'etc/.pwd.lock',
  // Files that are rebuilt when they are needed. The cache of ldconfig also contains inode numbers and times, which differ
  // between builds.
  'var/cache/ldconfig/*',
  'var/cache/fontconfig/*',
  'var/cache/man/*',
  // Machine ids, which would be the same in all containers.
  'etc/machine-id',
  'var/lib/dbus/machine-id',
  'var/lib/systemd/random-seed',
  'etc/hostname',
  'etc/hosts',
  'etc/.wh.hosts',
  'etc/resolv.conf',
  'etc/mailname',
  // A private key, which everybody who pulls the image would have. Also its certificate, which is useless without the key.
  'etc/ssl/private/ssl-cert-snakeoil.key',
  'etc/ssl/certs/ssl-cert-snakeoil.pem',
  'etc/ssh/ssh_host_*_key',
  'etc/ssh/ssh_host_*_key.pub',
];

/**
 * Folders in which private keys are searched, because packages generate files there. The files of packages in /usr are
 * public, so they contain no secret keys.
 */
const KEY_FOLDERS = /^(?:etc|var|root|home|opt|srv)\//;
/** Larger files are not searched for a private key, because keys are smaller. In bytes. */
const KEY_FILE_BYTES_MAX = 64 * 1024;
const PRIVATE_KEY = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/;

export type LeftoverRules = {
  /** Returns whether an entry stays although a rule would omit it, because a recipe or a base image requires it. */
  keep?: (header: TarHeader) => boolean;
  /** More patterns of files to omit, from the recipe. */
  remove?: readonly string[];
  /** Whether files with a private key are omitted. */
  privateKeys: boolean;
  /** Called with the path of each private key that is omitted. */
  onPrivateKey?: (path: string) => void;
};

/** Yields the entries that belong in an image. */
export async function* withoutLeftovers(
  entries: AsyncIterable<TarInput>,
  { keep = () => false, remove = [], privateKeys, onPrivateKey }: LeftoverRules,
): AsyncGenerator<TarInput, void> {
  const mounted = pathMatcher(MOUNTED);
  const left = pathMatcher([...LEFTOVERS, ...remove]);
  const unwanted = (header: TarHeader): boolean =>
    mounted(header.path) || left(header.path) || isLog(header) || pointsTo(header, left);
  for await (const entry of entries) {
    const { header } = entry;
    if (unwanted(header) && !keep(header)) continue;
    if (!privateKeys || !mayBeKey(header)) {
      yield entry;
      continue;
    }
    const body = await gather(entry);
    if (!PRIVATE_KEY.test(body.toString('latin1'))) yield { header, body: [body] };
    else onPrivateKey?.(header.path);
  }
}

/**
 * Whether an entry is a log. Folders of /var/log stay, because services expect them. Links stay, because recipes redirect
 * logs to the standard output with links.
 */
function isLog({ path, type }: TarHeader): boolean {
  return type === 'file' && path.startsWith('var/log/');
}

/**
 * Whether a symbolic link points to a path that is omitted. ssl-cert creates such a link, whose name is the hash of the
 * certificate.
 */
function pointsTo({ path, type, target = '' }: TarHeader, left: (path: string) => boolean): boolean {
  if (type !== 'symlink') return false;
  return left(posix.resolve('/', parentOf(path), target).slice(1));
}

function mayBeKey({ path, type, size }: TarHeader): boolean {
  return type === 'file' && size > 0 && size <= KEY_FILE_BYTES_MAX && KEY_FOLDERS.test(path);
}

async function gather({ body = [] }: TarInput): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}
