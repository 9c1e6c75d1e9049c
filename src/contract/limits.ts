// The limits of the API, each with its reason.

/** Maximum number of items on a page (published for version 1). */
export const PAGE_SIZE_MAX = 100;
export const PAGE_SIZE_DEFAULT = 20;
/** Keeps page × page size within the 32-bit integers of counters and offsets. */
export const PAGE_MAX = 20_000_000;

/** Names fit a line of a table and a column heading. */
export const NAME_LENGTH_MAX = 255;
/** A paragraph or two; longer texts belong in a document that the description links. */
export const DESCRIPTION_LENGTH_MAX = 2_000;
/** A search or an exact match never needs more than the longest name. */
export const FILTER_LENGTH_MAX = 255;
/** Length of a search in the main catalog (published). A shorter text would match nearly all products, a longer text none. */
export const SEARCH_LENGTH_MIN = 3;
export const SEARCH_LENGTH_MAX = 30;
/** Published maximum lengths of release and application fields. */
export const BRANCH_LENGTH_MAX = 32;
export const VERSION_LENGTH_MAX = 64;
export const RELEASE_ID_LENGTH_MAX = 255;
/** Published maximum length of a metadata file's name. */
export const METADATA_FILENAME_LENGTH_MAX = 64;
/** The longest file name that common file systems allow. */
export const FILENAME_LENGTH_MAX = 255;
/** Registry addresses with a project path; longer ones do not occur. */
export const URL_LENGTH_MAX = 512;
/** `repository:tag`: 255 for the repository as registries limit it, 128 for the tag, a colon. */
export const CONTAINER_IMAGE_LENGTH_MAX = 384;

/** A part of a repository's name; with a namespace and a product's key it stays below the 255 bytes of many registries. */
export const BASE_IMAGE_KEY_LENGTH_MAX = 64;
/** Cloud registries accept a JSON key file of about 2.5 KiB as password. */
export const SECRET_LENGTH_MAX = 8_192;
/**
 * Long enough for an access token, which gets a specific error here. Percent-encoded, a token of this length fits
 * into a request’s head.
 */
export const TOKEN_LENGTH_MAX = 1_024;

/** The longest address that a mail server accepts (RFC 5321, section 4.5.3.1.3, without its brackets). */
export const EMAIL_LENGTH_MAX = 254;
/** Too long to guess within the limits of failed log-ins. */
export const PASSWORD_LENGTH_MIN = 12;
/** Long enough for a sentence; longer passwords would only make hashing slower. */
export const PASSWORD_LENGTH_MAX = 256;

/** An idempotency key: a UUID, possibly with a prefix. */
export const IDEMPOTENCY_KEY_LENGTH_MAX = 255;

/** One request makes at most this many applications, so that its transaction stays short. */
export const OFFERINGS_PER_REQUEST_MAX = 100;
export const APPLICATIONS_PER_REQUEST_MAX = 100;
/** Registries of one application: each release of the application is pushed to all of them. */
export const REGISTRIES_PER_APPLICATION_MAX = 10;
/** Active credentials of one hosted registry (published for version 1). */
export const CREDENTIALS_PER_REGISTRY_MAX = 10;
/** A year: renewals are rare, and a forgotten credential still expires. */
export const CREDENTIAL_DAYS_DEFAULT = 365;
/** Two years: a credential that is not renewed in that time is probably forgotten. */
export const CREDENTIAL_DAYS_MAX = 730;
/** Half a year, as published for version 1 (api.md, section 4). */
export const API_TOKEN_MONTHS_DEFAULT = 6;
/** Two years: a token that is not renewed in that time is probably forgotten. */
export const API_TOKEN_MONTHS_MAX = 24;
/** The same in days, for the command line: the number of days in two years without a leap day. */
export const API_TOKEN_DAYS_MAX = 730;
/** Active API tokens of one user: one for each machine and pipeline, and more while they are renewed. */
export const API_TOKENS_PER_USER_MAX = 50;
/** A month: people who verify releases have time to get the new public key. */
export const SIGNING_KEY_OVERLAP_DAYS_DEFAULT = 30;
/** A year: a former key that still signs after a year has not really been replaced. */
export const SIGNING_KEY_OVERLAP_DAYS_MAX = 365;
/** Each key that signs adds two signatures to each release. */
export const SIGNING_KEYS_OVERLAPPING_MAX = 3;
/**
 * Signing keys of one organization. Old keys stay published: a new key each month reaches this number after eighty
 * years.
 */
export const SIGNING_KEYS_MAX = 1_000;
/** A private key of P-256 in PEM has 250 characters; some files have parameters and attributes before it. */
export const PRIVATE_KEY_LENGTH_MAX = 8_192;
/** Organizations of one installation: the registries and catalogs of all of them share one database and one disk. */
export const ORGANIZATIONS_MAX = 1_000;
/** Tables show the name beside other columns. */
export const ORGANIZATION_NAME_LENGTH_MAX = 100;
/**
 * With a namespace of this length and a product's path, a repository name stays far below the 255 characters that
 * clients accept.
 */
export const NAMESPACE_LENGTH_MAX = 40;
/** More applications than anybody builds: a larger quota would have no effect. */
export const APPLICATIONS_QUOTA_MAX = 1_000_000;
/** Users of one organization: a large department, ten pages of a hundred. */
export const USERS_MAX = 1_000;
/** Providers of one organization: enough for a few channels and mailing lists. Each event is sent to every provider. */
export const NOTIFICATION_PROVIDERS_MAX = 20;
/** Addresses of one e-mail provider: for more people there are mailing lists. */
export const NOTIFICATION_RECIPIENTS_MAX = 20;
/** Tokens and webhook keys of chats stay below 200 characters. */
export const NOTIFICATION_SECRET_LENGTH_MAX = 1_024;
/** Enough to set up a provider, too few to annoy its recipients. */
export const TEST_MESSAGES_PER_HOUR_MAX = 10;
/** Values in one comma-separated parameter: a hundred UUIDs fit into the longest URL. */
export const LIST_PARAMETER_MAX = 100;
/** Releases, failures and releasables embedded in one customization: the newest; links lead to the rest. */
export const EMBEDDED_MAX = 100;
/** An answer lists at most this many violations, and says how many more there are. */
export const VIOLATIONS_MAX = 100;

/** A JSON body: 100 identifiers, a name and a description stay below 64 KiB even when escaped. */
export const BODY_BYTES_MAX = 64 * 1024;
/** Each text part of an upload, and its JSON part `filter`. */
export const PART_BYTES_MAX = 16 * 1024;
/** file, filter, name and description, and some unknown parts, which the answer then names. */
export const PARTS_MAX = 16;

/** Pipelines listed in a wave, about 250 bytes each. The other pipelines of a larger wave are in the list of pipelines. */
export const WAVE_PIPELINES_MAX = 5_000;
