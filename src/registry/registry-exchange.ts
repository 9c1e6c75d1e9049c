// An authorized request with its reply, and functions that read the request.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Digest, isDigest } from '../content/digest.ts';
import { actorOf } from './actor.ts';
import type { Caller } from './caller.ts';
import type { Asked } from './paths.ts';
import type { RegistryContext } from './registry-context.ts';
import { Rejection } from './rejection.ts';
import type { RepositoryRef } from './repositories.ts';

export type Kind = Asked['kind'];

export type RegistryExchange<K extends Kind = Kind> = {
  context: RegistryContext;
  caller: Caller;
  asked: Extract<Asked, { kind: K }>;
  request: FastifyRequest;
  reply: FastifyReply;
  query: URLSearchParams;
};

export type Answer<K extends Kind> = (exchange: RegistryExchange<K>) => Promise<unknown>;

/** Returns the repository of an exchange, for the caller's organization. */
export function repositoryOf(
  exchange: Pick<RegistryExchange, 'caller' | 'request'> & { asked: { name: string } },
): RepositoryRef {
  return { organization_id: exchange.caller.organization_id, name: exchange.asked.name, by: actorOf(exchange) };
}

/** Returns a sha256 digest. Throws DIGEST_INVALID for any other text. */
export function readDigest(text: string | null): Digest {
  if (text === null || !isDigest(text)) {
    throw new Rejection('DIGEST_INVALID', 'a digest must be "sha256:" followed by 64 lower-case hexadecimal digits');
  }
  return text;
}

/**
 * Returns the parameter `n` of a list, but at most `limit`. Without the parameter, returns `limit`. Throws UNSUPPORTED with
 * status 400 if the parameter is not a number.
 */
export function readLimit(query: URLSearchParams, limit: number): number {
  const text = query.get('n');
  if (text === null) {
    return limit;
  }
  if (!/^\d{1,9}$/.test(text)) {
    throw new Rejection('UNSUPPORTED', 'n must be a whole number', { status: 400 });
  }
  return Math.min(Number(text), limit);
}

/** Returns the Link header with the next page of a list (RFC 8288). */
export function nextLink(path: string, query: Record<string, string>): string {
  return `<${path}?${new URLSearchParams(query)}>; rel="next"`;
}
