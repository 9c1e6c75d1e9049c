// How much and how long the server listens to anyone, each ceiling with its reason. What a request may say is in contract/limits.ts.

/** All header lines of a request with its address. An access token is about 1 KiB; the rest is generous. */
export const HEADER_BYTES_MAX = 16 * 1024;
/** An address: 100 UUIDs in a comma list, escaped, fit. Longer ones are rejected by name (414) before the header limit is. */
export const URL_LENGTH_MAX = 8 * 1024;
/** A path segment: the longest identifier or product key, escaped. The router answers 404 beyond it. */
export const PATH_SEGMENT_LENGTH_MAX = 1024;

/**
 * A socket on which nothing moves for this long is closed; uploads that keep moving may take as long as they need. Node notices
 * that a client has stopped reading when this timer fires, and then waits for it once more: up to 240 s, as measured.
 */
export const IDLE_TIMEOUT_MS = 120_000;
/** Headers arrive in one packet or two; a client that drips them is closed. A TLS handshake has the same time. */
export const HEADERS_TIMEOUT_MS = 20_000;
/** How often Node looks for headers that are late (30 s unless set): the limit above holds to a second. */
export const HEADERS_CHECK_INTERVAL_MS = 1_000;
/** A client that sent no proper request reads its answer in this time; then the connection is closed, whatever it still sends. */
export const LAST_ANSWER_MS = 1_000;
/** A JSON body of 64 KiB on the slowest of lines. */
export const BODY_TIMEOUT_MS = 30_000;
/** An upload of 1 GiB at 5 Mbit/s. */
export const UPLOAD_TIMEOUT_MS = 30 * 60_000;
/** Longer than the 60 s of common load balancers, so that it is they who close idle connections and no request is lost between. */
export const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** Sockets of one process; each costs some tens of KiB and a file descriptor, of which 4,096 are had everywhere. */
export const CONNECTIONS_MAX = 2_048;
/**
 * Connections of one address (IPv6: one /64): a quarter of all. An office or a group of build machines behind one address
 * needs some hundreds; less than four addresses cannot use up a server.
 */
export const CONNECTIONS_PER_ADDRESS_MAX = 512;
/**
 * Of them, those that have not sent the header of a request: they cost a client nothing. A client sends it within some
 * round trips, so 128 that are late are enough for hundreds of new connections a second over slow lines.
 */
export const PENDING_PER_ADDRESS_MAX = 128;
/** How long a connection is not counted as late: a TLS handshake and a header on a slow line, and bursts of clients that start together. */
export const PENDING_GRACE_MS = 2_000;

/**
 * Uploads that are read at the same time: each holds an inspector, a file that grows and about 0.6 MiB of buffers. An organization has 16,
 * and four such organizations use up the shared part. The other half is for organizations that have no upload running: 503
 * for one of these takes 68 organizations that upload at once.
 */
export const UPLOAD_LIMITS = { organization: 16, address: 32, shared: 64, process: 128 };
/** When to come back after a 429 for uploads: an archive of some MiB has been read by then. */
export const UPLOAD_RETRY_AFTER_SECONDS = 10;

/** Bytes a second below which a body is no transfer: the slowest mobile lines move several times as much. */
export const BODY_RATE_BYTES_MIN = 1024;
/** The time over which the rate is averaged: a lost packet or a change of the radio cell is over by then. */
export const BODY_RATE_WINDOW_MS = 30_000;

/** What is read and thrown away of a rejected body, so that its sender sees the answer and not a reset. */
export const DROPPED_JSON_BYTES_MAX = 8 * 1024 * 1024;
/** Multipart's own lines around an archive and its fields. */
export const MULTIPART_OVERHEAD_BYTES_MAX = 512 * 1024;
/** Header lines of one part: two or three are usual. */
export const PART_HEADERS_MAX = 20;

/** When to come back after a 503: the sweeper and the operator work in minutes. */
export const RETRY_AFTER_SECONDS = 60;

/** A signed address of a file: long enough to start a download by hand, short enough to be of no use in a log. */
export const FILE_URL_LIFETIME_SECONDS = 15 * 60;

/** A readiness check that takes longer has failed. */
export const READINESS_CHECK_TIMEOUT_MS = 2_000;
