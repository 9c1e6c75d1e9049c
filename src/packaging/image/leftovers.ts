// What installing packages leaves behind and no image may hold: logs, caches, backups, what names the machine, and private keys.
import { posix } from 'node:path';
import type { TarHeader, TarInput } from '../../tar/entry.ts';
import { parentOf } from '../../tar/path.ts';
import { pathMatcher } from './path-pattern.ts';

/** What is not part of an image at all: mounted by whoever runs it, or of one moment. */
const MOUNTED = ['proc/*', 'sys/*', 'dev/*', 'run/*', 'tmp/*', 'var/tmp/*'];

const LEFTOVERS = [
  // Of dpkg, apt and debconf: what they did, when, and copies of what they replaced.
  'var/cache/apt/*',
  'var/cache/debconf/*-old',
  'var/lib/apt/lists/*',
  'var/lib/apt/periodic/*',
  'var/lib/dpkg/*-old',
  'var/lib/dpkg/lock',
  'var/lib/dpkg/lock-frontend',
  'var/lib/dpkg/triggers/Lock',
  'var/lib/dpkg/updates/*',
  // Of shadow and adduser: copies of the files before, and a lock.
  'etc/passwd-',
  'etc/group-',
  'etc/shadow-',
  'etc/gshadow-',
  'etc/subuid-',
  'etc/subgid-',
  'etc/.pwd.lock',
  // ldconfig's holds inode numbers and times; the others are made again when they are missed.
  'var/cache/ldconfig/*',
  'var/cache/fontconfig/*',
  'var/cache/man/*',
  // Every container would be the same machine.
  'etc/machine-id',
  'var/lib/dbus/machine-id',
  'var/lib/systemd/random-seed',
  'etc/hostname',
  'etc/hosts',
  'etc/.wh.hosts',
  'etc/resolv.conf',
  'etc/mailname',
  // A key that everybody who pulls the image knows, with its certificate.
  'etc/ssl/private/ssl-cert-snakeoil.key',
  'etc/ssl/certs/ssl-cert-snakeoil.pem',
  'etc/ssh/ssh_host_*_key',
  'etc/ssh/ssh_host_*_key.pub',
];

/** Where packages make files; what they ship in /usr is everybody's anyway. */
const KEY_FOLDERS = /^(?:etc|var|root|home|opt|srv)\//;
/** No key is larger; larger files pass as a stream. */
const KEY_FILE_BYTES_MAX = 64 * 1024;
const PRIVATE_KEY = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/;

export type LeftoverRules = {
  /** Paths that stay although a rule names them: what a recipe or a base wants to be there. */
  keep?: (header: TarHeader) => boolean;
  /** Further patterns to leave out: the recipe's. */
  remove?: readonly string[];
  /** Leaves out files that hold a private key. */
  privateKeys: boolean;
  /** Told of each private key that was left out. */
  onPrivateKey?: (path: string) => void;
};

/** Passes on the entries that an image may hold. */
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

/** Folders stay, because services expect theirs; links stay, because a recipe sends a log to the standard output with them. */
function isLog({ path, type }: TarHeader): boolean {
  return type === 'file' && path.startsWith('var/log/');
}

/** A link to what is left out would dangle: ssl-cert names one after the hash of its certificate, new each time. */
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
