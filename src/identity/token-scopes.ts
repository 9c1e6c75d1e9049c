// The scopes of API tokens: the only place that defines what they allow, for the API and the registry.
import type { Method } from '../contract/endpoint.ts';
import { type Role, TOKEN_SCOPES, type TokenScope } from '../contract/vocabulary.ts';
import type { Principal } from './principal.ts';

/** Each scope with the scopes that include it. */
const HELD_BY: Record<TokenScope, readonly TokenScope[]> = {
  API: ['API'],
  API_READ: ['API', 'API_READ'],
  REGISTRY: ['REGISTRY'],
  REGISTRY_PULL: ['REGISTRY', 'REGISTRY_PULL'],
};

/** The default scopes of a new token: all that its role allows. */
export const WHOLE_SCOPE: readonly TokenScope[] = ['API', 'REGISTRY'];

/** Returns the scopes among untrusted values, each once and in a fixed order. */
export function scopesAmong(words: readonly unknown[]): TokenScope[] {
  return TOKEN_SCOPES.filter((one) => words.includes(one));
}

/** Whether a caller's scopes include this one. Callers without a token have all scopes. */
export function reaches({ scopes }: Pick<Principal, 'scopes'>, wanted: TokenScope): boolean {
  return scopes === undefined || HELD_BY[wanted].some((one) => scopes.includes(one));
}

/** Whether a caller's scopes allow API requests of this method. */
export function reachesMethod(caller: Pick<Principal, 'scopes'>, method: Method): boolean {
  return reaches(caller, method === 'GET' ? 'API_READ' : 'API');
}

/** The scopes of an access token in the syntax of OAuth (RFC 6749, section 3.3). */
export function oauthScope(caller: Pick<Principal, 'role' | 'scopes'>): string {
  if (!reaches(caller, 'API_READ')) return '';
  return caller.role === 'VIEWER' || !reaches(caller, 'API') ? 'read' : 'read write';
}

/** The role of a caller in the hosted registry: with pull access only, viewer. Undefined: no access. */
export function registryRole(caller: Pick<Principal, 'role' | 'scopes'>): Role | undefined {
  if (!reaches(caller, 'REGISTRY_PULL')) return undefined;
  return reaches(caller, 'REGISTRY') ? caller.role : 'VIEWER';
}
