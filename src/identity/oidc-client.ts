// A client of the identity provider: reads its configuration, sends requests through the egress, and makes errors that
// contain no secrets.
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  type Configuration,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  None,
} from 'openid-client';
import type { Egress } from '../egress/egress.ts';
import { IDENTITY_PROVIDER_LIMITS } from '../egress/fetch-limits.ts';
import { IdentityError } from './errors.ts';
import { type Claims, claimAt, claimsNeeded } from './oidc-claims.ts';
import { fetchThrough } from './oidc-fetch.ts';
import type { OidcSettings } from './oidc-settings.ts';

/**
 * How long the provider's configuration is used. Providers rarely change their endpoints, and announce it before. If a token
 * is signed with an unknown key, the keys are fetched earlier.
 */
const KNOWN_FOR_MS = 60 * 60_000;

const ANSWER_SECONDS_MAX = IDENTITY_PROVIDER_LIMITS.timeMs / 1000;

/** Values that prove that a response of the provider belongs to a request. */
export type Checks = { state: string; nonce: string; verifier: string };

export type OidcClient = {
  /** Returns the address to which the browser is sent to log in. Throws IdentityError PROVIDER_FAILED. */
  authorizationUrl(checks: Checks, redirectUri: string): Promise<URL>;
  /**
   * Returns the verified claims of the person whom the provider sends back. `returned` is the address, with its parameters,
   * to which the provider sent the browser. Throws IdentityError SIGN_IN_DENIED and PROVIDER_FAILED.
   */
  redeem(checks: Checks, returned: URL): Promise<Claims>;
};

/** Opens the client. It sends no request before the first log-in. `now` returns milliseconds. */
export function openOidcClient(
  settings: OidcSettings,
  egress: Pick<Egress, 'fetch'>,
  now: () => number = () => performance.now(),
): OidcClient {
  let found: { at: number; configuration: Promise<Configuration> } | undefined;
  const configured = () => {
    if (found === undefined || found.at + KNOWN_FOR_MS < now()) {
      const one = { at: now(), configuration: discover(settings, egress) };
      found = one;
      // A failed request is not kept, so that the next log-in sends a new request.
      one.configuration.catch(() => {
        if (found === one) found = undefined;
      });
    }
    return found.configuration;
  };
  return {
    authorizationUrl: (checks, redirectUri) =>
      withReadableErrors(async () => {
        const challenge = await calculatePKCECodeChallenge(checks.verifier);
        return buildAuthorizationUrl(await configured(), {
          ...{ redirect_uri: redirectUri, scope: settings.scopes.join(' ') },
          ...{ state: checks.state, nonce: checks.nonce },
          ...{ code_challenge: challenge, code_challenge_method: 'S256' },
        });
      }),
    redeem: (checks, returned) =>
      withReadableErrors(async () => redeem(await configured(), { checks, returned, needed: claimsNeeded(settings) })),
  };
}

function discover(settings: OidcSettings, egress: Pick<Egress, 'fetch'>): Promise<Configuration> {
  const { issuer, clientId, clientSecret } = settings;
  const server = new URL(issuer);
  const isPlain = server.protocol === 'http:';
  return discovery(server, clientId, {}, clientSecret === undefined ? None() : secretOf(clientSecret), {
    // Also checks the signature of the ID token. The token comes directly from the provider, but a proxy in between could
    // change it.
    execute: [enableNonRepudiationChecks, ...(isPlain ? [allowInsecureRequests] : [])],
    [customFetch]: fetchThrough(egress),
    timeout: ANSWER_SECONDS_MAX,
  });
}

/**
 * Sends the client secret in the way that the provider announces. The default is HTTP Basic (OpenID Connect Discovery 1.0,
 * section 3).
 */
