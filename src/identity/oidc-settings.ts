// What the operator says about the provider of identities.
import type { Role } from '../contract/vocabulary.ts';

export type OidcSettings = {
  readonly issuer: string;
  readonly clientId: string;
  /** Absent: a public client, which PKCE alone protects. */
  readonly clientSecret?: string;
  readonly scopes: readonly string[];
  /** What people may whom the role claim gives nothing. Absent: they are rejected. */
  readonly defaultRole?: Role;
  /** The claim that says what people may, at every log-in. */
  readonly roleClaim?: string;
  /** Values of that claim by the role that they give; empty: the values are the roles' own names. */
  readonly roleValues: Readonly<Partial<Record<Role, readonly string[]>>>;
  /** Namespace of the organization that new users belong to. Absent: the one that the installation belongs to. */
  readonly organization?: string;
  /** The claim that says that namespace instead. */
  readonly organizationClaim?: string;
  /** Domains of e-mail addresses, verified ones, that are let in. Empty: whoever the provider lets in. */
  readonly emailDomains: readonly string[];
};
