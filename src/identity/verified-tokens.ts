// Remembers verified access tokens until they expire. A signature check costs more than all other work of a small request.
import { createHash } from 'node:crypto';
import { isOver, type Verified } from './access-tokens.ts';
import type { Principal } from './principal.ts';

/**
 * How many tokens are remembered, at about 400 bytes each. If more callers are active, the oldest entries are dropped and
 * these tokens are verified again.
 */
const REMEMBERED_MAX = 10_000;

/**
 * Returns a function that remembers the results of `verify`, so that it calls `verify` only once for each accepted token.
 * This is safe, because the content of a token never changes, and an accepted token is valid until it expires. Tokens are
 * remembered by their hash, so that the memory contains no usable token.
 */
export function rememberVerified(
  verify: (jwt: string) => Promise<Verified>,
  options: { ended?: (verified: Verified) => boolean; most?: number } = {},
): (jwt: string) => Promise<Principal> {
  const { ended = isOver, most = REMEMBERED_MAX } = options;
  const known = new Map<string, Verified>();
  return async (jwt) => {
    const hash = createHash('sha256').update(jwt).digest('base64');
    const remembered = known.get(hash);
    if (remembered !== undefined && !ended(remembered)) return remembered.principal;
    known.delete(hash);
    const verified = await verify(jwt);
    known.set(hash, verified);
    const [oldest] = known.keys();
    if (known.size > most && oldest !== undefined) known.delete(oldest);
    return verified.principal;
  };
}
