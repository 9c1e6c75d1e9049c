// Referrers in a registry without a referrers API: an index under a tag made of the subject's digest (distribution-spec, "Referrers Tag
// Schema").
import { hexOf } from '../../content/digest.ts';
import { type Descriptor, type Digest, type Index, MEDIA_TYPES } from '../descriptor.ts';
import { RegistryError } from '../errors.ts';
import { describeBytes, encodeDocument } from '../manifest.ts';

/** Returns the tag of the index of a subject's referrers. */
export function referrersTag(subject: Digest): string {
  return `sha256-${hexOf(subject)}`;
}

/** Limit of writes: if another process wrote the tag between this process's read and write, lost entries are written again. */
const WRITES_MAX = 5;

const pending = new Map<string, Promise<void>>();

/**
 * Adds referrers to a subject's index: reads it, writes it, and reads it again to find out whether they are in it. In this process, one
 * call at a time for each subject. Throws RegistryError if they are still missing after several writes.
 */
export async function addToReferrersTag(
  subject: Digest,
  added: Descriptor[],
  io: { lock: string; read: () => Promise<Descriptor[]>; write: (index: Descriptor, bytes: Buffer) => Promise<void> },
): Promise<void> {
  await oneAtATime(io.lock, async () => {
    for (let writes = 0; writes <= WRITES_MAX; writes++) {
      const held = await io.read();
      const missing = added.filter(({ digest }) => !held.some((referrer) => referrer.digest === digest));
      if (missing.length === 0) {
        return;
      }
      const index: Index = { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [...held, ...missing] };
      const bytes = encodeDocument(index);
      await io.write(describeBytes(MEDIA_TYPES.index, bytes), bytes);
    }
    const message = `attach referrers: other clients keep overwriting the index of ${subject}`;
    throw new RegistryError({ op: 'attach referrers', side: 'target', code: 'CONTENDED', temporary: true, message });
  });
}

async function oneAtATime(key: string, act: () => Promise<void>): Promise<void> {
  const before = pending.get(key);
  const next = (before ?? Promise.resolve()).catch(() => undefined).then(act);
  pending.set(key, next);
  try {
    await next;
  } finally {
    if (pending.get(key) === next) {
      pending.delete(key);
    }
  }
}
