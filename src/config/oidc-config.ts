// The settings of the provider of identities, read out of the environment and judged together.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const ROLES = ['OWNER', 'EDITOR', 'VIEWER'] as const;
type Role = (typeof ROLES)[number];

export type OidcConfig = {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret?: string;
  readonly scopes: readonly string[];
  readonly defaultRole?: Role;
  readonly roleClaim?: string;
  readonly roleValues: Readonly<Partial<Record<Role, readonly string[]>>>;
  /** A namespace. */
  readonly organization?: string;
  readonly organizationClaim?: string;
  /** In small letters. */
  readonly emailDomains: readonly string[];
};

/** The names of the settings; the first turns the others on. */
export const OIDC_SETTINGS: Record<string, true> = {
  LARDER_OIDC_ISSUER: true,
  LARDER_OIDC_CLIENT_ID: true,
  LARDER_OIDC_CLIENT_SECRET: true,
  LARDER_OIDC_CLIENT_SECRET_FILE: true,
  LARDER_OIDC_SCOPES: true,
  LARDER_OIDC_DEFAULT_ROLE: true,
  LARDER_OIDC_ROLE_CLAIM: true,
  LARDER_OIDC_ROLES: true,
  LARDER_OIDC_ORGANIZATION: true,
  LARDER_OIDC_ORGANIZATION_CLAIM: true,
  LARDER_OIDC_EMAIL_DOMAINS: true,
};

type Surroundings = {
  given: (name: string) => string | undefined;
  violations: { name: string; message: string }[];
  publicUrl: string | undefined;
  /** Where relative paths begin. */
  directory: string;
};

/** Undefined where no issuer is named. Adds to the violations. */
export function readOidc({ given, violations, publicUrl, directory }: Surroundings): OidcConfig | undefined {
  const refuse = (name: string, message: string) => violations.push({ name, message });
  function read<T>(name: string, parse: (text: string) => T): T | undefined {
    const text = given(name);
    try {
      return text === undefined ? undefined : parse(text);
    } catch (error) {
      refuse(name, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }
  const issuer = read('LARDER_OIDC_ISSUER', parseIssuer);
  const clientId = given('LARDER_OIDC_CLIENT_ID');
  const secret = given('LARDER_OIDC_CLIENT_SECRET');
  const fromFile = read('LARDER_OIDC_CLIENT_SECRET_FILE', (text) => readSecret(resolve(directory, text)));
  const defaultRole = read('LARDER_OIDC_DEFAULT_ROLE', parseRole);
  const roleClaim = given('LARDER_OIDC_ROLE_CLAIM');
  const roleValues = read('LARDER_OIDC_ROLES', parseRoles);
  const organization = given('LARDER_OIDC_ORGANIZATION');
  const organizationClaim = given('LARDER_OIDC_ORGANIZATION_CLAIM');
  if (given('LARDER_OIDC_ISSUER') === undefined) {
    const left = Object.keys(OIDC_SETTINGS).filter((name) => given(name) !== undefined);
    for (const name of left) refuse(name, 'means nothing without LARDER_OIDC_ISSUER');
    return undefined;
  }
  if (clientId === undefined) refuse('LARDER_OIDC_CLIENT_ID', 'is needed with LARDER_OIDC_ISSUER');
  if (publicUrl === undefined) {
    refuse('LARDER_PUBLIC_URL', 'is needed with LARDER_OIDC_ISSUER: people come back to it from the provider');
  }
  if (secret !== undefined && given('LARDER_OIDC_CLIENT_SECRET_FILE') !== undefined) {
    refuse('LARDER_OIDC_CLIENT_SECRET_FILE', 'must not be set beside LARDER_OIDC_CLIENT_SECRET');
  }
  if (given('LARDER_OIDC_ROLES') !== undefined && roleClaim === undefined) {
    refuse('LARDER_OIDC_ROLES', 'means nothing without LARDER_OIDC_ROLE_CLAIM');
  }
  const clientSecret = secret ?? fromFile;
  return Object.freeze({
    issuer: issuer ?? '',
    clientId: clientId ?? '',
    ...(clientSecret !== undefined && { clientSecret }),
    scopes: parseScopes(given('LARDER_OIDC_SCOPES') ?? 'openid email profile'),
    ...(defaultRole !== undefined && { defaultRole }),
    ...(roleClaim !== undefined && { roleClaim }),
    roleValues: Object.freeze(roleValues ?? {}),
    ...(organization !== undefined && { organization }),
    ...(organizationClaim !== undefined && { organizationClaim }),
    emailDomains: read('LARDER_OIDC_EMAIL_DOMAINS', parseDomains) ?? [],
  });
}

/** Without TLS anybody on the way could log in as anybody: on this machine itself alone. */
function parseIssuer(text: string): string {
  const url = URL.parse(text);
  const isHere = url !== null && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  const fits = url !== null && (url.protocol === 'https:' || (url.protocol === 'http:' && isHere));
  if (!fits || url.username || url.password || url.search || url.hash) {
    throw new Error('must be the issuer of a provider, a URL like https://login.example.org/realms/staff');
  }
  return text;
}

function readSecret(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new Error(`cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`);
  }
  if (text === '') throw new Error('must not be empty');
  return text;
}

function parseScopes(text: string): readonly string[] {
  return Object.freeze([...new Set(['openid', ...text.split(/[\s,]+/).filter((one) => one !== '')])]);
}

function parseRole(text: string): Role {
  const role = ROLES.find((one) => one === text.toUpperCase());
  if (role === undefined) throw new Error(`must be one of ${ROLES.join(', ')}`);
  return role;
}

/** The role first: what a provider calls a group may hold a `=`. */
function parseRoles(text: string): Partial<Record<Role, readonly string[]>> {
  const roles: Partial<Record<Role, readonly string[]>> = {};
  for (const item of text.split(',')) {
    const at = item.indexOf('=');
    const value = item.slice(at + 1).trim();
    if (at < 0 || value === '') throw new Error('must be like OWNER=admins,EDITOR=developers,EDITOR=testers');
    const role = parseRole(item.slice(0, at).trim());
    roles[role] = [...(roles[role] ?? []), value];
  }
  return roles;
}

function parseDomains(text: string): readonly string[] {
  const domains = text.split(',').map((item) => item.trim().toLowerCase());
  if (!domains.every((one) => /^[^\s@,]+\.[^\s@,.]+$/.test(one))) {
    throw new Error('must be domains like example.org,example.com');
  }
  return Object.freeze(domains);
}
