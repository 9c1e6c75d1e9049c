// Every limit of the archive format, with its reason; docs/customization.md lists them for the person who hits one.

/** Bytes of an archive's tar. An image layer beyond this is no customization any more. */
export const EXPANDED_BYTES_MAX = 1024 * 1024 * 1024;
/** Bytes of the upload: what cannot be compressed is a little larger in gzip. */
export const ARCHIVE_BYTES_MAX = EXPANDED_BYTES_MAX + 1024 * 1024;
/** Expanded bytes for one byte of the upload; text reaches 20, a bomb 1,000. */
export const RATIO_MAX = 200;
/** Below this nothing is a bomb, and small archives of zeros are common in tests. */
export const RATIO_FREE_BYTES = 10 * 1024 * 1024;

/** Entries, folders included: what a preview and a listing in memory still carry with ease. */
export const ENTRIES_MAX = 20_000;
/** Distinct folders above the entries, those included that have no entry of their own: each is held while the archive is read. */
export const FOLDERS_MAX = 20_000;
/** All names and link targets together: 400 bytes for each of the most entries, where long trees (`node_modules`) have 100. */
export const NAMES_BYTES_MAX = 8 * 1024 * 1024;
/** NAME_MAX and PATH_MAX of Linux: beyond them no file could be made. */
export const NAME_BYTES_MAX = 255;
export const PATH_BYTES_MAX = 4096;
/** Components of a path; each is walked for every entry. */
export const DEPTH_MAX = 64;
/**
 * How far a time may lie ahead of the upload: time zones and wrong clocks. A later one is not believed, and the file gets the newest time
 * that is.
 */
export const SECONDS_AHEAD_MAX = 24 * 60 * 60;
/** Violations told in one answer; the rest is counted. */
export const VIOLATIONS_MAX = 100;

/** Warnings of one kind that are listed, because people read them; the rest is counted. */
export const WARNINGS_OF_CODE_MAX = 10;
/** All listed warnings together: ten of each kind with usual paths take 15 KB, and a page shows a hundred customizations. */
export const WARNINGS_BYTES_MAX = 32 * 1024;

/** `customization.yaml`, each script, and the certificate files are held in memory. */
export const DECLARATION_BYTES_MAX = 1024 * 1024;
export const SCRIPT_BYTES_MAX = 1024 * 1024;
/** One file: the bundles that Debian, Mozilla and Microsoft publish take 0.2 to 0.8 MB. */
export const CERTIFICATE_BYTES_MAX = 1024 * 1024;
/** All certificate files together. */
export const CERTIFICATE_FILES_BYTES_MAX = 4 * 1024 * 1024;
/** Certificates in all, and files that hold them. The trust stores of browsers have about 150, that of Windows some 400. */
export const CERTIFICATES_MAX = 500;

export const PACKAGES_MAX = 200;
export const FILES_MAX = 2_000;
export const USERS_MAX = 50;
export const VARIABLES_MAX = 200;
/** Bytes of one value; the kernel rejects one string of environment beyond 128 KiB, and registries large configs. */
export const VARIABLE_BYTES_MAX = 32 * 1024;
export const LABELS_MAX = 200;
export const LABEL_BYTES_MAX = 4096;
