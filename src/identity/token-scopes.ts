// What an API token reaches of its role: the one place that says so, for the API and the registry.
import type { Method } from '../contract/endpoint.ts';
import { type Role, TOKEN_SCOPES, type TokenScope } from '../contract/vocabulary.ts';
import type { Principal } from './principal.ts';

/** A scope and those that hold it. */
const HELD_BY: Record<TokenScope, readonly TokenScope[]> = {
  API: ['API'],
  API_READ: ['API', 'API_READ'],
  REGISTRY: ['REGISTRY'],
  REGISTRY_PULL: ['REGISTRY', 'REGISTRY_PULL'],
};

/** What a new token reaches unless told otherwise: whatever its role may. */
export const WHOLE_SCOPE: readonly TokenScope[] = ['API', 'REGISTRY'];

/** The scopes among words from elsewhere, each once and in one order. */
export function scopesAmong(words: readonly unknown[]): TokenScope[] {
  return TOKEN_SCOPES.filter((one) => words.includes(one));
}

/** Whether a caller's scopes hold this one. Who did not come by a token reaches everything. */
export function reaches({ scopes }: Pick<Principal, 'scopes'>, wanted: TokenScope): boolean {
  return scopes === undefined || HELD_BY[wanted].some((one) => scopes.includes(one));
}

/** Whether a caller's scopes let a request of this method into the API. */
export function reachesMethod(caller: Pick<Principal, 'scopes'>, method: Method): boolean {
  return reaches(caller, method === 'GET' ? 'API_READ' : 'API');
}

/** What an access token is good for, in the words of OAuth (RFC 6749, section 3.3). */
export function oauthScope(caller: Pick<Principal, 'role' | 'scopes'>): string {
  if (!reaches(caller, 'API_READ')) return '';
  return caller.role === 'VIEWER' || !reaches(caller, 'API') ? 'read' : 'read write';
}

/** The role in which a caller comes into the hosted registry: who may only pull is a viewer there. Undefined: not at all. */
export function registryRole(caller: Pick<Principal, 'role' | 'scopes'>): Role | undefined {
  if (!reaches(caller, 'REGISTRY_PULL')) return undefined;
  return reaches(caller, 'REGISTRY') ? caller.role : 'VIEWER';
}
