// The limits of requests to outside servers: the time of one request, and the size of its response.

const KIB = 1024;
const MIB = 1024 * KIB;

export type FetchLimits = {
  /**
   * The time from the start of the request to the last byte of the response. It also ends requests to a server that sends a byte now and
   * then.
   */
  readonly timeMs: number;
  /** Limit of the response's bytes as the server sends them: responses are not decompressed. */
  readonly answerBytesMax: number;
};

/**
 * Chat servers respond within a second, and repeat the message and little more. The time is shorter than a worker's claim of a delivery.
 */
export const CHAT_LIMITS: FetchLimits = { timeMs: 20_000, answerBytesMax: 64 * KIB };

/**
 * A person waits for the log-in, so the time is short. Metadata, keys and claims have some kilobytes, the groups of a large organization
 * some more.
 */
export const IDENTITY_PROVIDER_LIMITS: FetchLimits = { timeMs: 10_000, answerBytesMax: MIB };

/** A pull or a push waits for the token. Tokens are a few kilobytes. */
export const TOKEN_SERVER_LIMITS: FetchLimits = { timeMs: 30_000, answerBytesMax: 64 * KIB };

/**
 * A silent connection ends after this time. It is long, because a registry may need minutes to assemble a large upload in object storage.
 */
export const REGISTRY_IDLE_MS = 300_000;

/** Limit of one call with all its retries. Without it, a registry that sends a byte now and then would occupy a worker forever. */
export const REGISTRY_CALL_MS = 600_000;

/** A request with a body above this size is a transfer: it may take any time, and ends only when the connection is silent. */
export const REGISTRY_CALL_BODY_BYTES_MAX = MIB;
