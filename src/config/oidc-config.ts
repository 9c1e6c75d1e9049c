// The identity provider in the configuration. It has the same fields as `OidcSettings` in src/identity, because neither
// folder may import the other.
import type { Role, RoleValues } from './oidc-settings.ts';
import { optional } from './optional.ts';
import type { Values } from './read-settings.ts';

export type OidcConfig = {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret?: string;
  readonly scopes: readonly string[];
  readonly defaultRole?: Role;
  readonly roleClaim?: string;
  readonly roleValues: RoleValues;
  /** The namespace of the organization. */
  readonly organization?: string;
  readonly organizationClaim?: string;
  /** The domains of allowed e-mail addresses, in lower case. */
  readonly emailDomains: readonly string[];
};

/** Returns the configuration of the identity provider, or undefined if no issuer is configured. */
export function oidcOf(values: Values): OidcConfig | undefined {
  const { LARDER_OIDC_ISSUER: issuer, LARDER_OIDC_CLIENT_ID: clientId } = values;
  if (issuer === undefined || clientId === undefined) return undefined;
  return Object.freeze({
    issuer,
    clientId,
    scopes: values.LARDER_OIDC_SCOPES,
    ...optional({
      clientSecret: values.LARDER_OIDC_CLIENT_SECRET ?? values.LARDER_OIDC_CLIENT_SECRET_FILE,
      defaultRole: values.LARDER_OIDC_DEFAULT_ROLE,
      roleClaim: values.LARDER_OIDC_ROLE_CLAIM,
      organization: values.LARDER_OIDC_ORGANIZATION,
      organizationClaim: values.LARDER_OIDC_ORGANIZATION_CLAIM,
    }),
    roleValues: values.LARDER_OIDC_ROLES ?? Object.freeze({}),
    emailDomains: values.LARDER_OIDC_EMAIL_DOMAINS ?? Object.freeze([]),
  });
}
