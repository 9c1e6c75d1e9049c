// Attestations, SBOMs and other referrers of an image. They are artifact manifests with a subject. Clients find them with the
// API or under a tag.
import type { ContentStore } from '../content/content.ts';
import { referrerOf } from './content-target.ts';
import { type CopyOptions, copyArtifact } from './copy.ts';
import { type Descriptor, type Manifest, MEDIA_TYPES } from './descriptor.ts';
import { onSide } from './errors.ts';
import { EMPTY_CONFIG, EMPTY_CONFIG_BYTES, once, putDocument, readManifestBytes } from './manifest.ts';
import type { Source, Target } from './target.ts';

/**
 * Stores an artifact manifest that refers to `subject`. The store must already have the layers of the manifest (image-spec,
 * manifest.md, "Guidelines for Artifact Usage").
 */
export async function putReferrer(
  store: ContentStore,
  referrer: { artifactType: string; subject: Descriptor; layers: Descriptor[]; annotations?: Record<string, string> },
): Promise<Descriptor> {
  const { artifactType, layers, annotations } = referrer;
  const { mediaType, digest, size } = referrer.subject;
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    artifactType,
    config: EMPTY_CONFIG,
    layers,
    subject: { mediaType, digest, size },
    ...(annotations !== undefined && { annotations }),
  };
  await store.put(once(EMPTY_CONFIG_BYTES), EMPTY_CONFIG);
  return await putDocument(store, MEDIA_TYPES.manifest, manifest);
}

/**
 * Pushes all referrers of one subject, and then adds them to the subject's list in one write. One write saves requests in a
 * registry without a referrers API, because there the list is an index under a tag. Throws RegistryError.
 */
export async function attachReferrers(
  source: Source,
  target: Target,
  attached: { subject: Descriptor; referrers: Descriptor[]; copy?: Omit<CopyOptions, 'tags'> },
): Promise<void> {
  const { subject, referrers, copy } = attached;
  for (const referrer of referrers) {
    await copyArtifact(source, target, referrer, copy);
  }
  if (target.attach !== undefined && referrers.length > 0) {
    const described = await Promise.all(referrers.map((referrer) => describeReferrer(source, referrer)));
    await target.attach(subject.digest, described);
  }
}

async function describeReferrer(source: Source, referrer: Descriptor): Promise<Descriptor> {
  try {
    return referrerOf(await readManifestBytes(await source.fetch(referrer), referrer), referrer);
  } catch (error) {
    throw onSide(error, 'source', 'read manifest');
  }
}
