// Referrers in a registry without a referrers API: an index under a tag made of the subject's digest (distribution-spec, "Referrers Tag
// Schema").
import { hexOf } from '../../content/digest.ts';
import { type Descriptor, type Digest, type Index, MEDIA_TYPES } from '../descriptor.ts';
import { RegistryError } from '../errors.ts';
import { describeBytes, encodeDocument } from '../manifest.ts';

/** The tag of the index of a subject's referrers. */
export function referrersTag(subject: Digest): string {
  return `sha256-${hexOf(subject)}`;
}

/** Attempts to write the tag: another process may write it between the read and the write, and lost entries are written again. */
const WRITES_MAX = 5;

const tails = new Map<string, Promise<void>>();

/**
 * Adds referrers to a subject's index: read, write, and read again, one at a time for each subject in this process.
 * Throws RegistryError when the index still lacks them after several writes.
 */
export async function addToReferrersTag(
  subject: Digest,
  added: Descriptor[],
  io: { lock: string; read: () => Promise<Descriptor[]>; write: (index: Descriptor, bytes: Buffer) => Promise<void> },
): Promise<void> {
  await inTurn(io.lock, async () => {
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
    const message = `attach referrers: others write the index of ${subject} all the time`;
    throw new RegistryError({ op: 'attach referrers', side: 'target', code: 'CONTENDED', temporary: true, message });
  });
}

async function inTurn(key: string, act: () => Promise<void>): Promise<void> {
  const before = tails.get(key);
  const next = (before ?? Promise.resolve()).catch(() => undefined).then(act);
  tails.set(key, next);
  try {
    await next;
  } finally {
    if (tails.get(key) === next) {
      tails.delete(key);
    }
  }
}
