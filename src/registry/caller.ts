// The caller of a request and its rights. The rights come from the caller's role and namespace. A registry token can only
// reduce them.
import type { Role } from '../contract/vocabulary.ts';
import { namespaceOf } from './names.ts';

const ACTIONS = ['pull', 'push', 'delete'] as const;
export type Action = (typeof ACTIONS)[number];

/** The rights of a registry token, in the format of its `access` claim (docker registry v2, "Token Authentication"). */
export type Access = { type: string; name: string; actions: string[] };

export type Caller = {
  organization_id: string;
  /** The first segment of the names of the organization's repositories. */
  namespace: string;
  role: Role;
  /** The credential of the hosted registry with which the caller authenticated. Its role is viewer. Absent for users. */
  credential_id?: string;
  /** The API token with which the caller authenticated. The next field is the token's user. */
  token_id?: string;
  user?: { id: string; name: string };
  /** The rights of a registry token. Absent for an API token, which has all rights of its role. */
  access?: Access[];
};

/**
 * Whether the caller's role and namespace allow an action on a name. This does not depend on whether the repository exists.
 * Every organization may try to pull every name, but it finds only its own repositories and the shared repositories.
 */
export function isAllowedByRole(caller: Caller, action: Action, name: string): boolean {
  return action === 'pull' || (caller.role !== 'VIEWER' && namespaceOf(name) === caller.namespace);
}

/** Whether the caller's token includes this right. If not, the client can request a new token with this right. */
export function isGranted(caller: Caller, wanted: { type: string; name: string; action: string }): boolean {
  return (
    caller.access === undefined ||
    caller.access.some(
      ({ type, name, actions }) => type === wanted.type && name === wanted.name && actions.includes(wanted.action),
    )
  );
}

/**
 * Parses `repository:acme/redis:pull,push`. Returns undefined for other texts. A name may contain colons (before a port), so
 * the actions come after the last colon.
 */
export function parseScope(scope: string): Access | undefined {
  const [first, last] = [scope.indexOf(':'), scope.lastIndexOf(':')];
  if (first < 1 || last <= first + 1) {
    return undefined;
  }
  const actions = scope
    .slice(last + 1)
    .split(',')
    .filter(Boolean);
  return { type: scope.slice(0, first), name: scope.slice(first + 1, last), actions };
}

/** Returns the requested rights that the caller may have. Other requested rights are omitted without an error. */
export function grantedPart(caller: Caller, wanted: Access[]): Access[] {
  return wanted.map(({ type, name, actions }) => ({
    type,
    name,
    actions: actions.filter((action) => isAllowed(caller, { type, name, action })),
  }));
}

function isAllowed(caller: Caller, wanted: { type: string; name: string; action: string }): boolean {
  if (wanted.type === 'registry') {
    return wanted.name === 'catalog' && wanted.action === '*';
  }
  const action = ACTIONS.find((known) => known === wanted.action);
  return wanted.type === 'repository' && action !== undefined && isAllowedByRole(caller, action, wanted.name);
}
