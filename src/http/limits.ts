// Limits of the HTTP server, each with its reason. The limits of the content of a request are in contract/limits.ts.

/**
 * The URL and the headers of a request together. 8 KiB are for the URL, 1 KiB for an access token, and the rest is a margin.
 */
export const HEADER_BYTES_MAX = 16 * 1024;
/**
 * The longest URL, in bytes. A comma list of 100 escaped UUIDs fits. A longer URL gets 414, before HEADER_BYTES_MAX applies.
 */
export const URL_LENGTH_MAX = 8 * 1024;
/**
 * The longest path segment, in characters. The longest escaped identifier or product key fits. The router answers 404 for a
 * longer segment.
 */
export const PATH_SEGMENT_LENGTH_MAX = 1024;

/**
 * A socket without traffic for this long is closed. An upload whose bytes keep arriving may take any time. If a client has
 * stopped reading, Node waits for this time twice before it closes the socket (240 s were measured).
 */
export const IDLE_TIMEOUT_MS = 120_000;
/**
 * A client has this long to send its headers, which fit into one or two packets. After that, its connection is closed. A TLS
 * handshake has the same time.
 */
export const HEADERS_TIMEOUT_MS = 20_000;
/** How often Node searches for late headers (its default is 30 s). So HEADERS_TIMEOUT_MS is exact to a second. */
export const HEADERS_CHECK_INTERVAL_MS = 1_000;
/**
 * A client that sent a malformed request has this long to read the answer. Then the connection is closed, even if the client
 * still sends.
 */
export const LAST_ANSWER_MS = 1_000;
/** The time in which a body must arrive. It is enough for a JSON body of 64 KiB over a slow connection. */
export const BODY_TIMEOUT_MS = 30_000;
/** The time in which an upload must arrive. It is enough for 1 GiB at 5 Mbit/s. */
export const UPLOAD_TIMEOUT_MS = 30 * 60_000;
/**
 * An idle connection is kept open this long. Common load balancers close idle connections after 60 s. They must close first,
 * because otherwise they could send a request while the server closes.
 */
export const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/**
 * The most open sockets of a process. Each socket needs some tens of KiB and a file descriptor, of which a process has at
 * least 4,096.
 */
export const CONNECTIONS_MAX = 2_048;
/**
 * The most connections from one address (for IPv6, one /64 network). This is a quarter of all connections, so at least four
 * addresses are needed to use up a server. An office or a group of build machines behind one address needs a few hundred.
 */
export const CONNECTIONS_PER_ADDRESS_MAX = 512;
/**
 * The most connections from one address that have not sent the header of their first request. Opening such a connection costs
 * a client nothing. A normal client sends the header within a few round trips. So 128 are enough for hundreds of new
 * connections a second over slow networks.
 */
export const PENDING_PER_ADDRESS_MAX = 128;
/**
 * A connection that has sent no request header after this time is late. The time is enough for a TLS handshake and a header
 * over a slow connection, and for many clients that start together.
 */
export const PENDING_GRACE_MS = 2_000;

/**
 * The most uploads that are read at the same time. Each needs an inspector, a growing file and about 0.6 MiB of buffers. An
 * organization has at most 16, so four organizations can use up the 64 shared slots. The other 64 are for organizations that
 * have no running upload. Such an organization gets 503 only while 68 other organizations upload.
 */
export const UPLOAD_LIMITS = { organization: 16, address: 32, shared: 64, process: 128 };
/** Retry-After of a 429 for uploads. In this time, the server reads an archive of a few MiB. */
export const UPLOAD_RETRY_AFTER_SECONDS = 10;

/** The lowest rate of a body in bytes per second. Even the slowest mobile connections are several times faster. */
export const BODY_RATE_BYTES_MIN = 1024;
/** The time over which the rate is averaged. It is long enough for a lost packet or a change of the mobile cell. */
export const BODY_RATE_WINDOW_MS = 30_000;

/** How many bytes of a rejected body are read and dropped, so that the client gets the answer instead of a reset. */
export const DROPPED_JSON_BYTES_MAX = 8 * 1024 * 1024;
/** The size of an upload without its archive: boundaries, headers of parts and text fields. */
export const MULTIPART_OVERHEAD_BYTES_MAX = 512 * 1024;
/** The most header lines of one part. Usually there are two or three. */
export const PART_HEADERS_MAX = 20;

/**
 * Retry-After of a 503, in seconds. If the disk is full, the job that deletes unused content or the operator needs minutes to
 * free space.
 */
export const RETRY_AFTER_SECONDS = 60;

/** How long a signed URL is valid. A person can start a download in this time, and a URL from an old log is useless. */
export const FILE_URL_LIFETIME_SECONDS = 15 * 60;

/** A readiness check that takes longer than this has failed. */
export const READINESS_CHECK_TIMEOUT_MS = 2_000;
