// The rows of all tables as TypeScript types. A test compares them with the schema in migrations/.
import type { Generated } from 'kysely';
import type {
  ApplicationStatus,
  CatalogItemStatus,
  CustomizationOperation,
  Digest,
  MetadataFile,
  OfferingStatus,
  OperatingSystemStatus,
  PackagingType,
  PipelineStatus,
  PlatformFamily,
  ProcessingStatus,
  RequestType,
} from '../contract/vocabulary.ts';
import type { StoredInspection } from '../plan/inspection.ts';
import type { Recipe } from '../plan/recipe.ts';
import type { AuditEventsTable } from './audit-tables.ts';
import type { DefaultTime, Json, OptionalTime } from './columns.ts';
import type {
  ApplicationPackagesTable,
  ArtifactsTable,
  BuiltLayersTable,
  CatalogFilesTable,
  ContentUsesTable,
  LockedPackagesTable,
  RegistryBlobsTable,
  RepositoriesTable,
  RepositoryBlobsTable,
  RepositoryManifestsTable,
  RepositoryTagsTable,
  RepositoryUploadsTable,
  RevisionsTable,
} from './content-tables.ts';
import type {
  ApiTokensTable,
  DroppedKeysTable,
  InstallationTable,
  OrganizationsTable,
  ReleaseSignaturesTable,
  ReleaseSigningKeysTable,
  SigningKeysTable,
  SubscriptionsTable,
  UsersTable,
} from './identity-tables.ts';
import type {
  NotificationDeliveriesTable,
  NotificationEventsTable,
  NotificationProvidersTable,
} from './notification-tables.ts';
import type {
  PipelineDistributionsTable,
  PipelineEdgesTable,
  PipelinePhasesTable,
  PipelinesTable,
  WavePipelinesTable,
  WavesTable,
} from './pipeline-tables.ts';
import type {
  BaseImagesTable,
  BaseImageVersionsTable,
  RegistriesTable,
  RegistryCredentialsTable,
} from './registry-tables.ts';
import type {
  OidcAccountsTable,
  OidcReturnsTable,
  SessionsTable,
  UserPasswordsTable,
  WayInWarningsTable,
} from './session-tables.ts';

export { json } from './columns.ts';
export type { ContentUseKind } from './content-tables.ts';

type CatalogsTable = {
  id: Generated<string>;
  organization_id: string;
  name: string;
  unverified_images: 'ALLOWED' | 'FORBIDDEN' | null;
  created_at: DefaultTime;
  updated_at: DefaultTime;
  removed_at: OptionalTime;
};

type OperatingSystemsTable = {
  id: Generated<string>;
  key: string;
  name: string;
  distro: string;
  version: string;
  codename: string;
  status: Generated<OperatingSystemStatus>;
  created_at: DefaultTime;
  updated_at: DefaultTime;
  deprecated_at: OptionalTime;
  replaced_by: string | null;
  replaced_at: OptionalTime;
  /** A day, such as `2028-06-30`. */
  end_of_life_at: string | null;
};

type ProductsTable = {
  key: string;
  id: Generated<string>;
  name: string;
  description: string;
  long_display_name: string;
  disclaimer: string;
  category: string;
  licenses: string[];
  home_url: string | null;
  status: Generated<CatalogItemStatus>;
  recipe: Json<Recipe>;
  recipe_digest: Digest;
  created_at: DefaultTime;
  updated_at: DefaultTime;
};

type ProductBranchesTable = {
  product_key: string;
  branch: string;
  id: Generated<string>;
  /** A day, such as `2028-06-30`. */
  end_of_life_at: string | null;
  created_at: DefaultTime;
};

type ProductVersionsTable = {
  product_key: string;
  branch: string;
  operating_system_id: string;
  version: string;
  id: Generated<string>;
  purl: string;
  discovered_at: DefaultTime;
  is_latest: Generated<boolean>;
};

