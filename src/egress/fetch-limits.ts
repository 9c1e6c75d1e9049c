// The limits of requests to servers outside: how long one may take, and how large its answer may be.

const KIB = 1024;
const MIB = 1024 * KIB;

export type FetchLimits = {
  /** From the start of the request to the last byte of the answer. A server that sends a byte now and then is cut off too. */
  readonly timeMs: number;
  /** Counted as sent: answers are not decompressed. */
  readonly answerBytesMax: number;
};

/** Chats answer within a second, and a delivery is claimed for longer than this. Their answers repeat the message and little more. */
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
