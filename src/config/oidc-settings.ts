// The table of the settings for the identity provider. The table in the operator guide is generated from it.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { SettingFault, type SettingTable, type ValueType } from './setting.ts';
import { listOf, oneOf, parseUrl, text } from './value-types.ts';

const ROLES = ['OWNER', 'EDITOR', 'VIEWER'] as const;
export type Role = (typeof ROLES)[number];

export type RoleValues = Readonly<Partial<Record<Role, readonly string[]>>>;

const role = oneOf(ROLES);

/** Plain HTTP is allowed only for this machine. On a network, a person who reads the traffic could log in as any user. */
const issuer: ValueType<string> = {
  expects: 'the issuer of a provider, a URL like https://login.example.org/realms/staff',
  parse(given) {
    const url = parseUrl(given, { schemes: ['https', 'http'], parts: ['path'] });
    const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
    if (url.protocol === 'http:' && !isHere)
      throw new SettingFault('uses http://, which is allowed only for localhost, 127.0.0.0/8 and [::1]');
    return given;
  },
};

/** Reads the content of a file, without the spaces and line ends around it. */
const secretFile: ValueType<string> = {
  expects: 'a file that holds the secret',
  parse(given, directory) {
    const secret = readSecret(resolve(directory, given));
    if (secret === '') throw new SettingFault('is empty');
    return secret;
  },
};

function readSecret(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new SettingFault(`cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`);
  }
}

const scopes: ValueType<readonly string[]> = {
  expects: 'scopes separated by spaces or commas',
  parse: (given) => Object.freeze([...new Set(['openid', ...given.split(/[\s,]+/).filter((one) => one !== '')])]),
};

const roleItem = 'a role and a value like OWNER=admins';

/** The role comes before the `=`, because the names of a provider's groups may contain `=`. */
const roleItems = listOf('roles with values like OWNER=admins,EDITOR=developers,EDITOR=testers', (item) => {
  const at = item.indexOf('=');
  const value = item.slice(at + 1).trim();
  if (at < 0 || value === '') throw new SettingFault(`is not ${roleItem}`);
  return { role: role.parse(item.slice(0, at).trim(), ''), value };
});

const roleValues: ValueType<RoleValues> = {
  expects: roleItems.expects,
  parse(given, directory) {
    const grouped = Map.groupBy(roleItems.parse(given, directory), (item) => item.role);
    return Object.freeze(
      Object.fromEntries([...grouped].map(([key, items]) => [key, items.map(({ value }) => value)])),
    );
  },
};

const domains = listOf('domains like example.org', (item) => {
  if (!/^[^\s@,]+\.[^\s@,.]+$/.test(item)) throw new SettingFault('is not a domain');
  return item.toLowerCase();
});

const ISSUER = ['LARDER_OIDC_ISSUER'] as const;

/** The settings in the order of the guide. */
export const OIDC_SETTINGS = {
  LARDER_OIDC_ISSUER: {
    ...issuer,
    defaultDoc: 'none: only passwords',
    doc: 'the issuer as in its discovery document: `https://`, or `http://` on this machine. Requires `LARDER_OIDC_CLIENT_ID` and `LARDER_PUBLIC_URL`, to which the provider sends people back',
    requires: ['LARDER_OIDC_CLIENT_ID', 'LARDER_PUBLIC_URL'],
  },
  LARDER_OIDC_CLIENT_ID: {
    ...text,
    defaultDoc: 'required',
    doc: 'the id under which Larder is registered at the provider',
    requires: ISSUER,
  },
  LARDER_OIDC_CLIENT_SECRET: {
    ...text,
    defaultDoc: 'a public client',
    doc: "the client's secret",
    requires: ISSUER,
  },
  LARDER_OIDC_CLIENT_SECRET_FILE: {
    ...secretFile,
    defaultDoc: 'a public client',
    doc: "in place of `LARDER_OIDC_CLIENT_SECRET`: a file that contains the client's secret. Larder reads it at start",
    requires: ISSUER,
    excludes: ['LARDER_OIDC_CLIENT_SECRET'],
  },
  LARDER_OIDC_SCOPES: {
    ...scopes,
    default: 'openid email profile',
    doc: 'scopes to request; some providers need another one for groups',
    requires: ISSUER,
  },
  LARDER_OIDC_DEFAULT_ROLE: {
    ...role,
    defaultDoc: 'new people are rejected',
    doc: '`VIEWER`, `EDITOR` or `OWNER`: the role of people to whom no claim gives a role. New people without any role are rejected',
    requires: ISSUER,
  },
  LARDER_OIDC_ROLE_CLAIM: {
    ...text,
    defaultDoc: 'none',
    doc: 'the claim that gives the role, with dots into nested claims: `groups`, `realm_access.roles`',
    requires: ISSUER,
  },
  LARDER_OIDC_ROLES: {
    ...roleValues,
    defaultDoc: '`VIEWER`, `EDITOR`, `OWNER`: each value gives the role of this name',
    doc: "which of the claim's values gives which role: `OWNER=admins,EDITOR=developers,EDITOR=testers`. The highest role counts. Requires `LARDER_OIDC_ROLE_CLAIM`",
    requires: [...ISSUER, 'LARDER_OIDC_ROLE_CLAIM'],
  },
  LARDER_OIDC_ORGANIZATION: {
    ...text,
    defaultDoc: 'the first one',
    doc: 'namespace of the organization of new users. Owners of the first organization own the installation',
    requires: ISSUER,
  },
  LARDER_OIDC_ORGANIZATION_CLAIM: {
    ...text,
    defaultDoc: 'none',
    doc: 'the claim that names the organization of new users instead; an unknown organization is rejected',
    requires: ISSUER,
  },
  LARDER_OIDC_EMAIL_DOMAINS: {
    ...domains,
    defaultDoc: 'all',
    doc: 'domains of verified e-mail addresses (`email_verified`), separated by commas; people with other addresses are rejected',
    requires: ISSUER,
  },
} as const satisfies SettingTable;
