// The closed sets of words in the API and in rows. Each set is a list and a union type.

/** A content digest as in OCI (image-spec, descriptor.md). In Larder it is always sha256. */
export type Digest = `sha256:${string}`;

export const PACKAGING_TYPES = ['HELM_CHART', 'OVA', 'CONTAINER_IMAGE'] as const;
export type PackagingType = (typeof PACKAGING_TYPES)[number];

export const BASE_IMAGE_PACKAGING_TYPES = ['OVA', 'CONTAINER_IMAGE'] as const;
export type BaseImagePackagingType = (typeof BASE_IMAGE_PACKAGING_TYPES)[number];

/**
 * For each packaging type, the packaging type of its base images. The base images of a chart are container images, because
 * the images of a chart are built on them.
 */
export const BASE_IMAGES_OF: Readonly<Record<PackagingType, BaseImagePackagingType>> = {
  CONTAINER_IMAGE: 'CONTAINER_IMAGE',
  HELM_CHART: 'CONTAINER_IMAGE',
  OVA: 'OVA',
};

export const ROLES = ['OWNER', 'EDITOR', 'VIEWER'] as const;
export type Role = (typeof ROLES)[number];

/** How people log in. */
export const SIGN_IN_WAYS = ['OIDC', 'PASSWORD'] as const;

/**
 * The scopes of an API token, which limit its role. API allows the whole API, and API_READ only reads. REGISTRY allows pushes
 * to the hosted registry, and REGISTRY_PULL only pulls.
 */
export const TOKEN_SCOPES = ['API', 'API_READ', 'REGISTRY', 'REGISTRY_PULL'] as const;
export type TokenScope = (typeof TOKEN_SCOPES)[number];

export const TOKEN_STATUSES = ['ACTIVE', 'EXPIRED', 'REMOVED'] as const;
export type TokenStatus = (typeof TOKEN_STATUSES)[number];

export const SIGNING_KEY_STATUSES = ['CURRENT', 'OVERLAPPING', 'RETIRED'] as const;

export const SIGNING_KEY_ORIGINS = ['GENERATED', 'IMPORTED'] as const;
export type SigningKeyOrigin = (typeof SIGNING_KEY_ORIGINS)[number];

export const APPLICATION_STATUSES = ['SUPPORTED', 'DEPRECATED', 'UNSUPPORTED', 'REMOVED'] as const;
export type ApplicationStatus = (typeof APPLICATION_STATUSES)[number];

export const PROCESSING_STATUSES = ['PENDING', 'IN_PROGRESS', 'COMPLETED', 'FAILED'] as const;
export type ProcessingStatus = (typeof PROCESSING_STATUSES)[number];

export const REQUEST_TYPES = ['add', 'remove'] as const;
export type RequestType = (typeof REQUEST_TYPES)[number];

export const OFFERING_STATUSES = ['ENABLED', 'HIDDEN', 'DEPRECATED'] as const;
export type OfferingStatus = (typeof OFFERING_STATUSES)[number];

export const BASE_IMAGE_STATUSES = ['ACTIVE', 'DEPRECATED', 'DELETED'] as const;
export type BaseImageStatus = (typeof BASE_IMAGE_STATUSES)[number];

export const OPERATING_SYSTEM_STATUSES = ['ACTIVE', 'DEPRECATED', 'REPLACED'] as const;
export type OperatingSystemStatus = (typeof OPERATING_SYSTEM_STATUSES)[number];

export const CATALOG_ITEM_STATUSES = [
  'DRAFT',
  'ACTIVE',
  'SCHEDULED_DEPRECATION',
  'DEPRECATION_GRACE_PERIOD',
  'DEPRECATED',
  'NON_SUPPORTED',
] as const;
export type CatalogItemStatus = (typeof CATALOG_ITEM_STATUSES)[number];

export const PRODUCT_SCOPES = ['COMMON', 'ONLY_PUBLIC', 'ONLY_CUSTOMERS', 'PRIVATE'] as const;

export const CUSTOMIZATION_STATUSES = [
  'CREATED',
  'PROCESSING_CREATE_STARTED',
  'PROCESSING_CREATE_SUCCEEDED',
  'PROCESSING_CREATE_FAILED',
  'UPDATED',
  'PROCESSING_UPDATE_STARTED',
  'PROCESSING_UPDATE_SUCCEEDED',
  'PROCESSING_UPDATE_FAILED',
  'DELETED',
  'PROCESSING_DELETE_STARTED',
  'PROCESSING_DELETE_SUCCEEDED',
  'PROCESSING_DELETE_FAILED',
] as const;
export type CustomizationStatus = (typeof CUSTOMIZATION_STATUSES)[number];

/**
 * The last operation on a customization. The status of a customization combines it with the status of the affected
 * applications.
 */
export const CUSTOMIZATION_OPERATIONS = ['CREATE', 'UPDATE', 'DELETE'] as const;
export type CustomizationOperation = (typeof CUSTOMIZATION_OPERATIONS)[number];

export const RELEASABLE_STATUSES = ['PENDING', 'SUCCEEDED', 'FAILED'] as const;
export type ReleasableStatus = (typeof RELEASABLE_STATUSES)[number];

