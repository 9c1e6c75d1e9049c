// Hashes passwords with scrypt. Only a few run at a time, because each needs much memory.
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { IdentityError } from './errors.ts';

/**
 * The cost of scrypt: 32 MiB and three passes. OWASP's password storage cheat sheet lists several settings of equal strength,
 * and this one also fits into the memory of a small server. Each hash contains its cost, so that the cost can be raised
 * later.
 */
const COST = { N: 2 ** 15, r: 8, p: 3 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** The memory limit for scrypt in bytes. scrypt uses slightly more than 128·N·r bytes (RFC 7914, section 2). */
const MEMORY_MAX = 64 * 1024 * 1024;

/**
 * How many hashes run at a time. They use half of Node's four threads, which also read and write files. So log-ins use at
 * most 64 MiB of memory and do not block downloads.
 */
const AT_A_TIME = 2;
/** How many passwords may wait. They take about three seconds, and people do not wait longer. */
const WAITING_MAX = 32;

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

export type PasswordHashes = {
  /** Returns the hash of a password. Throws IdentityError BUSY if too many passwords are waiting. */
  hash(password: string): Promise<string>;
  /**
   * Whether the password matches the hash. Without a hash, takes as long as for a wrong password, so that the time does not
   * show which users exist. Throws IdentityError BUSY if too many passwords are waiting.
   */
  matches(password: string, hash: string | undefined): Promise<boolean>;
};

/**
 * Returns the functions that hash and check passwords. Call this once in a process, because the two functions share the
 * limits.
 */
export function openPasswordHashes(): PasswordHashes {
  const take = limit(AT_A_TIME, WAITING_MAX);
  const run = (password: string, salt: Buffer, cost = COST) =>
    // NFKC makes equal characters equal in bytes, because different keyboards may type the same character as different code
    // points (NIST SP 800-63B, section 5.1.1.2).
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

/**
 * Returns a function that runs at most `most` calls at a time. `waitingMost` more calls wait, and all others are rejected.
 */
function limit(most: number, waitingMost: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= most) {
      if (waiting.length >= waitingMost)
        throw new IdentityError('BUSY', 'Too many log-ins are in progress: try again in a few seconds.');
      // A call that ends gives its slot directly to the first waiting call, so that no later call can take the slot.
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
