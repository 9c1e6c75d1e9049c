// The limits of the API, each with its reason.

/** The most items on a page. The published reference of version 1 has this limit. */
export const PAGE_SIZE_MAX = 100;
export const PAGE_SIZE_DEFAULT = 20;
/** The highest page number. With it, page × page size fits into the 32-bit integers of counters and offsets. */
export const PAGE_MAX = 20_000_000;

/** The longest name, in characters. It fits a line of a table and a column heading. */
export const NAME_LENGTH_MAX = 255;
/**
 * The longest description, in characters: one or two paragraphs. Longer texts belong in a document to which the description
 * links.
 */
export const DESCRIPTION_LENGTH_MAX = 2_000;
/** The longest text of a filter, in characters. A filter never needs more than the longest name. */
export const FILTER_LENGTH_MAX = 255;
/**
 * The shortest search in the main catalog, in characters (published). A shorter text would match nearly all products, and a
 * text above the maximum would match none.
 */
export const SEARCH_LENGTH_MIN = 3;
export const SEARCH_LENGTH_MAX = 30;
/** The published maximum lengths of fields of releases and applications. */
export const BRANCH_LENGTH_MAX = 32;
export const VERSION_LENGTH_MAX = 64;
export const RELEASE_ID_LENGTH_MAX = 255;
/** The published maximum length of the name of a metadata file. */
export const METADATA_FILENAME_LENGTH_MAX = 64;
/** The longest file name that common file systems allow. */
export const FILENAME_LENGTH_MAX = 255;
/** The longest address of a registry, in characters. Addresses with a project path are shorter. */
export const URL_LENGTH_MAX = 512;
/** The longest `repository:tag`: 255 characters for the repository (a limit of registries), 128 for the tag, and a colon. */
export const CONTAINER_IMAGE_LENGTH_MAX = 384;

/**
 * The longest key of a base image, which is a part of repository names. Together with a namespace and a product's key, such a
 * name has less than the 255 bytes that many registries allow.
 */
export const BASE_IMAGE_KEY_LENGTH_MAX = 64;
/**
 * The longest secret of a registry, in characters. Cloud registries accept a JSON key file of about 2.5 KiB as a password.
 */
export const SECRET_LENGTH_MAX = 8_192;
/**
 * The longest API token, in characters. It is long enough for an access token, because an access token gets a specific error
 * here. A percent-encoded token of this length fits into the headers of a request.
 */
export const TOKEN_LENGTH_MAX = 1_024;

/**
 * The longest e-mail address. It is the longest that a mail server accepts (RFC 5321, section 4.5.3.1.3, without brackets).
 */
export const EMAIL_LENGTH_MAX = 254;
/** The shortest password, in characters. It cannot be guessed within the limits of failed log-ins. */
export const PASSWORD_LENGTH_MIN = 12;
/** The longest password, in characters. It may be a sentence. Longer passwords would only make hashing slower. */
export const PASSWORD_LENGTH_MAX = 256;

/** The longest idempotency key, in characters. A UUID with a prefix fits. */
export const IDEMPOTENCY_KEY_LENGTH_MAX = 255;

/** The most applications that one request makes, so that its transaction is short. */
export const OFFERINGS_PER_REQUEST_MAX = 100;
export const APPLICATIONS_PER_REQUEST_MAX = 100;
/** The most registries of one application. Each release of the application is pushed to all of them. */
export const REGISTRIES_PER_APPLICATION_MAX = 10;
/** The most active credentials of one hosted registry (published for version 1). */
export const CREDENTIALS_PER_REGISTRY_MAX = 10;
/**
 * The default lifetime of a credential in days. It is a year: renewals are rare, and a forgotten credential still expires.
 */
