// The operator's settings for the identity provider.
import type { Role } from '../contract/vocabulary.ts';

export type OidcSettings = {
  readonly issuer: string;
  readonly clientId: string;
  /** Absent if Larder is a public client. A public client is protected only by PKCE. */
  readonly clientSecret?: string;
  readonly scopes: readonly string[];
  /** The role of people to whom no claim gives a role. If absent, these people are rejected. */
  readonly defaultRole?: Role;
  /** The name of the claim that gives the role. It is read at every log-in. */
  readonly roleClaim?: string;
  /** The values of the claim that give each role. If empty, the values are the names of the roles. */
  readonly roleValues: Readonly<Partial<Record<Role, readonly string[]>>>;
  /**
   * The namespace of the organization that new users join. If absent, they join the organization that owns the installation.
   */
  readonly organization?: string;
  /** The name of the claim that contains the namespace. It is used instead of `organization`. */
  readonly organizationClaim?: string;
  /**
   * The domains of e-mail addresses. Only people with a verified address in one of them are admitted. If empty, everyone whom
   * the provider authenticates is admitted.
   */
  readonly emailDomains: readonly string[];
};
