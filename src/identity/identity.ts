// The identity of one installation: its opened keys, and the functions that endpoints call.
import type { JSONWebKeySet } from 'jose';
import { type Database, inTransaction } from '../db/database.ts';
import type { Egress } from '../egress/egress.ts';
import {
  EXPIRES_IN_SECONDS,
  requireOtherAudience,
  signAccessToken,
  signToken,
  type TokenOptions,
  verifyAccessToken,
  verifyToken,
} from './access-tokens.ts';
import { findChangedUsers, followChangedUsers } from './changed-users.ts';
import { countFailedLogins, type FailedLogins, type LoginLimits } from './failed-logins.ts';
import { ensureInstallation } from './installation.ts';
import { deriveKey, type InstallationKey } from './installation-key.ts';
import { openKeyRing } from './key-ring.ts';
import { type OidcProvider, openOidcProvider } from './oidc.ts';
import type { OidcSettings } from './oidc-settings.ts';
import type { Seals } from './oidc-tickets.ts';
import { openPasswordHashes, type PasswordHashes } from './password-hashes.ts';
import type { Principal } from './principal.ts';
import { findRegistryGuest, type RegistryGuest, useRegistryCredential } from './registry-passwords.ts';
import { ensureReleaseKeys } from './release-signing-keys.ts';
import { type SealOwner, seal, unseal } from './sealed.ts';
import { getSessionHolder } from './sessions.ts';
import { ensureSigningKey, loadSigningKeys } from './signing-keys.ts';
import { findTokenHolder, findTokenHolderById, getTokenHolder, type TokenHolder } from './token-holders.ts';
import { oauthScope } from './token-scopes.ts';
import { rememberVerified } from './verified-tokens.ts';
import type { WaysIn } from './ways-in.ts';

/** The response to a token exchange, with the fields of version 1 of the API (api.md, section 4). */
type ExchangedToken = {
  id_token: null;
  token_type: 'bearer';
  /** In seconds. */
  expires_in: number;
  scope: string;
  access_token: string;
  refresh_token: string;
};

export type Identity = {
  /**
   * Returns the caller of an access token. The caller has at most the rights that the user has now. Throws IdentityError
   * TOKEN_MISSING, TOKEN_INVALID or TOKEN_EXPIRED.
   */
  verifyAccessToken(jwt: string): Promise<Principal>;
  /** Exchanges an API token for an access token. Throws the errors of `verifyAccessToken`. */
  exchangeApiToken(apiToken: string): Promise<ExchangedToken>;
  findTokenHolder(apiToken: string): Promise<TokenHolder | undefined>;
  /** Returns the holder of an API token that was accepted earlier, or undefined if the token is no longer valid. */
  findTokenHolderById(tokenId: string): Promise<TokenHolder | undefined>;
  /** Returns the holder of the credential for the hosted registry that has this password. */
  findRegistryGuest(password: string): Promise<RegistryGuest | undefined>;
  /** Whether this credential of a hosted registry is still valid. */
  useRegistryCredential(credentialId: string): Promise<boolean>;
  signToken(claims: Record<string, unknown>, options: TokenOptions): Promise<string>;
  verifyToken(jwt: string, options: { audience: string }): Promise<Record<string, unknown>>;
  jwks(): Promise<JSONWebKeySet>;
  seal(plaintext: string, owner: SealOwner): Buffer;
  unseal(sealed: Buffer, owner: SealOwner): string;
  /** A key of 32 bytes with which links to files are signed. */
  fileKey: Buffer;
  /**
   * Counts failed log-ins. Each endpoint that accepts secrets asks this counter before it checks a secret, and reports the
   * result after the check.
   */
  failedLogins: FailedLogins;
  /** Returns the user of a session. `secret` is the value of the session's cookie. Throws IdentityError SESSION_OVER. */
  getSessionHolder(secret: string): Promise<Principal>;
  /** Undefined if people cannot log in with a password. */
  passwords: PasswordHashes | undefined;
  /** Absent if no identity provider is configured. */
  oidc?: OidcProvider;
  /** How owners can log in without an API token. */
  waysIn: WaysIn;
};

export type IdentityOptions = {
  loginLimits?: LoginLimits;
  /** False if people cannot log in with a password. */
  passwords?: boolean;
  /** The settings of the identity provider, and the egress for requests to it. */
  oidc?: OidcSettings;
  egress?: Pick<Egress, 'fetch'>;
};

/**
 * Opens the identity of an installation. The first start creates the installation's row and its signing key. Every start
 * creates a key for releases for each organization without one. Throws IdentityError KEY_WRONG if the database was set up
 * with another key.
 */
export async function openIdentity(
  db: Database,
  key: InstallationKey,
  options: IdentityOptions = {},
): Promise<Identity> {
  await inTransaction(db, async (tx) => {
    await ensureInstallation(tx, key);
    await ensureSigningKey(tx, key);
  });
  const keys = await openKeyRing(() => loadSigningKeys(db, key));
  const seals: Seals = {
    seal: (plaintext, owner) => seal(key, plaintext, owner),
    unseal: (sealed, owner) => unseal(key, sealed, owner),
  };
  await ensureReleaseKeys(db, seals);
  const { oidc, egress, passwords = true } = options;
  const waysIn: WaysIn = { passwords, issuer: oidc?.issuer };
  const verified = rememberVerified(async (jwt) => verifyAccessToken(await keys.forToken(jwt), jwt));
  const current = followChangedUsers(() => findChangedUsers(db));
  return {
    verifyAccessToken: async (jwt) => current(await verified(jwt)),
    async exchangeApiToken(apiToken) {
      const { principal } = await getTokenHolder(db, apiToken);
      return {
        id_token: null,
        token_type: 'bearer',
        expires_in: EXPIRES_IN_SECONDS,
        scope: oauthScope(principal),
        access_token: await signAccessToken(await keys.fresh(), principal),
        refresh_token: apiToken,
      };
    },
    findTokenHolder: (apiToken) => findTokenHolder(db, apiToken),
    findTokenHolderById: (tokenId) => findTokenHolderById(db, tokenId),
    findRegistryGuest: (password) => findRegistryGuest(db, password),
    useRegistryCredential: (credentialId) => useRegistryCredential(db, credentialId),
    signToken(claims, options) {
      requireOtherAudience(options);
      return keys.fresh().then((fresh) => signToken(fresh, claims, options));
    },
    verifyToken: async (jwt, options) => verifyToken(await keys.forToken(jwt), jwt, options),
    jwks: async () => (await keys.fresh()).jwks,
    ...seals,
    fileKey: deriveKey(key.current, 'file links'),
    failedLogins: countFailedLogins(options.loginLimits),
    getSessionHolder: (secret) => getSessionHolder(db, secret),
    passwords: passwords ? openPasswordHashes() : undefined,
    waysIn,
    ...(oidc && egress && { oidc: openOidcProvider(oidc, { db, egress, seals, waysIn }) }),
  };
}
