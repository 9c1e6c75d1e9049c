// Hashes passwords with scrypt, only a few at a time.
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { IdentityError } from './errors.ts';

/**
 * 32 MiB and three passes. OWASP's password storage cheat sheet considers several settings equal; this one needs memory that a
 * small server has. Each hash contains its cost, so that the cost can be raised later.
 */
const COST = { N: 2 ** 15, r: 8, p: 3 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** The memory limit for scrypt, which uses slightly more than 128·N·r bytes (RFC 7914, section 2). */
const MEMORY_MAX = 64 * 1024 * 1024;

/** Half of the four threads, which also read and write files. So log-ins use at most 64 MiB of memory and block no download. */
const AT_A_TIME = 2;
/** About three seconds of work, because people do not wait longer. */
const WAITING_MAX = 32;

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

export type PasswordHashes = {
  /** Returns the hash of a password. Throws IdentityError BUSY if too many passwords are waiting. */
  hash(password: string): Promise<string>;
  /** Whether the password matches the hash. Without a hash, takes as long as for a wrong password. Throws BUSY too. */
  matches(password: string, hash: string | undefined): Promise<boolean>;
};

/** Returns the functions that hash and check passwords. They share the limits, so a process must call this only once. */
export function openPasswordHashes(): PasswordHashes {
  const take = limit(AT_A_TIME, WAITING_MAX);
  const run = (password: string, salt: Buffer, cost = COST) =>
    // NFKC: on different keyboards, the same characters may be typed as different code points (NIST SP 800-63B, section
    // 5.1.1.2).
    take(() => derive(password.normalize('NFKC'), salt, HASH_BYTES, { ...cost, maxmem: MEMORY_MAX }));
  return {
    async hash(password) {
      const salt = randomBytes(SALT_BYTES);
      const key = await run(password, salt);
      return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64url'), key.toString('base64url')].join('$');
    },
    async matches(password, hash) {
      const [, N, r, p, salt = '', expected = ''] = hash?.split('$') ?? [];
      if (hash === undefined) {
        await run(password, randomBytes(SALT_BYTES));
        return false;
      }
      const key = await run(password, Buffer.from(salt, 'base64url'), { N: Number(N), r: Number(r), p: Number(p) });
      return timingSafeEqual(key, Buffer.from(expected, 'base64url'));
    },
  };
}

/** Returns a function that runs at most `most` calls at a time, lets `waitingMost` more wait, and rejects all others. */
function limit(most: number, waitingMost: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= most) {
      if (waiting.length >= waitingMost)
        throw new IdentityError('BUSY', 'Too many log-ins are in progress: try again in a few seconds.');
      // A call that ends gives its slot directly to the first that waits, so that no later call can take it.
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
