// The limits of the archive format, with their reasons; docs/customization.md lists them.

/** Bytes of an archive's tar. Larger content belongs in a base image. */
export const EXPANDED_BYTES_MAX = 1024 * 1024 * 1024;
/** Bytes of the upload: gzip makes incompressible data a little larger. */
export const ARCHIVE_BYTES_MAX = EXPANDED_BYTES_MAX + 1024 * 1024;
/** Expanded bytes per byte of the upload; text reaches 20, a bomb 1,000. */
export const RATIO_MAX = 200;
/** Below this size the ratio is not checked: such archives do no harm, and small archives of zeros are common in tests. */
export const RATIO_FREE_BYTES = 10 * 1024 * 1024;

/** Entries, folders included: the most that previews and in-memory listings handle with ease. */
export const ENTRIES_MAX = 20_000;
/** Distinct folders above the entries, including those without an entry of their own: each is kept in memory during reading. */
export const FOLDERS_MAX = 20_000;
/** All names and link targets together: 400 bytes per entry at the limit of entries; long trees (`node_modules`) have 100. */
export const NAMES_BYTES_MAX = 8 * 1024 * 1024;
/** NAME_MAX and PATH_MAX of Linux: longer names and paths cannot be created. */
export const NAME_BYTES_MAX = 255;
export const PATH_BYTES_MAX = 4096;
/** Components of a path; each is resolved for every entry. */
export const DEPTH_MAX = 64;
/**
 * How far a time may be after the upload, because of time zones and wrong clocks. A later time is ignored: the file gets the newest
 * valid time.
 */
export const SECONDS_AHEAD_MAX = 24 * 60 * 60;
/** Violations listed in one answer; the rest is counted. */
export const VIOLATIONS_MAX = 100;

/** Listed warnings of one kind, because people read them; the rest is counted. */
export const WARNINGS_OF_CODE_MAX = 10;
/** All listed warnings together: ten of each kind with usual paths take 15 KB, and a page shows a hundred customizations. */
export const WARNINGS_BYTES_MAX = 32 * 1024;

/** `customization.yaml`, each script, and the certificate files are read into memory. */
export const DECLARATION_BYTES_MAX = 1024 * 1024;
export const SCRIPT_BYTES_MAX = 1024 * 1024;
/** One file: the bundles that Debian, Mozilla and Microsoft publish take 0.2 to 0.8 MB. */
export const CERTIFICATE_BYTES_MAX = 1024 * 1024;
/** All certificate files together. */
export const CERTIFICATE_FILES_BYTES_MAX = 4 * 1024 * 1024;
/** Certificates, and files that contain them. The trust stores of browsers have about 150 certificates, that of Windows about 400. */
export const CERTIFICATES_MAX = 500;

export const PACKAGES_MAX = 200;
export const FILES_MAX = 2_000;
export const USERS_MAX = 50;
export const VARIABLES_MAX = 200;
/** Bytes of one value; the kernel rejects an environment string beyond 128 KiB, and registries reject large configs. */
export const VARIABLE_BYTES_MAX = 32 * 1024;
export const LABELS_MAX = 200;
export const LABEL_BYTES_MAX = 4096;
