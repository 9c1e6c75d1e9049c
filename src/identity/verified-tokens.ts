// Remembers verified access tokens until they expire: checking a signature costs more than the rest of a small request.
import { createHash } from 'node:crypto';
import { isOver, type Verified } from './access-tokens.ts';
import type { Principal } from './principal.ts';

/** About 400 bytes each. With more concurrent callers, the oldest token is verified again. */
const REMEMBERED_MAX = 10_000;

/**
 * Returns the result of `verify`, which is called once for each token that it accepts. The content of a token never changes, and
 * an accepted token is valid until it expires, so the cache is never stale. Tokens are stored by hash: memory contains no usable
 * token.
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