export const PIPELINE_STATUSES = ['IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const;
export type PipelineStatus = (typeof PIPELINE_STATUSES)[number];

export const PHASE_TYPES = ['PACKAGING', 'VERIFICATION', 'DISTRIBUTION'] as const;
export type PhaseType = (typeof PHASE_TYPES)[number];

/** The status of a pipeline's release in one registry. An addition of Larder. */
export const DISTRIBUTION_STATUSES = ['PENDING', 'WAITING', 'RELEASED', 'FAILED', 'SUPERSEDED', 'CANCELLED'] as const;

export const PHASE_STATUSES = ['PENDING', 'IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'SKIPPED'] as const;
export type PhaseStatus = (typeof PHASE_STATUSES)[number];

/** What a worker may be able to do. SANDBOX: run programs in a sandbox. HELM: render charts with helm in a sandbox. */
export const WORKER_CAPABILITIES = ['SANDBOX', 'HELM'] as const;
export type WorkerCapability = (typeof WORKER_CAPABILITIES)[number];

/** Whether a catalog releases images that could not be verified. */
export const UNVERIFIED_IMAGES = ['DEFAULT', 'ALLOWED', 'FORBIDDEN'] as const;

/** Why an open pipeline waits. */
export const WAITING_CAUSES = [
  /** The pipeline's base image has no version yet. The last attempt to read or build it failed. */
  'BASE_IMAGE_UNREADABLE',
  /** The pipeline's base image has no version yet. No attempt to read or build it has failed. */
  'BASE_IMAGE_NOT_READ',
  /** A registry that the pipeline reads from or pushes to is unavailable. */
  'REGISTRY_AWAY',
  /** No worker that can run the pipeline's next step is alive. */
  'WORKER_MISSING',
  /** An earlier pipeline of the same application must end first. */
  'EARLIER_PIPELINE',
  /** The pipeline of a needed application must end first. */
  'NEEDED_PIPELINE',
] as const;
export type WaitingCause = (typeof WAITING_CAUSES)[number];

/** The causes of a wave. An addition of Larder. */
export const WAVE_CAUSES = [
  'REQUEST',
  'CUSTOMIZATION',
  'BASE_IMAGE',
  'PACKAGE',
  'VERSION',
  'RECIPE',
  /** A customization broke a build, and the application is built without it. */
  'WITHOUT_CUSTOMIZATION',
  'RETRY',
  'REBUILD',
  /** A registry got a release late, after the applications that need the release were built. */
  'LATE_RELEASE',
] as const;
export type WaveCause = (typeof WAVE_CAUSES)[number];

export const TRIGGER_TYPES = ['CVE_PATCH', 'UPSTREAM_UPDATE', 'MANUAL_RUN', 'MAINTENANCE'] as const;
export type TriggerType = (typeof TRIGGER_TYPES)[number];

/** Why a pipeline was created. For a fixed vulnerability, `context` is the id of the vulnerability. */
export type PipelineTrigger = { type: TriggerType; context?: string };

/** The causes of a failed phase of a pipeline. A release failure can have all of them except DISTRIBUTION_ERROR. */
export const FAILURE_CAUSES = [
  'UNKNOWN',
  'CUSTOMIZATION_BUILD_ERROR',
  'TEST_ERROR',
  'DISTRIBUTION_ERROR',
  'BUILD_ERROR',
] as const;
export type FailureCause = (typeof FAILURE_CAUSES)[number];

export const REGISTRY_PROVIDERS = [
  'AMAZON_ELASTIC_CONTAINER_REGISTRY',
  'HARBOR',
  'NEXUS_CONTAINER_REGISTRY',
  'AZURE_CONTAINER_REGISTRY',
  'JFROG_CONTAINER_REGISTRY',
  'GITHUB_CONTAINER_REGISTRY',
  'GOOGLE_ARTIFACT_REGISTRY',
  'DOCKERHUB',
  'IONOS',
  'OCI',
] as const;
export type RegistryProvider = (typeof REGISTRY_PROVIDERS)[number];

export const CREDENTIAL_STATUSES = ['ACTIVE', 'EXPIRED', 'REMOVED'] as const;
export type CredentialStatus = (typeof CREDENTIAL_STATUSES)[number];

export const SUBSCRIPTION_PRODUCTS = [
  'VTAC_AATEAM_CP',
  'VTAC_AAORG_CP',
  'VAC_FLEXIBLE',
  'TNZ_ADV_TAC_CP',
  'VAC_DEMO',
  'TNZ_ADV_NSM_CP',
  'INVALID_TNZ_ADV',
] as const;
export type SubscriptionProduct = (typeof SUBSCRIPTION_PRODUCTS)[number];

export const SUBSCRIPTION_STATUSES = [
  'ACTIVE',
  'CREATED',
  'EXPIRED',
  'TERMINATED',
  'ERROR',
  'SUBMITTED',
  'PENDING_EXPIRY',
  'SUSPENDED',
] as const;
export type SubscriptionStatus = (typeof SUBSCRIPTION_STATUSES)[number];

/** A file about a release (log, test results, SBOM or triggers) that is stored as content. */
export type MetadataFile = {
  digest: Digest;
  size: number;
  mime_type: string;
  filename: string;
};

export type PlatformFamily = { os_family: string; architecture: string };

export const AUDIT_OUTCOMES = ['SUCCEEDED', 'REFUSED'] as const;
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];
