// The tables of registries, of credentials of hosted registries, and of base images.
import type { Generated } from 'kysely';
import type { RegistryCapabilities } from '../contract/registry-capabilities.ts';
import type { BaseImagePackagingType, BaseImageStatus, Digest, RegistryProvider } from '../contract/vocabulary.ts';
import type { BasePin } from '../plan/pin.ts';
import type { DefaultTime, Json, OptionalJson, OptionalTime, Time } from './columns.ts';

export type RegistriesTable = {
  id: Generated<string>;
  organization_id: string;
  name: string;
  description: string | null;
  provider: RegistryProvider;
  url: string;
  hosted: Generated<boolean>;
  access_key: string | null;
  sealed_access_secret: Buffer | null;
  healthy: boolean | null;
  last_checked_at: OptionalTime;
  unhealthy_cause: string | null;
  /** Set by a trigger. */
  unhealthy_since: OptionalTime;
  created_at: DefaultTime;
  created_by: string | null;
  updated_at: DefaultTime;
  updated_by: string | null;
  removed_at: OptionalTime;
  removed_by: string | null;
  charts_organization: string | null;
  capabilities: OptionalJson<RegistryCapabilities>;
  capabilities_at: OptionalTime;
  checked_until: OptionalTime;
  charts_index_fault: string | null;
};

export type RegistryCredentialsTable = {
  id: Generated<string>;
  organization_id: string;
  registry_id: string;
  name: string;
  description: string;
  secret_sha256: Buffer;
  created_at: DefaultTime;
  created_by: string;
  expires_at: Time;
  last_used_at: OptionalTime;
  removed_at: OptionalTime;
  removed_by: string | null;
};

export type BaseImagesTable = {
  id: Generated<string>;
  /**
   * Part of the repository names of applications on this base image. It never changes. If absent in an insert, the database
   * derives it.
   */
  key: Generated<string>;
  organization_id: string | null;
  name: string;
  description: string | null;
  source: 'ARCHIVE' | 'REGISTRY';
  packaging_type: Generated<BaseImagePackagingType>;
  registry_id: string | null;
  container_image: string;
  operating_system_id: string;
  status: Generated<BaseImageStatus>;
  healthy: boolean | null;
  last_checked_at: OptionalTime;
  unhealthy_cause: string | null;
  /** Set by a trigger. */
  unhealthy_since: OptionalTime;
  /**
   * The last complete inspection of a registered base image. The next three columns also belong to it. `refusal` is the
   * reason if the image was rejected.
   */
  inspected_digest: Digest | null;
  inspector_version: number | null;
  inspected_in_sandbox: Generated<boolean>;
  refusal: string | null;
  created_at: DefaultTime;
  created_by: string | null;
  updated_at: DefaultTime;
  updated_by: string | null;
  removed_at: OptionalTime;
  removed_by: string | null;
  deprecated_at: OptionalTime;
};

export type BaseImageVersionsTable = {
  base_image_id: string;
  digest: Digest;
  pin: Json<BasePin>;
  recorded_at: DefaultTime;
};
