// The scopes of API tokens. Only this file defines what each scope allows in the API and in the registry.
import type { Method } from '../contract/endpoint.ts';
import { type Role, TOKEN_SCOPES, type TokenScope } from '../contract/vocabulary.ts';
import type { Principal } from './principal.ts';

/** For each scope, the scopes of a token that include this scope. */
const HELD_BY: Record<TokenScope, readonly TokenScope[]> = {
  API: ['API'],
  API_READ: ['API', 'API_READ'],
  REGISTRY: ['REGISTRY'],
  REGISTRY_PULL: ['REGISTRY', 'REGISTRY_PULL'],
};

/** The scopes of a new token by default. They allow everything that the token's role allows. */
export const WHOLE_SCOPE: readonly TokenScope[] = ['API', 'REGISTRY'];

/** Returns the valid scopes among untrusted values, without duplicates and in a fixed order. */
export function scopesAmong(words: readonly unknown[]): TokenScope[] {
  return TOKEN_SCOPES.filter((one) => words.includes(one));
}

/** Whether the caller's scopes include this scope. A caller without a token has all scopes. */
export function reaches({ scopes }: Pick<Principal, 'scopes'>, wanted: TokenScope): boolean {
  return scopes === undefined || HELD_BY[wanted].some((one) => scopes.includes(one));
}

/** Whether the caller's scopes allow requests to the API with this method. */
export function reachesMethod(caller: Pick<Principal, 'scopes'>, method: Method): boolean {
  return reaches(caller, method === 'GET' ? 'API_READ' : 'API');
}

/** Returns the scopes for an access token, in the syntax of OAuth (RFC 6749, section 3.3). */
export function oauthScope(caller: Pick<Principal, 'role' | 'scopes'>): string {
  if (!reaches(caller, 'API_READ')) return '';
  return caller.role === 'VIEWER' || !reaches(caller, 'API') ? 'read' : 'read write';
}

/**
 * Returns the role of a caller in the hosted registry: viewer if the scopes only allow pulls, and undefined if they allow no
 * access.
 */
export function registryRole(caller: Pick<Principal, 'role' | 'scopes'>): Role | undefined {
  if (!reaches(caller, 'REGISTRY_PULL')) return undefined;
  return reaches(caller, 'REGISTRY') ? caller.role : 'VIEWER';
}
