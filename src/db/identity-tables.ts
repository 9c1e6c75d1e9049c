// The tables of the installation, of organizations with their quotas, and of users, tokens and subscriptions.
import type { Generated } from 'kysely';
import type { Digest, Role, SigningKeyOrigin, SubscriptionProduct } from '../contract/vocabulary.ts';
import type { DefaultTime, Json, OptionalTime, Time } from './columns.ts';

export type InstallationTable = {
  only_one: Generated<boolean>;
  key_check: Buffer;
  created_at: DefaultTime;
  /** The id of the installation, which is also in its content folder. */
  id: Generated<string>;
  /** The issuer that the installation's tokens name. */
  issuer: string | null;
  /** The last time that a worker with a sandbox reported. */
  sandbox_seen_at: OptionalTime;
  /**
   * The server that wrote the hosted registry's address because LARDER_PUBLIC_URL was not set. Null: the address was
   * configured. Empty: the server is not known.
   */
  listen_address_by: string | null;
};

/** Keys with which nothing may be sealed any more. */
export type DroppedKeysTable = {
  id: Buffer;
  dropped_at: DefaultTime;
};

/** JWK members are JSON values (RFC 7517, section 4). */
export type SigningKeysTable = {
  kid: string;
  public_jwk: Json<Record<string, unknown>>;
  sealed_private_jwk: Buffer;
  created_at: DefaultTime;
};

export type ReleaseSigningKeysTable = {
  organization_id: string;
  /** SHA-256 of the public key, in hex. */
  id: string;
  /** PEM. */
  public_key: string;
  /** Null once the key no longer signs. */
  sealed_private_key: Buffer | null;
  origin: SigningKeyOrigin;
  created_at: DefaultTime;
  created_by: string;
  /** Null for the current key. */
  signs_until: OptionalTime;
};

/** The signatures that were made, by key and signed bytes. */
export type ReleaseSignaturesTable = {
  organization_id: string;
  key_id: string;
  signed_digest: Digest;
  signature: Buffer;
  created_at: DefaultTime;
};

export type OrganizationsTable = {
  id: Generated<string>;
  name: string;
  namespace: string;
  created_at: DefaultTime;
  updated_at: DefaultTime;
  applications_max: number | null;
  owns_installation: Generated<boolean>;
};

export type UsersTable = {
  id: Generated<string>;
  organization_id: string;
  name: string;
  email: string | null;
  role: Role;
  created_at: DefaultTime;
  created_by: Generated<string>;
  updated_at: DefaultTime;
  updated_by: Generated<string>;
  removed_at: OptionalTime;
  removed_by: string | null;
};

export type ApiTokensTable = {
  id: Generated<string>;
  organization_id: string;
  user_id: string;
  name: string;
  secret_sha256: Buffer;
  role: Role;
  /** TokenScopes. */
  scopes: Generated<string[]>;
  created_at: DefaultTime;
  created_by: Generated<string>;
  expires_at: Time;
  last_used_at: OptionalTime;
  removed_at: OptionalTime;
  removed_by: string | null;
};

export type SubscriptionsTable = {
  id: Generated<string>;
  organization_id: string;
  product_id: SubscriptionProduct;
  starts_at: DefaultTime;
  ends_at: OptionalTime;
  created_at: DefaultTime;
  created_by: string;
  updated_at: DefaultTime;
  updated_by: string;
};