type OfferingsTable = {
  id: Generated<string>;
  product_key: string;
  branch: string;
  packaging_type: PackagingType;
  status: Generated<OfferingStatus>;
  created_at: DefaultTime;
};

type OfferingOperatingSystemsTable = { offering_id: string; operating_system_id: string };

type ApplicationsTable = {
  id: Generated<string>;
  organization_id: string;
  catalog_id: string;
  offering_id: string;
  product_key: string;
  branch: string;
  packaging_type: PackagingType;
  base_image_id: string;
  status: Generated<ApplicationStatus>;
  processing_status: Generated<ProcessingStatus>;
  processing_status_updated_at: DefaultTime;
  created_at: DefaultTime;
  created_by: string;
  updated_at: DefaultTime;
  updated_by: string;
  removed_at: OptionalTime;
  removed_by: string | null;
  deprecated_at: OptionalTime;
  unsupported_at: OptionalTime;
  /** Copied from the application's newest release by triggers. */
  latest_release_id: string | null;
  latest_release_version: string | null;
  /** A text that sorts like the version. The database generates it. */
  latest_release_version_key: string | null;
  latest_released_at: OptionalTime;
  /** False for a hidden application, which exists only because other applications need it. */
  requested: Generated<boolean>;
  /**
   * The length of the longest path in the graph of dependencies from this application. 0 if this application needs no other.
   * Locks on applications are taken in this order.
   */
  depth: Generated<number>;
};

type ApplicationDependenciesTable = { application_id: string; needs_id: string };

type ApplicationRegistriesTable = {
  application_id: string;
  registry_id: string;
  position: number;
  /** The path below the registry's own path. Null until the first release to the registry. */
  repository: string | null;
};

type ApplicationRequestsTable = {
  id: Generated<string>;
  organization_id: string;
  catalog_id: string;
  request_type: RequestType;
  name: string;
  description: string | null;
  created_at: DefaultTime;
  created_by: string;
};

type ApplicationRequestItemsTable = { request_id: string; application_id: string; position: number };

type CustomizationsTable = {
  id: Generated<string>;
  organization_id: string;
  catalog_id: string;
  name: string | null;
  description: string | null;
  product_key: string | null;
  branch: string | null;
  base_image_id: string | null;
  operation: Generated<CustomizationOperation>;
  version: Generated<number>;
  created_at: DefaultTime;
  created_by: string;
  updated_at: DefaultTime;
  updated_by: string;
  removed_at: OptionalTime;
  removed_by: string | null;
};

type CustomizationVersionsTable = {
  customization_id: string;
  version: number;
  digest: Digest;
  size_bytes: number;
  filename: string;
  inspection: Json<StoredInspection>;
  created_at: DefaultTime;
  created_by: string;
};

type CustomizationApplicationsTable = {
  customization_id: string;
  version: number;
  operation: CustomizationOperation;
  application_id: string;
  pipeline_id: string;
  broke: Generated<boolean>;
  left_out: Generated<boolean>;
  /** Copied from the pipeline by triggers. */
  pipeline_status: PipelineStatus | null;
  pipeline_started_at: OptionalTime;
};

/** Partial counts of lists. Only triggers write them, and src/catalog/list-counts.ts adds them up. */
type ListCountsTable = {
  id: Generated<number>;
  organization_id: string;
  catalog_id: string;
  noun: string;
  status: string | null;
  packaging_type: string | null;
  base_image_id: string | null;
  registry_id: string | null;
  total: number;
};

/** The files of a release for one platform. Without a platform, the files are for all platforms. */
export type PlatformFiles = { platform?: PlatformFamily; files: MetadataFile[] };

