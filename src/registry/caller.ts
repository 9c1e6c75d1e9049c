// Who asks, and what they may do: the role and the namespace decide, a registry token can only narrow it.
import type { Role } from '../contract/vocabulary.ts';
import { namespaceOf } from './names.ts';

const ACTIONS = ['pull', 'push', 'delete'] as const;
export type Action = (typeof ACTIONS)[number];

/** What a registry token allows, as the token's `access` claim spells it (docker registry v2, "Token Authentication"). */
export type Access = { type: string; name: string; actions: string[] };

export type Caller = {
  organization_id: string;
  /** First segment of the names that are the organization's. */
  namespace: string;
  role: Role;
  /** The credential of the hosted registry behind it, which pulls as a viewer; absent for users. */
  credential_id?: string;
  /** The API token behind it, and its user. */
  token_id?: string;
  user?: { id: string; name: string };
  /** Absent: an API token, which may all that its role may. */
  access?: Access[];
};

/** Checked by name alone, never by what exists: every organization may try to pull every name, and sees only what is its own or shared. */
export function mayEver(caller: Caller, action: Action, name: string): boolean {
  return action === 'pull' || (caller.role !== 'VIEWER' && namespaceOf(name) === caller.namespace);
}

/** False when the caller's token was made for something else: a new token with this scope can help. */
export function isGranted(caller: Caller, wanted: { type: string; name: string; action: string }): boolean {
  return (
    caller.access === undefined ||
    caller.access.some(
      ({ type, name, actions }) => type === wanted.type && name === wanted.name && actions.includes(wanted.action),
    )
  );
}

/** Reads `repository:acme/redis:pull,push`; a name may hold colons (a port), so the actions are what follows the last. Undefined when it is none. */
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

/** The part of the wanted access that the caller may have; what is left out is not told. */
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
  return wanted.type === 'repository' && action !== undefined && mayEver(caller, action, wanted.name);
}
