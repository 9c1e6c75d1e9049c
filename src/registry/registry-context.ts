// The dependencies of the registry's handlers, and the state that the server keeps between requests.
import type pg from 'pg';
import { type ContentStore, FREE_SHARE_MIN } from '../content/content.ts';
import type { Authenticator, RegistryIdentity } from './authenticator.ts';
import type { ManifestCache } from './manifest-cache.ts';
import { Rejection } from './rejection.ts';
import type { Ask } from './statements.ts';
import type { TransferShares } from './transfer-shares.ts';

/**
 * A request that sends bytes to an upload. `cut` interrupts its body. `ended` resolves when the request no longer uses the
 * upload.
 */
type SendingRequest = { cut(): void; ended: Promise<void> };

export type RegistryContext = {
  pool: pg.Pool;
  ask: Ask;
  content: ContentStore;
  identity: RegistryIdentity;
  authenticator: Authenticator;
  manifests: ManifestCache;
  /** The newest request that sends to each upload. The key contains the repository and the session. */
  busyUploads: Map<string, SendingRequest>;
  /** Counts the running pushes and pulls of each organization and each address. */
  shares: TransferShares;
  /** Throws UNAVAILABLE if the disk of the content store is nearly full. */
  checkFreeSpace(): Promise<void>;
  /** The configured public URL. If absent, answers use the host of the request. */
  publicUrl?: string;
};

/** How long a measurement of free space is reused. At full speed of the disk, at most 2 GiB are written in this time. */
const FREE_SHARE_AGE_MS = 1_000;

/**
 * The Retry-After of the answer, in seconds. The job that deletes unused content, or an operator, frees space within minutes.
 */
const RETRY_AFTER_SECONDS = 60;

/** Returns the function for `RegistryContext.checkFreeSpace`. `now` returns milliseconds. */
export function watchFreeSpace(content: ContentStore, now: () => number = Date.now): () => Promise<void> {
  let share: number | undefined;
  let until = 0;
  return async () => {
    if (now() >= until) {
      until = now() + FREE_SHARE_AGE_MS;
      share = await content.freeShare();
    }
    if (share !== undefined && share < FREE_SHARE_MIN) {
      throw new Rejection(
        'UNAVAILABLE',
        'the registry has too little disk space and accepts no content until space is freed',
        {
          headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
        },
      );
    }
  };
}
