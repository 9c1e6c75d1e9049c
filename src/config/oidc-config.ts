// The identity provider's part of the configuration. It has the shape of `OidcSettings` in src/identity; neither folder may import the other.
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
  /** A namespace. */
  readonly organization?: string;
  readonly organizationClaim?: string;
  /** In lower case. */
  readonly emailDomains: readonly string[];
};

/** Undefined without an issuer. */
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
