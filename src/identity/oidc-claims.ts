// Reads a person's name, role and organization from the claims of an identity provider.
import { ROLES, type Role } from '../contract/vocabulary.ts';
import { IdentityError } from './errors.ts';
import type { OidcSettings } from './oidc-settings.ts';

export type Claims = Readonly<Record<string, unknown>>;

/** A person whom the identity provider has authenticated. */
export type OidcPerson = {
  issuer: string;
  subject: string;
  /** The display name. It is not unique and identifies nobody. */
  name: string;
  /** Present only if the provider says that it has verified the address. */
  email: string | undefined;
  /** The role that the claim gives, or the operator's default. Undefined if the person has no role. */
  role: Role | undefined;
  /** True if a claim gives the role. Then a user that already exists gets this role too. */
  role_by_claim: boolean;
  /** The namespace of the organization, from a claim. */
  organization: string | undefined;
};

/** The longest name of a user, in characters. Longer names are cut. */
const NAME_LENGTH_MAX = 100;
const EMAIL_LENGTH_MAX = 254;

/** Reads claims that were verified. Throws IdentityError NOT_ADMITTED if the operator's settings do not admit the person. */
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

/**
 * Returns the names of the claims that these settings need. If the ID token lacks one of them, the claim is requested from
 * the provider.
 */
export function claimsNeeded({ roleClaim, organizationClaim, emailDomains }: OidcSettings): string[] {
  const ofEmail = emailDomains.length > 0 ? ['email', 'email_verified'] : [];
  return [roleClaim, organizationClaim, ...ofEmail, 'name'].filter((name) => name !== undefined);
}

/** Returns a claim by its name, or by a path with dots (`realm_access.roles`). */
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
  // ROLES begins with the highest role. So a person with several roles gets the highest role.
  return ROLES.find(gives) ?? defaultRole;
}

function organizationOf(claims: Claims, { organizationClaim }: OidcSettings): string | undefined {
  if (organizationClaim === undefined) return undefined;
  const [namespace, second] = textsAt(claims, organizationClaim);
  if (namespace === undefined || second !== undefined) {
    throw new IdentityError(
      'NOT_ADMITTED',
      `The provider sent no organization: the claim ${organizationClaim} must have one value.`,
    );
  }
  return namespace;
}

/** Some providers write the boolean `email_verified` as text. */
function verifiedEmail(claims: Claims): string | undefined {
  const { email, email_verified: verified } = claims as { email?: unknown; email_verified?: unknown };
  const isTheirs = verified === true || verified === 'true';
  const isAddress =
    typeof email === 'string' && /^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u.test(email) && email.length <= EMAIL_LENGTH_MAX;
  return isTheirs && isAddress ? email : undefined;
}

function requireDomain(email: string | undefined, domains: readonly string[]): void {
  if (domains.length === 0) return;
  if (email === undefined) throw new IdentityError('NOT_ADMITTED', 'The provider sent no verified e-mail address.');
  const domain = email.slice(email.lastIndexOf('@') + 1).toLowerCase();
  if (domains.includes(domain)) return;
  throw new IdentityError('NOT_ADMITTED', 'E-mail addresses of this domain are not admitted.');
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
