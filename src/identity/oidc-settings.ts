// The operator's settings for the identity provider.
import type { Role } from '../contract/vocabulary.ts';

export type OidcSettings = {
  readonly issuer: string;
  readonly clientId: string;
  /** Absent if Larder is a public client, which only PKCE protects. */
  readonly clientSecret?: string;
  readonly scopes: readonly string[];
  /** The role of people to whom no claim gives one. Absent: such people are rejected. */
  readonly defaultRole?: Role;
  /** The claim that gives the role. It is read at every log-in. */
  readonly roleClaim?: string;
  /** For each role, the values of the claim that give it. Empty: the values are the names of the roles. */
  readonly roleValues: Readonly<Partial<Record<Role, readonly string[]>>>;
  /** The namespace of the organization that new users belong to. Absent: the organization that owns the installation. */
  readonly organization?: string;
  /** The claim that contains the namespace; used instead of `organization`. */
  readonly organizationClaim?: string;
  /**
   * People with a verified e-mail address in one of these domains are admitted. Empty: everyone whom the provider
   * authenticates.
   */
  readonly emailDomains: readonly string[];
};
