// The limits of the archive format, with their reasons; docs/customization.md lists them.

/** Bytes of an archive's tar. Larger content belongs in a base image. */
export const EXPANDED_BYTES_MAX = 1024 * 1024 * 1024;
/** Bytes of the upload: gzip makes incompressible data a little larger. */
export const ARCHIVE_BYTES_MAX = EXPANDED_BYTES_MAX + 1024 * 1024;
/** Expanded bytes per byte of the upload. Text reaches a ratio of 20, an archive made to exhaust the disk 1,000. */
export const RATIO_MAX = 200;
/** Up to this expanded size the ratio is not checked: such an archive does no harm, and small archives of zeros are common in tests. */
export const RATIO_FREE_BYTES = 10 * 1024 * 1024;

/** Limit of entries, folders included: previews and listings in memory are fast up to this number. */
export const ENTRIES_MAX = 20_000;
/** Limit of distinct folders above the entries, with or without an entry of their own: reading keeps each of them in memory. */
export const FOLDERS_MAX = 20_000;
/**
 * Bytes of all names and link targets together. Even 20,000 entries may then have 400 bytes each; trees with long paths (`node_modules`)
 * have 100.
 */
export const NAMES_BYTES_MAX = 8 * 1024 * 1024;
/** NAME_MAX and PATH_MAX of Linux: longer names and paths cannot be created. */
export const NAME_BYTES_MAX = 255;
export const PATH_BYTES_MAX = 4096;
/** Limit of components in a path: each of them is resolved for every entry. */
export const DEPTH_MAX = 64;
/**
 * How far a time may be after the upload, because of time zones and wrong clocks. A later time is ignored: the file gets the newest
 * valid time.
 */
export const SECONDS_AHEAD_MAX = 24 * 60 * 60;
/** Limit of violations in one answer; further violations are only counted. */
export const VIOLATIONS_MAX = 100;

/** Limit of listed warnings of one kind, because people read them; further warnings are only counted. */
export const WARNINGS_OF_CODE_MAX = 10;
/**
 * Bytes of all listed warnings. Ten warnings of each kind with usual paths take 15 KB; a page shows a hundred customizations, so the limit
 * is not much higher.
 */
export const WARNINGS_BYTES_MAX = 32 * 1024;

/** Limits of the files that are read into memory: `customization.yaml`, each script, and the certificate files. */
export const DECLARATION_BYTES_MAX = 1024 * 1024;
export const SCRIPT_BYTES_MAX = 1024 * 1024;
/** Bytes of one certificate file: the bundles that Debian, Mozilla and Microsoft publish have 0.2 to 0.8 MB. */
export const CERTIFICATE_BYTES_MAX = 1024 * 1024;
/** Bytes of all certificate files together. */
export const CERTIFICATE_FILES_BYTES_MAX = 4 * 1024 * 1024;
/**
 * Limit of certificates, and of files with certificates. It allows a complete trust store: browsers have about 150 certificates, Windows
 * about 400.
 */
export const CERTIFICATES_MAX = 500;

export const PACKAGES_MAX = 200;
export const FILES_MAX = 2_000;
export const USERS_MAX = 50;
export const VARIABLES_MAX = 200;
/**
 * Bytes of one value. The kernel rejects an environment string above 128 KiB, and registries reject large configs, so the limit is far
 * below.
 */
export const VARIABLE_BYTES_MAX = 32 * 1024;
export const LABELS_MAX = 200;
export const LABEL_BYTES_MAX = 4096;

/** Limit of templates for charts. Bitnami's largest chart has 150. */
export const CHART_TEMPLATES_MAX = 100;
/** Bytes of all templates of one archive. helm stores a chart with its release in one Secret, which may have 1 MiB. */
export const CHART_TEMPLATES_BYTES_MAX = 512 * 1024;
/** Bytes of the values for charts, as JSON with aliases expanded. Values files of people have 1 to 20 KB. */
export const CHART_VALUES_BYTES_MAX = 256 * 1024;
/** Limit of labels, and of annotations, for the objects of charts: each object has all of them. */
export const OBJECT_METADATA_MAX = 50;
/** Bytes of one annotation, and of all together. Kubernetes allows 256 KiB for an object, and charts have annotations of their own. */
export const ANNOTATION_BYTES_MAX = 16 * 1024;
export const ANNOTATIONS_BYTES_MAX = 64 * 1024;