export const CREDENTIAL_DAYS_DEFAULT = 365;
/** The longest lifetime of a credential in days. A credential that is not renewed in two years is probably forgotten. */
export const CREDENTIAL_DAYS_MAX = 730;
/** The default lifetime of an API token in months, as published for version 1 (api.md, section 4). */
export const API_TOKEN_MONTHS_DEFAULT = 6;
/** The longest lifetime of an API token in months. A token that is not renewed in two years is probably forgotten. */
export const API_TOKEN_MONTHS_MAX = 24;
/** The longest lifetime of an API token in days, for the command line: two years without a leap day. */
export const API_TOKEN_DAYS_MAX = 730;
/**
 * The most active API tokens of one user. A user needs one for each machine and pipeline, and more while they are renewed.
 */
export const API_TOKENS_PER_USER_MAX = 50;
/**
 * The default overlap of signing keys in days. In a month, people who verify releases have time to get the new public key.
 */
export const SIGNING_KEY_OVERLAP_DAYS_DEFAULT = 30;
/** The longest overlap of signing keys in days. A former key that still signs after a year is not really replaced. */
export const SIGNING_KEY_OVERLAP_DAYS_MAX = 365;
/** The most former keys that still sign, because each key that signs adds two signatures to each release. */
export const SIGNING_KEYS_OVERLAPPING_MAX = 3;
/**
 * The most signing keys of one organization. Old keys stay published. With a new key each month, this number is reached after
 * eighty years.
 */
export const SIGNING_KEYS_MAX = 1_000;
/**
 * The longest private key, in characters. A P-256 key in PEM has 250 characters, and some files have parameters and
 * attributes before it.
 */
export const PRIVATE_KEY_LENGTH_MAX = 8_192;
/**
 * The most organizations of one installation, because the registries and catalogs of all organizations share one database and
 * one disk.
 */
export const ORGANIZATIONS_MAX = 1_000;
/** The longest name of an organization, in characters, because tables show it next to other columns. */
export const ORGANIZATION_NAME_LENGTH_MAX = 100;
/**
 * The longest namespace, in characters. Together with a product's path, a repository name is then far shorter than the 255
 * characters that clients accept.
 */
export const NAMESPACE_LENGTH_MAX = 40;
/** The highest quota of applications. Nobody builds more, so a higher quota would have no effect. */
export const APPLICATIONS_QUOTA_MAX = 1_000_000;
/** The most users of one organization. This is the size of a large department, and ten pages of a hundred. */
export const USERS_MAX = 1_000;
/**
 * The most notification providers of one organization. They are enough for a few channels and mailing lists. Each event is
 * sent to every provider.
 */
export const NOTIFICATION_PROVIDERS_MAX = 20;
/** The most addresses of one e-mail provider. Mailing lists can reach more people. */
export const NOTIFICATION_RECIPIENTS_MAX = 20;
/** The longest secret of a chat, in characters. Tokens and webhook keys have less than 200 characters. */
export const NOTIFICATION_SECRET_LENGTH_MAX = 1_024;
/** The most test messages in an hour. They are enough to set up a provider, and too few to annoy its recipients. */
export const TEST_MESSAGES_PER_HOUR_MAX = 10;
/** The most values in one comma-separated parameter. A hundred UUIDs fit into the longest URL. */
export const LIST_PARAMETER_MAX = 100;
/**
 * The most releases, failures and releasables in the answer for a customization. These are the newest, and links lead to the
 * others.
 */
export const EMBEDDED_MAX = 100;
/** The most violations in an answer. The answer says how many more there are. */
export const VIOLATIONS_MAX = 100;

/** The largest JSON body in bytes. 100 identifiers, a name and a description have less than 64 KiB, even when escaped. */
export const BODY_BYTES_MAX = 64 * 1024;
/** The largest text part of an upload in bytes. The JSON part `filter` has the same limit. */
export const PART_BYTES_MAX = 16 * 1024;
/** The most parts of an upload: file, filter, name, description, and some unknown parts, which the answer then names. */
export const PARTS_MAX = 16;

/** The most pipelines in the answer for a wave, at about 250 bytes each. The list of pipelines has the others. */
export const WAVE_PIPELINES_MAX = 5_000;
