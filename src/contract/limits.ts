// How much of anything a request may carry: every ceiling of the wire in one place, each with its reason.

/** Items a page holds at most (published by the API this one speaks). */
export const PAGE_SIZE_MAX = 100;
export const PAGE_SIZE_DEFAULT = 20;
/** Keeps page × page size within the 32-bit integers that counters and offsets are held in. */
export const PAGE_MAX = 20_000_000;

/** Names fit a line of a table and a column heading. */
export const NAME_LENGTH_MAX = 255;
/** A paragraph or two; longer texts belong in a document that the description links. */
export const DESCRIPTION_LENGTH_MAX = 2_000;
/** A search or an exact match never needs more than the longest name. */
export const FILTER_LENGTH_MAX = 255;
/** A search of the main catalog (published): shorter ones find everything, longer ones nothing. */
export const SEARCH_LENGTH_MIN = 3;
export const SEARCH_LENGTH_MAX = 30;
/** Published maximum lengths of release and application fields. */
export const BRANCH_LENGTH_MAX = 32;
export const VERSION_LENGTH_MAX = 64;
export const RELEASE_ID_LENGTH_MAX = 255;
/** Published maximum length of a metadata file's name. */
export const METADATA_FILENAME_LENGTH_MAX = 64;
/** What common file systems hold as one name. */
export const FILENAME_LENGTH_MAX = 255;
/** Registry addresses with a project path; longer ones do not occur. */
export const URL_LENGTH_MAX = 512;
/** `repository:tag`: 255 for the repository as registries limit it, 128 for the tag, a colon. */
export const CONTAINER_IMAGE_LENGTH_MAX = 384;

/** A part of a repository's name; with a namespace and a product's key it stays below the 255 bytes of many registries. */
export const BASE_IMAGE_KEY_LENGTH_MAX = 64;
/** Cloud registries take a JSON key file of about 2.5 KiB as password. */
export const SECRET_LENGTH_MAX = 8_192;
/** Access tokens come here by mistake and are told so; every character of this many fits a request’s head percent-encoded. */
export const TOKEN_LENGTH_MAX = 1_024;

/** What a mail server takes as an address (RFC 5321, section 4.5.3.1.3, without its brackets). */
export const EMAIL_LENGTH_MAX = 254;
/** Long enough that guessing at the limits of failed log-ins comes to nothing. */
export const PASSWORD_LENGTH_MIN = 12;
/** A sentence; hashing longer ones would only cost. */
export const PASSWORD_LENGTH_MAX = 256;

/** A key that names a request: UUIDs and what people put before them. */
export const IDEMPOTENCY_KEY_LENGTH_MAX = 255;

/** One request makes at most this many applications, so that its transaction stays short. */
export const OFFERINGS_PER_REQUEST_MAX = 100;
export const APPLICATIONS_PER_REQUEST_MAX = 100;
/** Registries one application is pushed to. */
export const REGISTRIES_PER_APPLICATION_MAX = 10;
/** Credentials of one hosted registry that work at a time (published by the API this one speaks). */
export const CREDENTIALS_PER_REGISTRY_MAX = 10;
/** A year: set up once, and a forgotten one ends. */
export const CREDENTIAL_DAYS_DEFAULT = 365;
/** Two years: what nobody renews in that time nobody looks after. */
export const CREDENTIAL_DAYS_MAX = 730;
/** Half a year, as the original has it (api.md, section 4). */
export const API_TOKEN_MONTHS_DEFAULT = 6;
/** Two years: what nobody renews in that time nobody looks after. */
export const API_TOKEN_MONTHS_MAX = 24;
/** The same in days, for who counts in them: no two years are shorter. */
export const API_TOKEN_DAYS_MAX = 730;
/** API tokens of one user that work at a time: one a machine and a pipeline, and room while they are renewed. */
export const API_TOKENS_PER_USER_MAX = 50;
/** Organizations of one installation: each has a registry and a catalog of its own on one database and one disk. */
export const ORGANIZATIONS_MAX = 1_000;
/** It stands in tables beside other columns. */
export const ORGANIZATION_NAME_LENGTH_MAX = 100;
/** With a product's path behind it a repository name stays far below the 255 that clients take. */
export const NAMESPACE_LENGTH_MAX = 40;
/** More than anybody builds; a larger limit is none. */
export const APPLICATIONS_QUOTA_MAX = 1_000_000;
/** Users of one organization: a large department; a page of a hundred still finds anybody. */
export const USERS_MAX = 1_000;
/** Providers of one organization: a few channels and mailing lists; each event is a message to each of them. */
export const NOTIFICATION_PROVIDERS_MAX = 20;
/** Addresses of one e-mail provider: more people are a mailing list. */
export const NOTIFICATION_RECIPIENTS_MAX = 20;
/** Tokens and webhook keys of chats stay below 200 characters. */
export const NOTIFICATION_SECRET_LENGTH_MAX = 1_024;
/** Enough to set one up, too few to annoy somebody with. */
export const TEST_MESSAGES_PER_HOUR_MAX = 10;
/** Values in one comma-separated parameter. */
export const LIST_PARAMETER_MAX = 100;
/** Releases, failures and releasables embedded in one customization: the newest; links lead to the rest. */
export const EMBEDDED_MAX = 100;
/** Violations told in one answer; the answer says how many more there are. */
export const VIOLATIONS_MAX = 100;

/** A JSON body: 100 identifiers, a name and a description stay below 64 KiB even when escaped. */
export const BODY_BYTES_MAX = 64 * 1024;
/** The JSON part `filter` and the text parts of an upload, each. */
export const PART_BYTES_MAX = 16 * 1024;
/** file, filter, name, description, and room to name a few unknown ones in the answer. */
export const PARTS_MAX = 16;

/** Pipelines shown with a wave: some 250 bytes each; a larger wave is read through the list of pipelines. */
export const WAVE_PIPELINES_MAX = 5_000;
