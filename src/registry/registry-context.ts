// What every answer of the registry may use, and what the server keeps in memory between requests.
import type pg from 'pg';
import { type ContentStore, FREE_SHARE_MIN } from '../content/content.ts';
import type { Authenticator, RegistryIdentity } from './authenticator.ts';
import type { ManifestCache } from './manifest-cache.ts';
import { Rejection } from './rejection.ts';
import type { Ask } from './statements.ts';
import type { TransferShares } from './transfer-shares.ts';

/** A request that sends to an upload: `cut` ends its body, and `ended` comes when it touches the upload no more. */
type SendingRequest = { cut(): void; ended: Promise<void> };

export type RegistryContext = {
  pool: pg.Pool;
  ask: Ask;
  content: ContentStore;
  identity: RegistryIdentity;
  authenticator: Authenticator;
  manifests: ManifestCache;
  /** The request that sends to each upload session, by repository and session: the newest, when there are several. */
  busyUploads: Map<string, SendingRequest>;
  /** What each organization and each address holds of pushes and pulls. */
  shares: TransferShares;
  /** Throws UNAVAILABLE while the content store has too little space to take anything. */
  checkFreeSpace(): Promise<void>;
  /** As the operator configured it; absent, clients are answered under the name they asked for. */
  publicUrl?: string;
};

/** The share is asked for again after this long: at full disk speed no more than a GiB or two come in between. */
const FREE_SHARE_AGE_MS = 1_000;

/** Sweeps and operators free space within minutes. */
const RETRY_AFTER_SECONDS = 60;

/** A check for `RegistryContext.checkFreeSpace`. `now` answers milliseconds. */
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
        'the registry is short of disk space and takes no content until there is space',
        {
          headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
        },
      );
    }
  };
}
