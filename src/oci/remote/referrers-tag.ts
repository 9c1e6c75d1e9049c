// Referrers in a registry without a referrers API. They are in an index under a tag that contains the subject's digest
// (distribution-spec, "Referrers Tag Schema").
import { hexOf } from '../../content/digest.ts';
import { type Descriptor, type Digest, type Index, MEDIA_TYPES } from '../descriptor.ts';
import { RegistryError } from '../errors.ts';
import { describeBytes, encodeDocument } from '../manifest.ts';

/** Returns the tag of the index of a subject's referrers. */
export function referrersTag(subject: Digest): string {
  return `sha256-${hexOf(subject)}`;
}

/**
 * How often the index is written. Another process may overwrite the tag, so that entries of this process are lost and must be
 * written again.
 */
const WRITES_MAX = 5;

const pending = new Map<string, Promise<void>>();

/**
 * Adds referrers to a subject's index. Reads the index, writes it, and reads it again to check that the referrers are in it.
 * In this process, only one call runs at a time for each subject. Throws RegistryError if referrers are still missing after
 * WRITES_MAX writes.
 */
export async function addToReferrersTag(
  subject: Digest,
  added: Descriptor[],
  io: { lock: string; read: () => Promise<Descriptor[]>; write: (index: Descriptor, bytes: Buffer) => Promise<void> },
): Promise<void> {
  await oneAtATime(io.lock, async () => {
    // Each write is followed by a read, also the last one.
    for (let writes = 0; ; writes++) {
      const held = await io.read();
      const missing = added.filter(({ digest }) => !held.some((referrer) => referrer.digest === digest));
      if (missing.length === 0) return;
      if (writes === WRITES_MAX) throw contended(subject);
      const index: Index = { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [...held, ...missing] };
      const bytes = encodeDocument(index);
      await io.write(describeBytes(MEDIA_TYPES.index, bytes), bytes);
    }
  });
}

function contended(subject: Digest): RegistryError {
  const message = `attach referrers: other clients keep overwriting the index of ${subject}`;
  return new RegistryError({ op: 'attach referrers', side: 'target', code: 'CONTENDED', temporary: true, message });
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
