// The limits of requests to outside servers: the time of one request, and the size of its response.

const KIB = 1024;
const MIB = 1024 * KIB;

export type FetchLimits = {
  /**
   * The time from the start of the request to the last byte of the response. It also ends a request to a server that only
   * sends a byte from time to time.
   */
  readonly timeMs: number;
  /** The most bytes of the response, as the server sends them. Responses are not decompressed. */
  readonly answerBytesMax: number;
};

/**
 * Chat servers respond within a second, and repeat little more than the message. The time is shorter than a worker's claim of
 * a delivery.
 */
export const CHAT_LIMITS: FetchLimits = { timeMs: 20_000, answerBytesMax: 64 * KIB };

/**
 * A person waits for the log-in, so the time is short. Metadata, keys and claims have some kilobytes. The groups of a large
 * organization have somewhat more.
 */
export const IDENTITY_PROVIDER_LIMITS: FetchLimits = { timeMs: 10_000, answerBytesMax: MIB };

/** A pull or a push waits for the token, so the time is short. Tokens have a few kilobytes. */
export const TOKEN_SERVER_LIMITS: FetchLimits = { timeMs: 30_000, answerBytesMax: 64 * KIB };

/**
 * A silent connection ends after this time. The time is long, because a registry may need minutes to assemble a large upload
 * in object storage.
 */
export const REGISTRY_IDLE_MS = 300_000;

/**
 * The time limit of one call with all its retries. Without it, a registry that only sends a byte from time to time would
 * occupy a worker forever.
 */
export const REGISTRY_CALL_MS = 600_000;

/**
 * A request with a larger body, in bytes, has no time limit, because it transfers content. It ends only when the connection
 * is silent.
 */
export const REGISTRY_CALL_BODY_BYTES_MAX = MIB;