type ReleasesTable = {
  id: string;
  organization_id: string;
  catalog_id: string;
  application_id: string;
  pipeline_id: string;
  registry_id: string;
  base_image_id: string;
  base_digest: Digest;
  version: string;
  revision: number;
  released_at: DefaultTime;
  content_digest: Digest;
  repo_digest: Digest;
  artifact_name: string;
  artifact_version: string;
  repository: string;
  plan_digest: Digest;
  metadata: Json<PlatformFiles[]>;
  /** The repository of the previous release, if the repository changed. */
  moved_from: string | null;
  /**
   * The ids of the `release_signing_keys` that signed the release. Empty for releases of earlier versions of Larder, which
   * signed no releases.
   */
  signing_key_ids: Generated<string[]>;
};

type ReleaseCustomizationsTable = { release_id: string; position: number; customization_id: string; version: number };

type ReleaseEdgesTable = { release_id: string; depends_on_id: string };

type WorkersTable = {
  id: string;
  host: string;
  sandbox_mode: 'userns' | 'root' | 'files-only';
  sandbox_reasons: string[];
  limits: 'cgroup-v2' | 'cgroup-v1' | 'watchdog' | null;
  limits_reasons: Generated<string[]>;
  helm: string | null;
  helm_reasons: Generated<string[]>;
  started_at: DefaultTime;
  seen_at: DefaultTime;
};

type ReplaysTable = {
  organization_id: string;
  key: string;
  operation: string;
  sealed_answer: Buffer;
  created_at: DefaultTime;
};

export type Tables = {
  installation: InstallationTable;
  dropped_keys: DroppedKeysTable;
  signing_keys: SigningKeysTable;
  release_signing_keys: ReleaseSigningKeysTable;
  release_signatures: ReleaseSignaturesTable;
  organizations: OrganizationsTable;
  users: UsersTable;
  api_tokens: ApiTokensTable;
  subscriptions: SubscriptionsTable;
  user_passwords: UserPasswordsTable;
  sessions: SessionsTable;
  oidc_accounts: OidcAccountsTable;
  oidc_returns: OidcReturnsTable;
  way_in_warnings: WayInWarningsTable;
  catalogs: CatalogsTable;
  operating_systems: OperatingSystemsTable;
  products: ProductsTable;
  product_branches: ProductBranchesTable;
  product_versions: ProductVersionsTable;
  offerings: OfferingsTable;
  offering_operating_systems: OfferingOperatingSystemsTable;
  registries: RegistriesTable;
  registry_credentials: RegistryCredentialsTable;
  base_images: BaseImagesTable;
  base_image_versions: BaseImageVersionsTable;
  applications: ApplicationsTable;
  application_dependencies: ApplicationDependenciesTable;
  application_registries: ApplicationRegistriesTable;
  application_requests: ApplicationRequestsTable;
  application_request_items: ApplicationRequestItemsTable;
  customizations: CustomizationsTable;
  customization_versions: CustomizationVersionsTable;
  pipelines: PipelinesTable;
  pipeline_phases: PipelinePhasesTable;
  pipeline_edges: PipelineEdgesTable;
  waves: WavesTable;
  wave_pipelines: WavePipelinesTable;
  pipeline_distributions: PipelineDistributionsTable;
  customization_applications: CustomizationApplicationsTable;
  list_counts: ListCountsTable;
  releases: ReleasesTable;
  release_customizations: ReleaseCustomizationsTable;
  release_edges: ReleaseEdgesTable;
  revisions: RevisionsTable;
  catalog_files: CatalogFilesTable;
  content_uses: ContentUsesTable;
  built_layers: BuiltLayersTable;
  artifacts: ArtifactsTable;
  locked_packages: LockedPackagesTable;
  application_packages: ApplicationPackagesTable;
  registry_blobs: RegistryBlobsTable;
  repositories: RepositoriesTable;
  repository_blobs: RepositoryBlobsTable;
  repository_manifests: RepositoryManifestsTable;
  repository_tags: RepositoryTagsTable;
  repository_uploads: RepositoryUploadsTable;
  workers: WorkersTable;
  replays: ReplaysTable;
  notification_providers: NotificationProvidersTable;
  notification_events: NotificationEventsTable;
  notification_deliveries: NotificationDeliveriesTable;
  audit_events: AuditEventsTable;
};
