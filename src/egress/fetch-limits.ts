// The limits of requests to outside servers: the time of one request, and the size of its response.

const KIB = 1024;
const MIB = 1024 * KIB;

export type FetchLimits = {
  /** From the start of the request to the last byte of the response. A server that sends a byte now and then is cut off too. */
  readonly timeMs: number;
  /** Counted as sent: responses are not decompressed. */
  readonly answerBytesMax: number;
};

/**
 * Chats respond within a second, and a delivery is claimed for longer than this. Their responses repeat the message and little
 * more.
 */
export const CHAT_LIMITS: FetchLimits = { timeMs: 20_000, answerBytesMax: 64 * KIB };

/** A person waits for the log-in. Metadata, keys and claims are some kilobytes; the groups of a large organization some more. */
export const IDENTITY_PROVIDER_LIMITS: FetchLimits = { timeMs: 10_000, answerBytesMax: MIB };

/** A pull or a push waits for the token. Tokens are a few kilobytes. */
export const TOKEN_SERVER_LIMITS: FetchLimits = { timeMs: 30_000, answerBytesMax: 64 * KIB };

/** A registry that assembles a large upload in object storage may be silent for minutes. */
export const REGISTRY_IDLE_MS = 300_000;

/** One call with all its retries. Without this limit, a registry that sends a byte now and then would occupy a worker forever. */
export const REGISTRY_CALL_MS = 600_000;

/** A request with a larger body is a transfer: it may take long, and only silence ends it. */
export const REGISTRY_CALL_BODY_BYTES_MAX = MIB;
