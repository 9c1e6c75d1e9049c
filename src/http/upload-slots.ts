// Holds uploads back when there is no room for them: few at a time, and none when the disk is nearly full.
import type { ContentStore } from '../oci/content.ts';
import { FREE_SHARE_MIN, UPLOADS_MAX } from './limits.ts';
import { unavailable } from './refuse.ts';

let running = 0;

/** Runs `receive` in one of the process's upload slots. Throws Refusal: unavailable when there is none, or no room on disk. */
export async function withUploadSlot<T>(content: ContentStore, receive: () => Promise<T>): Promise<T> {
  if (running >= UPLOADS_MAX) throw unavailable('Too many uploads are being read.');
  running += 1;
  try {
    const free = await content.freeShare();
    if (free !== undefined && free < FREE_SHARE_MIN) throw unavailable('The disk is nearly full: uploads wait.');
    return await receive();
  } finally {
    running -= 1;
  }
}
