// The operator's settings of the identity provider.
import type { Role } from '../contract/vocabulary.ts';

export type OidcSettings = {
  readonly issuer: string;
  readonly clientId: string;
  /** Absent: a public client, protected only by PKCE. */
  readonly clientSecret?: string;
  readonly scopes: readonly string[];
  /** The role of people without a role in the role claim. Absent: they are rejected. */
  readonly defaultRole?: Role;
  /** The claim with the role, read at every log-in. */
  readonly roleClaim?: string;
  /** The claim's values for each role. Empty: the values are the names of the roles. */
  readonly roleValues: Readonly<Partial<Record<Role, readonly string[]>>>;
  /** The namespace of the organization of new users. Absent: the organization that owns the installation. */
  readonly organization?: string;
  /** The claim with the namespace, instead of `organization`. */
  readonly organizationClaim?: string;
  /** The admitted domains of verified e-mail addresses. Empty: everyone whom the provider authenticates. */
  readonly emailDomains: readonly string[];
};
