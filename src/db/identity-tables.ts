// The tables of the installation, of organizations with their quotas, and of users, tokens and subscriptions.
import type { Generated } from 'kysely';
import type { Digest, Role, SigningKeyOrigin, SubscriptionProduct } from '../contract/vocabulary.ts';
import type { DefaultTime, Json, OptionalTime, Time } from './columns.ts';

export type InstallationTable = {
  only_one: Generated<boolean>;
  key_check: Buffer;
  created_at: DefaultTime;
  /** The id of the installation. The content folder contains the same id. */
  id: Generated<string>;
  /** The issuer that the installation's tokens name. */
  issuer: string | null;
  /** The last time that a worker with a sandbox reported. */
  sandbox_seen_at: OptionalTime;
  /**
   * The server that wrote the address of the hosted registries. A server writes it only if LARDER_PUBLIC_URL is not set. Null
   * if the operator configured the address, and empty if the server is unknown.
   */
  listen_address_by: string | null;
};

/** Keys with which no value may be sealed any more. */
export type DroppedKeysTable = {
  id: Buffer;
  dropped_at: DefaultTime;
};

/** Key pairs that sign tokens. JWK members are JSON values (RFC 7517, section 4). */
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
  /** The public key in PEM. */
  public_key: string;
  /** Null after the key has stopped signing. */
  sealed_private_key: Buffer | null;
  origin: SigningKeyOrigin;
  created_at: DefaultTime;
  created_by: string;
  /** The time at which the key stops signing. Null for the current key. */
  signs_until: OptionalTime;
};

/** The signatures that were made, by the key and the signed bytes. */
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
  /** The TokenScope values of the token. */
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