function secretOf(secret: string): ClientAuth {
  const [basic, post] = [ClientSecretBasic(secret), ClientSecretPost(secret)];
  return (server, ...rest) => {
    const { token_endpoint_auth_methods_supported: methods = ['client_secret_basic'] } = server;
    const way = methods.includes('client_secret_basic') ? basic : post;
    return way(server, ...rest);
  };
}

type Return = { checks: Checks; returned: URL; needed: string[] };

async function redeem(configuration: Configuration, { checks, returned, needed }: Return): Promise<Claims> {
  const tokens = await authorizationCodeGrant(configuration, returned, {
    expectedState: checks.state,
    expectedNonce: checks.nonce,
    pkceCodeVerifier: checks.verifier,
    idTokenExpected: true,
  });
  const claims = tokens.claims();
  if (claims === undefined) throw new IdentityError('PROVIDER_FAILED', 'The provider sent no ID token.');
  const isWhole = needed.every((name) => claimAt(claims, name) !== undefined);
  if (isWhole || configuration.serverMetadata().userinfo_endpoint === undefined) return claims;
  const more = await fetchUserInfo(configuration, tokens.access_token, claims.sub);
  return { ...more, ...claims };
}

async function withReadableErrors<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw toIdentityError(error);
  }
}

/** An error code of RFC 6749 or OpenID Connect. It has only letters and underscores, so an attacker cannot put a text into it. */
const ERROR_CODE = /^[a-z_]{1,40}$/;

/**
 * Converts an error to an IdentityError. Drops the cause, because it contains claims, tokens and parameters. Its code is
 * enough for the log. Also drops the provider's description, because an attacker can write any description into the address
 * of a response.
 */
function toIdentityError(error: unknown): IdentityError {
  if (error instanceof IdentityError) return error;
  const { name, code, error: answered } = error as { name?: unknown; code?: unknown; error?: unknown };
  if (name === 'AuthorizationResponseError') {
    const word = typeof answered === 'string' && ERROR_CODE.test(answered) ? ` Its error code is ${answered}.` : '';
    return new IdentityError('SIGN_IN_DENIED', `The identity provider rejected the log-in.${word}`);
  }
  const reason = reasonOf(String(code), answered) ?? reasonOf(codeBelow(error), undefined);
  return new IdentityError(
    'PROVIDER_FAILED',
    reason ?? `The identity provider cannot be reached: ${codeBelow(error)}.`,
  );
}

function reasonOf(code: string, answered: unknown): string | undefined {
  if (code === 'EGRESS_REFUSED') {
    return 'The identity provider is at a private address that the operator has not allowed (LARDER_EGRESS_ALLOW).';
  }
  // The client id or secret is wrong (RFC 6749, section 5.2). This is the most frequent mistake of operators.
  if (code === 'OAUTH_WWW_AUTHENTICATE_CHALLENGE' || answered === 'invalid_client') {
    return 'The identity provider rejects the client id or its secret (LARDER_OIDC_CLIENT_ID, LARDER_OIDC_CLIENT_SECRET).';
  }
  if (code === 'OAUTH_RESPONSE_BODY_ERROR') {
    const word = typeof answered === 'string' && ERROR_CODE.test(answered) ? answered : 'an error';
    return `The identity provider answers ${word} when the code of the log-in is redeemed.`;
  }
  if (code === 'OAUTH_TIMEOUT' || code === 'TIMEOUT')
    return `The identity provider did not answer within ${ANSWER_SECONDS_MAX} seconds.`;
  if (code === 'ANSWER_TOO_LARGE') return 'The response of the identity provider is too large.';
  if (code === 'ANSWER_ENCODED')
    return 'The response of the identity provider is compressed although the request did not allow it.';
  return code.startsWith('OAUTH_') ? `The response of the identity provider is not valid: ${code}.` : undefined;
}

/** Returns the code of the innermost error. */
function codeBelow(error: unknown): string {
  let code = 'no answer';
  for (let one = error; one instanceof Error; one = one.cause) {
    if ('code' in one && typeof one.code === 'string') code = one.code;
  }
  return code;
}
