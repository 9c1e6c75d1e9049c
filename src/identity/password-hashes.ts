// Passwords as they are kept: scrypt, a few at a time.
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { IdentityError } from './errors.ts';

/**
 * 32 MiB and three passes: one of the settings that OWASP's password storage cheat sheet holds to be equal, and the one whose memory
 * a small server can spare. Each hash carries its own, so that they can be raised.
 */
const COST = { N: 2 ** 15, r: 8, p: 3 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** scrypt takes 128·N·r bytes and a little more (RFC 7914, section 2). */
const MEMORY_MAX = 64 * 1024 * 1024;

/** Two of the four threads that read and write files too: whoever logs in takes 64 MiB at most and stops no download. */
const AT_A_TIME = 2;
/** Some three seconds of work. More would wait longer than people do. */
const WAITING_MAX = 32;

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

export type PasswordHashes = {
  /** Throws IdentityError BUSY when too many wait. */
  hash(password: string): Promise<string>;
  /** Takes as long for an absent hash as for one that does not match. Throws the same. */
  matches(password: string, hash: string | undefined): Promise<boolean>;
};

/** Makes the one place of a process where passwords are hashed. */
export function openPasswordHashes(): PasswordHashes {
  const take = limit(AT_A_TIME, WAITING_MAX);
  const run = (password: string, salt: Buffer, cost = COST) =>
    // NFKC: the same keys of two keyboards are the same password (NIST SP 800-63B, section 5.1.1.2).
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

/** Runs so many at a time, queues so many, and rejects the others. */
function limit(most: number, waitingMost: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= most) {
      if (waiting.length >= waitingMost) throw new IdentityError('BUSY', 'Too many people log in at this moment.');
      // Whoever ends hands its place on, so that nobody slips in between.
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
