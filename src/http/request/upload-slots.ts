// Runs uploads in slots, limited for each organization and each address. When the disk is nearly full, uploads are rejected.
import { type ContentStore, FREE_SHARE_MIN } from '../../content/content.ts';
import { type Holder, openShares, type ReachedLimit } from '../../identity/shares.ts';
import { Rejection } from '../answer/problems.ts';
import { unavailable } from '../answer/rejections.ts';
import { UPLOAD_LIMITS, UPLOAD_RETRY_AFTER_SECONDS } from '../limits.ts';

type UploadSlot = { content: ContentStore; holder: Holder };

/** All servers of the process share these slots, because memory and file descriptors are limited for the whole process. */
const slots = openShares(UPLOAD_LIMITS);

/**
 * Runs `receive` in an upload slot. Throws Rejection: share-used-up if the organization or the address has reached its limit,
 * and unavailable if the process has reached its limit or the disk is nearly full.
 */
export async function withUploadSlot<T>({ content, holder }: UploadSlot, receive: () => Promise<T>): Promise<T> {
  const slot = slots.take(holder);
  if ('reached' in slot) throw rejectionOf(slot.reached);
  try {
    const free = await content.freeShare();
    if (free !== undefined && free < FREE_SHARE_MIN)
      throw unavailable('The disk is nearly full, so no uploads are accepted until there is space.');
    return await receive();
  } finally {
    slot.release();
  }
}

function rejectionOf({ by, limit }: ReachedLimit): Rejection {
  if (by === 'process') return unavailable(`The service already reads ${limit} uploads, which is its limit.`);
  const who = by === 'organization' ? 'of your organization' : 'from your address';
  const detail = `${limit} uploads ${who} are running, which is the limit. Try again when one of them has ended.`;
  return new Rejection('share-used-up', { detail, headers: { 'retry-after': String(UPLOAD_RETRY_AFTER_SECONDS) } });
}
