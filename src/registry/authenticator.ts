// Authentication at the registry: finds the caller of an Authorization header. Verified credentials are cached for
// CREDENTIAL_CACHE_MS.
import { createHash } from 'node:crypto';
import { ROLES } from '../contract/vocabulary.ts';
import type { Attempt } from '../identity/failed-logins.ts';
import type { Identity } from '../identity/identity.ts';
import type { TokenHolder } from '../identity/token-holders.ts';
import { registryRole } from '../identity/token-scopes.ts';
import type { Access, Caller } from './caller.ts';
import { Rejection } from './rejection.ts';

/**
 * The functions of identity that the registry uses. They find the holders of API tokens and credentials, and sign and verify
 * registry tokens.
 */
export type RegistryIdentity = Pick<
  Identity,
  | 'findTokenHolder'
  | 'findTokenHolderById'
  | 'findRegistryGuest'
  | 'useRegistryCredential'
  | 'signToken'
  | 'verifyToken'
  | 'failedLogins'
>;

/**
 * How long a verified API token is cached. With this, a push of a thousand requests needs only one query. A revoked API
 * token, and the registry tokens made from it, are still accepted for at most this time. A revoked credential of the registry
 * is rejected at once.
 */
const CREDENTIAL_CACHE_MS = 5_000;

/** The most cached credentials. The oldest are dropped. */
const CREDENTIALS_MAX = 10_000;

/**
 * The audience of registry tokens, and the `service` of the challenge. The API has another audience. So the API rejects
 * registry tokens, and the registry rejects tokens of the API.
 */
export const SERVICE = 'larder-registry';

export type Authenticator = {
  /**
   * Returns the caller that an Authorization header identifies. Returns undefined if the credentials are missing or wrong.
   * Throws TOOMANYREQUESTS.
   */
  authenticate(authorization: string | undefined, address: string): Promise<Caller | undefined>;
};

type Remembered = { caller: Promise<Caller | undefined>; until: number };

/** Opens the authenticator. `now` returns milliseconds. */
export function openAuthenticator(identity: RegistryIdentity, now: () => number = Date.now): Authenticator {
  const remembered = new Map<string, Remembered>();
  const verify = async (authorization: string, key: string) => {
    const caller = await verifyCredentials(identity, authorization).catch((error: unknown) => {
      remembered.delete(key);
      throw error;
    });
    if (caller === undefined) {
      remembered.delete(key);
    }
    return caller;
  };
  return {
    async authenticate(authorization, address) {
      if (authorization === undefined) {
        return undefined;
      }
      const key = createHash('sha256').update(authorization).digest('base64');
      const known = remembered.get(key);
      if (known !== undefined && known.until > now()) {
        return await ifStillValid(identity, await known.caller);
      }
      const attempt = { address, secret: passwordIn(authorization) ?? '' };
      const isLogin = attempt.secret !== '';
      requireWait(isLogin ? identity.failedLogins.waitBefore(attempt) : 0);
      const caller = verify(authorization, key);
      remember(remembered, key, { caller, until: now() + CREDENTIAL_CACHE_MS });
      const admitted = await ifStillValid(identity, await caller);
      // An expired or damaged registry token is not a failed log-in, because its holder will log in to get a new token.
      if (isLogin) {
        countLogin(identity, attempt, admitted !== undefined);
      }
      return admitted;
    },
  };
}

/**
 * Counts a successful or failed log-in. Throws TOOMANYREQUESTS if the account has had too many failed log-ins, from any
 * address.
 */
function countLogin(identity: RegistryIdentity, attempt: Attempt, isGood: boolean): void {
  if (isGood) {
    identity.failedLogins.succeeded(attempt);
  } else {
    requireWait(identity.failedLogins.failed(attempt));
  }
}

function requireWait(seconds: number): void {
  if (seconds > 0) {
    throw new Rejection('TOOMANYREQUESTS', `too many failed log-ins: try again in ${seconds} s`, {
      headers: { 'retry-after': String(seconds) },
    });
  }
}

/**
 * Checks a credential of the registry at each request, even if the request has a registry token that was made from it. So a
 * revocation takes effect at once on all servers.
 */
async function ifStillValid(identity: RegistryIdentity, caller: Caller | undefined): Promise<Caller | undefined> {
  if (caller?.credential_id === undefined) {
    return caller;
  }
  return (await identity.useRegistryCredential(caller.credential_id)) ? caller : undefined;
}

/** Stores the promise and not its result, so that many simultaneous requests with one credential need one query. */
function remember(remembered: Map<string, Remembered>, key: string, entry: Remembered): void {
  remembered.delete(key);
  remembered.set(key, entry);
  const [oldest] = remembered.keys();
  if (remembered.size > CREDENTIALS_MAX && oldest !== undefined) {
    remembered.delete(oldest);
  }
}

/** Returns the password of basic credentials. Returns undefined for other schemes. */
function passwordIn(authorization: string): string | undefined {
  const basic = /^basic +([^\s,]+)$/i.exec(authorization)?.[1];
  return basic === undefined ? undefined : passwordOf(basic);
}

async function verifyCredentials(identity: RegistryIdentity, authorization: string): Promise<Caller | undefined> {
  const [, scheme = '', value = ''] = /^(\w+) +([^\s,]+)$/.exec(authorization) ?? [];
  switch (scheme.toLowerCase()) {
    case 'basic':
      return await callerOfPassword(identity, passwordOf(value));
    case 'bearer':
      return await callerOfRegistryToken(identity, value);
    default:
      return undefined;
  }
}

/** Returns the password of basic credentials. The user name is ignored, because the password alone identifies the caller. */
function passwordOf(basic: string): string {
  const text = Buffer.from(basic, 'base64').toString('utf8');
  return text.slice(text.indexOf(':') + 1);
}

async function callerOfPassword(identity: RegistryIdentity, password: string): Promise<Caller | undefined> {
  if (password === '') {
    return undefined;
  }
  const guest = await identity.findRegistryGuest(password);
  if (guest !== undefined) {
    return { ...guest, role: 'VIEWER' };
  }
  return callerOfHolder(await identity.findTokenHolder(password));
}

function callerOfHolder(holder: TokenHolder | undefined): Caller | undefined {
  const role = holder && registryRole(holder.principal);
  if (holder === undefined || role === undefined) {
    return undefined;
  }
  const { organization_id, token_id, user_id, name } = holder.principal;
  return { organization_id, namespace: holder.namespace, role, token_id, user: { id: user_id, name } };
}

async function callerOfRegistryToken(identity: RegistryIdentity, jwt: string): Promise<Caller | undefined> {
  const claims = await identity.verifyToken(jwt, { audience: SERVICE }).catch(() => undefined);
  const access = (claims?.['access'] ?? []) as Access[];
  const tokenId = claims?.['token_id'];
  if (typeof tokenId === 'string') {
    // The caller gets the API token's current rights. The token may have had other rights when the registry token was made
    // from it.
    const caller = callerOfHolder(await identity.findTokenHolderById(tokenId));
    return caller && { ...caller, access };
  }
  const role = ROLES.find((known) => known === claims?.['role']);
  const [organizationId, namespace, credentialId] = ['organization_id', 'namespace', 'credential_id'].map(
    (name) => claims?.[name],
  );
  if (role === undefined || typeof organizationId !== 'string' || typeof namespace !== 'string') {
    return undefined;
  }
  return {
    organization_id: organizationId,
    namespace,
    role,
    ...(typeof credentialId === 'string' && { credential_id: credentialId }),
    access,
  };
}
