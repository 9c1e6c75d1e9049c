// Access tokens that were verified are remembered until they end: a signature costs more than the rest of a small request.
import { createHash } from 'node:crypto';
import { isOver, type Verified } from './access-tokens.ts';
import type { Principal } from './principal.ts';

/** Some 400 bytes each. Who has more callers at a time verifies the oldest once more. */
const REMEMBERED_MAX = 10_000;

/**
 * Answers like `verify`, which is asked once for each token that it takes. What a token says never changes, and a token that was taken is
 * good until it ends, so that nothing is forgotten too late. Tokens are known by their hash: memory holds nothing to call with.
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
