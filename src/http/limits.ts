// Limits of the HTTP server, each with its reason. Limits of what a request may contain are in contract/limits.ts.

/** Bytes of a request's URL and header lines together: 8 KiB for the URL, 1 KiB for an access token, and a margin. */
export const HEADER_BYTES_MAX = 16 * 1024;
/** The longest URL: a comma list of 100 escaped UUIDs fits. A longer URL gets 414, before HEADER_BYTES_MAX applies. */
export const URL_LENGTH_MAX = 8 * 1024;
/** A path segment: the longest identifier or product key, escaped. The router answers 404 for longer ones. */
export const PATH_SEGMENT_LENGTH_MAX = 1024;

/**
 * A socket without traffic for this long is closed; an upload that keeps moving may take as long as it needs. For a
 * client that has stopped reading, Node waits a second time: up to 240 s in all, as measured.
 */
export const IDLE_TIMEOUT_MS = 120_000;
/**
 * Headers arrive in one or two packets: the connection of a client that takes longer is closed. A TLS handshake has
 * the same time.
 */
export const HEADERS_TIMEOUT_MS = 20_000;
/** How often Node looks for late headers (30 s by default): this keeps the limit above exact to a second. */
export const HEADERS_CHECK_INTERVAL_MS = 1_000;
/** Time for a client that sent a malformed request to read its answer; then the connection is closed, even if the client still sends. */
export const LAST_ANSWER_MS = 1_000;
/** Enough for a JSON body of 64 KiB on a slow line. */
export const BODY_TIMEOUT_MS = 30_000;
/** Enough for an upload of 1 GiB at 5 Mbit/s. */
export const UPLOAD_TIMEOUT_MS = 30 * 60_000;
/** Longer than the 60 s of common load balancers, so that they close idle connections first and no request is lost. */
export const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** Sockets of one process; each costs some tens of KiB and a file descriptor, of which a process has at least 4,096. */
export const CONNECTIONS_MAX = 2_048;
/**
 * Connections of one address (IPv6: one /64): a quarter of all. An office or a group of build machines behind one address
 * needs a few hundred; fewer than four addresses cannot use up a server.
 */
export const CONNECTIONS_PER_ADDRESS_MAX = 512;
/**
 * Connections of one address that have not sent the header of their first request: a client can open these at no
 * cost. A normal client sends the header within a few round trips, so 128 such connections are enough for hundreds of
 * new ones a second over slow lines.
 */
export const PENDING_PER_ADDRESS_MAX = 128;
/**
 * A connection without a request after this time is late. Enough for a TLS handshake and a header on a slow line, and
 * for bursts of clients that start together.
 */
export const PENDING_GRACE_MS = 2_000;

/**
 * Uploads that are read at the same time: each needs an inspector, a file that grows and about 0.6 MiB of buffers. An
 * organization has at most 16, so four organizations use up the shared 64. The other 64 are for organizations that
 * have no upload running: such an organization gets 503 only while 68 others upload.
 */
export const UPLOAD_LIMITS = { organization: 16, address: 32, shared: 64, process: 128 };
/** Retry-After of a 429 for uploads: an archive of a few MiB has been read by then. */
export const UPLOAD_RETRY_AFTER_SECONDS = 10;

/** Minimum rate of a body in bytes a second: the slowest mobile connections are several times faster. */
export const BODY_RATE_BYTES_MIN = 1024;
/** The time over which the rate is averaged: long enough for a lost packet or a change of the radio cell. */
export const BODY_RATE_WINDOW_MS = 30_000;

/** How much of a rejected body is read and dropped, so that its sender sees the answer instead of a reset. */
export const DROPPED_JSON_BYTES_MAX = 8 * 1024 * 1024;
/** Bytes of an upload in addition to its archive: boundaries, headers of parts and text fields. */
export const MULTIPART_OVERHEAD_BYTES_MAX = 512 * 1024;
/** Header lines of one part: two or three are usual. */
export const PART_HEADERS_MAX = 20;

/** Retry-After of a 503: freeing space takes the sweeper or the operator minutes. */
export const RETRY_AFTER_SECONDS = 60;

/** Lifetime of a signed URL: enough to start a download by hand, and too short to be useful in a leaked log. */
export const FILE_URL_LIFETIME_SECONDS = 15 * 60;

/** A readiness check that takes longer counts as failed. */
export const READINESS_CHECK_TIMEOUT_MS = 2_000;
