// Signed tokens with a short lifetime: access tokens for the API, and tokens that the registry issues for its own audience.
import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { ROLES } from '../contract/vocabulary.ts';
import { IdentityError } from './errors.ts';
import type { Principal } from './principal.ts';
import { SIGNING_ALGORITHM, type SigningKeys } from './signing-keys.ts';
import { scopesAmong } from './token-scopes.ts';

/** Half an hour. The response states one second less, as version 1 of the API does (api.md, section 4). */
export const ACCESS_TOKEN_SECONDS = 1800;
export const EXPIRES_IN_SECONDS = ACCESS_TOKEN_SECONDS - 1;

const API_AUDIENCE = 'larder-api';

/**
 * The type of access tokens (RFC 9068, section 2.1). It prevents that another JWT of this installation is accepted as an
 * access token.
 */
const ACCESS_TOKEN_TYPE = 'at+jwt';
const OTHER_TYPE = 'JWT';

/** The clocks of an installation's servers may differ by this much. */
const CLOCK_TOLERANCE_SECONDS = 5;

/** An access token has less than 1 KiB. A token of the registry with many scopes has less than 16 KiB. */
const TOKEN_LENGTH_MAX = 32 * 1024;

export type TokenOptions = { audience: string; lifetimeSeconds: number };

/**
 * Signs an access token for a principal. `issuedAt` is for tests. The times come from this process's clock, because a query
 * for the database's clock at each request would cost too much. A lifetime of half an hour may be wrong by a few seconds.
 */
export function signAccessToken(keys: SigningKeys, principal: Principal, issuedAt = new Date()): Promise<string> {
  const { organization_id, user_id, name, role, scopes, token_id } = principal;
  const claims = {
    ...{ sub: user_id, organization_id, name, role },
    ...(scopes !== undefined && { scopes }),
    ...(token_id !== undefined && { token_id }),
  };
  return sign(keys, claims, {
    audience: API_AUDIENCE,
    lifetimeSeconds: ACCESS_TOKEN_SECONDS,
    type: ACCESS_TOKEN_TYPE,
    issuedAt,
  });
}

/**
 * The principal of a token, and the time until which the token is accepted, in milliseconds since 1970. The time includes
 * CLOCK_TOLERANCE_SECONDS.
 */
export type Verified = { principal: Principal; untilMs: number };

/**
 * Returns the principal of an access token that this installation signed. Throws IdentityError TOKEN_MISSING, TOKEN_INVALID or
 * TOKEN_EXPIRED.
 */
export async function verifyAccessToken(keys: SigningKeys, jwt: string): Promise<Verified> {
  if (jwt === '') throw new IdentityError('TOKEN_MISSING', 'Access token required');
  const claims = await verify(keys, jwt, { audience: API_AUDIENCE, type: ACCESS_TOKEN_TYPE });
  const { sub, organization_id, name, scopes, token_id, exp = 0 } = claims;
  const role = ROLES.find((one) => one === claims['role']);
  if (typeof sub !== 'string' || typeof organization_id !== 'string' || typeof name !== 'string' || !role) {
    throw invalid();
  }
  if (scopes !== undefined && !Array.isArray(scopes)) throw invalid();
  const principal = {
    ...{ organization_id, user_id: sub, name, role },
    ...(scopes !== undefined && { scopes: scopesAmong(scopes) }),
    ...(typeof token_id === 'string' && { token_id }),
  };
  return { principal, untilMs: (exp + CLOCK_TOLERANCE_SECONDS) * 1000 };
}

/** Whether a verified token has expired since its verification. Uses the same clock as the verification. */
export function isOver({ untilMs }: Verified): boolean {
  return Date.now() >= untilMs;
}

/** Throws TypeError for the audience of access tokens, which only `signAccessToken` may use. */
export function requireOtherAudience({ audience }: TokenOptions): void {
  if (audience === API_AUDIENCE) throw new TypeError('Access tokens are signed by signAccessToken');
}

/** Signs claims for an audience that is not the API. */
export function signToken(keys: SigningKeys, claims: Record<string, unknown>, options: TokenOptions): Promise<string> {
  requireOtherAudience(options);
  return sign(keys, claims, { ...options, type: OTHER_TYPE, issuedAt: new Date() });
}

/** Returns the claims of a token that this installation signed for this audience. Throws IdentityError. */
export function verifyToken(keys: SigningKeys, jwt: string, options: { audience: string }): Promise<JWTPayload> {
  return verify(keys, jwt, { ...options, type: OTHER_TYPE });
}

function sign(
  keys: SigningKeys,
  claims: Record<string, unknown>,
  options: TokenOptions & { type: string; issuedAt: Date },
): Promise<string> {
  const issuedAt = Math.floor(options.issuedAt.getTime() / 1000);
  return new SignJWT(claims)
    .setProtectedHeader({ alg: SIGNING_ALGORITHM, kid: keys.current.kid, typ: options.type })
    .setIssuer(keys.issuer)
    .setAudience(options.audience)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + options.lifetimeSeconds)
    .sign(keys.current.privateKey);
}

async function verify(
  keys: SigningKeys,
  jwt: string,
  options: { audience: string; type: string },
): Promise<JWTPayload> {
  if (jwt.length > TOKEN_LENGTH_MAX) throw invalid();
  try {
    const { payload } = await jwtVerify(jwt, ({ kid }) => publicKey(keys, kid), {
      algorithms: [SIGNING_ALGORITHM],
      issuer: keys.issuer,
      audience: options.audience,
      typ: options.type,
      requiredClaims: ['iat', 'exp'],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    });
    return payload;
  } catch (cause) {
    // jose checks the signature before the times. So TOKEN_EXPIRED is only thrown for tokens that this installation signed.
    if (cause instanceof errors.JWTExpired) {
      throw new IdentityError('TOKEN_EXPIRED', 'The token has expired', { cause });
    }
    throw invalid(cause);
  }
}

function publicKey(
  keys: SigningKeys,
  kid: string | undefined,
): NonNullable<ReturnType<SigningKeys['publicKeys']['get']>> {
  const key = keys.publicKeys.get(kid ?? '');
  if (!key) throw new errors.JWKSNoMatchingKey();
  return key;
}

function invalid(cause?: unknown): IdentityError {
  return new IdentityError('TOKEN_INVALID', 'The token is invalid', { cause });
}
