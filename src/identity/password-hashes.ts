// Password hashes: scrypt, a few at a time.
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { IdentityError } from './errors.ts';

/**
 * 32 MiB and three passes: one of the settings that OWASP's password storage cheat sheet considers equivalent, chosen because a
 * small server can spare its memory. Each hash stores its own cost, so that the cost can be raised.
 */
const COST = { N: 2 ** 15, r: 8, p: 3 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** scrypt uses slightly more than 128·N·r bytes (RFC 7914, section 2). */
const MEMORY_MAX = 64 * 1024 * 1024;

/** Half of the four threads that also read and write files: log-ins use at most 64 MiB and block no download. */
const AT_A_TIME = 2;
/** About three seconds of work. People do not wait longer. */
const WAITING_MAX = 32;

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

export type PasswordHashes = {
  /** Throws IdentityError BUSY if too many are waiting. */
  hash(password: string): Promise<string>;
  /** Whether the password matches. Takes as long for an absent hash as for one that does not match. Throws BUSY too. */
  matches(password: string, hash: string | undefined): Promise<boolean>;
};

/** Opens the password hashing of a process; a process needs only one. */
export function openPasswordHashes(): PasswordHashes {
  const take = limit(AT_A_TIME, WAITING_MAX);
  const run = (password: string, salt: Buffer, cost = COST) =>
    // NFKC: the same characters typed on two keyboards are the same password (NIST SP 800-63B, section 5.1.1.2).
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

/** Runs at most `most` at a time, queues `waitingMost`, and rejects the others. */
function limit(most: number, waitingMost: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= most) {
      if (waiting.length >= waitingMost)
        throw new IdentityError('BUSY', 'Too many log-ins are in progress: try again in a few seconds.');
      // A call that ends passes its slot to the next in the queue, so that no later call gets it first.
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
