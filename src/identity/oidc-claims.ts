// What a provider's claims mean here: who it is, what they may, and for which organization.
import { ROLES, type Role } from '../contract/vocabulary.ts';
import { IdentityError } from './errors.ts';
import type { OidcSettings } from './oidc-settings.ts';

export type Claims = Readonly<Record<string, unknown>>;

/** Somebody for whom a provider vouches. */
export type OidcPerson = {
  issuer: string;
  subject: string;
  /** What people call them; no more than a label. */
  name: string;
  /** Only when the provider says that it is theirs. */
  email: string | undefined;
  /** By the claim, or what the operator gives those who have none. Undefined: nothing. */
  role: Role | undefined;
  /** The claim rules: users whom Larder knows get this role too. */
  role_by_claim: boolean;
  /** Namespace, by the claim. */
  organization: string | undefined;
};

/** As users are named; with an ellipsis it would only be longer. */
const NAME_LENGTH_MAX = 100;
const EMAIL_LENGTH_MAX = 254;

/** Reads claims that were verified. Throws IdentityError NOT_ADMITTED when the operator's settings keep the person out. */
export function personOf(claims: Claims, settings: OidcSettings): OidcPerson {
  const email = verifiedEmail(claims);
  requireDomain(email, settings.emailDomains);
  const role = roleOf(claims, settings);
  return {
    issuer: String(claims['iss']),
    subject: String(claims['sub']),
    name: nameOf(claims),
    email,
    role,
    role_by_claim: settings.roleClaim !== undefined,
    organization: organizationOf(claims, settings),
  };
}

/** The claims that these settings look at: what is not in the ID token is asked for. */
export function claimsNeeded({ roleClaim, organizationClaim, emailDomains }: OidcSettings): string[] {
  const ofEmail = emailDomains.length > 0 ? ['email', 'email_verified'] : [];
  return [roleClaim, organizationClaim, ...ofEmail, 'name'].filter((name) => name !== undefined);
}

/** A claim by its name, or by the names on the way to it with dots between (`realm_access.roles`). */
export function claimAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let found: unknown = claims;
  for (const step of name.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined;
    found = (found as Claims)[step];
  }
  return found;
}

function textsAt(claims: Claims, name: string): string[] {
  return [claimAt(claims, name)].flat().filter((value) => typeof value === 'string');
}

function roleOf(claims: Claims, { roleClaim, roleValues, defaultRole }: OidcSettings): Role | undefined {
  if (roleClaim === undefined) return defaultRole;
  const values = textsAt(claims, roleClaim);
  const isMapped = Object.keys(roleValues).length > 0;
  const gives = (role: Role) =>
    values.some((value) => (isMapped ? roleValues[role]?.includes(value) : value.toUpperCase() === role));
  // The highest comes first in the list.
  return ROLES.find(gives) ?? defaultRole;
}

function organizationOf(claims: Claims, { organizationClaim }: OidcSettings): string | undefined {
  if (organizationClaim === undefined) return undefined;
  const [namespace, second] = textsAt(claims, organizationClaim);
  if (namespace === undefined || second !== undefined) {
    throw new IdentityError('NOT_ADMITTED', `The provider names no organization (one value of ${organizationClaim}).`);
  }
  return namespace;
}

/** Some providers write the boolean as text. */
function verifiedEmail(claims: Claims): string | undefined {
  const { email, email_verified: verified } = claims as { email?: unknown; email_verified?: unknown };
  const isTheirs = verified === true || verified === 'true';
  const isAddress =
    typeof email === 'string' && /^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u.test(email) && email.length <= EMAIL_LENGTH_MAX;
  return isTheirs && isAddress ? email : undefined;
}

function requireDomain(email: string | undefined, domains: readonly string[]): void {
  if (domains.length === 0) return;
  if (email === undefined) throw new IdentityError('NOT_ADMITTED', 'The provider tells no verified e-mail address.');
  const domain = email.slice(email.lastIndexOf('@') + 1).toLowerCase();
  if (domains.includes(domain)) return;
  throw new IdentityError('NOT_ADMITTED', 'E-mail addresses of that domain are not let in here.');
}

function nameOf(claims: Claims): string {
  const texts = [claims['name'], claims['preferred_username'], claims['email'], claims['sub']];
  const names = texts
    .filter((value) => typeof value === 'string')
    .map((value) =>
      value
        .replaceAll(/\p{Cc}/gu, ' ')
        .toWellFormed()
        .trim(),
    );
  const name = names.find((one) => one !== '') ?? 'unnamed';
  return [...name].slice(0, NAME_LENGTH_MAX).join('');
}
