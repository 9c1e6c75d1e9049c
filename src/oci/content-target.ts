// A content store as a target of copies. It stores blobs and manifests by digest. Tags exist only in the memory of the
// target.
import { Readable } from 'node:stream';
import type { ContentStore } from '../content/content.ts';
import { ContentMismatch } from '../content/content-errors.ts';
import { isDigest } from '../content/digest.ts';
import type { Descriptor, Digest } from './descriptor.ts';
import { describeBytes, isManifestType, MANIFEST_BYTES_MAX, parseManifest, readAtMost } from './manifest.ts';
import type { Target } from './target.ts';

/**
 * Returns a target over a store. It knows only the tags and referrers that were written through it, because a store has no
 * names.
 */
export function contentTarget(store: ContentStore): Target {
  const tags = new Map<string, Descriptor>();
  const referrers = new Map<Digest, Descriptor[]>();
  const target: Target = {
    resolve: async (reference) => (isDigest(reference) ? await describe(store, reference) : tags.get(reference)),
    fetch: async (descriptor, range) => await store.open(descriptor.digest, range),
    // Touches an existing blob, so that the sweeper (src/jobs/sweep-content.ts) does not delete it before the copy ends.
    exists: async ({ digest, size }) => (await store.stat(digest))?.size === size && (await store.touch(digest)),
    async push(descriptor, open) {
      if (!isManifestType(descriptor.mediaType)) {
        await store.put(await open(), descriptor);
        return;
      }
      const bytes = await readAtMost(await open(), MANIFEST_BYTES_MAX);
      const { subject } = parseManifest(bytes, descriptor.mediaType);
      await store.put(Readable.from([bytes]), descriptor);
      if (subject !== undefined) {
        note(referrers, subject.digest, referrerOf(bytes, descriptor));
      }
    },
    mount: async (descriptor) => ((await target.exists(descriptor)) ? 'mounted' : 'rejected'),
    async tag(descriptor, tag) {
      if (!(await target.exists(descriptor))) {
        throw new ContentMismatch(descriptor.digest, 'missing');
      }
      tags.set(tag, descriptor);
    },
    async referrers(subject, artifactType) {
      const all = referrers.get(subject) ?? [];
      return all.filter((found) => artifactType === undefined || found.artifactType === artifactType);
    },
  };
  return target;
}

/**
 * Returns the entry of a manifest in a list of referrers. If the manifest has no artifactType, the entry has the media type
 * of the manifest's config (distribution-spec, "Listing Referrers").
 */
export function referrerOf(bytes: Buffer, { mediaType, digest, size }: Descriptor): Descriptor {
  const document = parseManifest(bytes, mediaType);
  const artifactType = document.artifactType ?? ('config' in document ? document.config.mediaType : undefined);
  return {
    mediaType,
    digest,
    size,
    ...(artifactType !== undefined && { artifactType }),
    ...(document.annotations !== undefined && { annotations: document.annotations }),
  };
}

function note(referrers: Map<Digest, Descriptor[]>, subject: Digest, referrer: Descriptor): void {
  const others = (referrers.get(subject) ?? []).filter(({ digest }) => digest !== referrer.digest);
  referrers.set(subject, [...others, referrer]);
}

/** Returns the descriptor of a stored manifest, or undefined if the store has no manifest with this digest. */
async function describe(store: ContentStore, digest: Digest): Promise<Descriptor | undefined> {
  const held = await store.stat(digest);
  if (held === undefined || held.size > MANIFEST_BYTES_MAX) {
    return undefined;
  }
  const bytes = await readAtMost(await store.open(digest), MANIFEST_BYTES_MAX);
  try {
    return describeBytes(parseManifest(bytes).mediaType, bytes);
  } catch {
    return undefined;
  }
}
