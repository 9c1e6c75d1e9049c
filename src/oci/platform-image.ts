// Finds the image for a platform in an index and its nested indexes. If several variants of an architecture match, prefers
// the basic variant (image-index.md, "platform").
import type { Descriptor, Digest, Index, Manifest, Platform } from './descriptor.ts';
import { isIndex, isIndexType, ManifestError } from './manifest.ts';

/**
 * The image of a platform. `chain` contains the digests from the root to this image, because a copy of the image needs all of
 * them.
 */
export type PlatformImage = { image: Descriptor; chain: ReadonlySet<Digest> };

/** Reads a manifest or an index. Returns undefined if it does not exist. */
export type ReadManifest = (descriptor: Descriptor) => Promise<Manifest | Index | undefined>;

/** The most indexes that are read. Tools nest indexes only once, for groups of platforms or for attestations. */
const INDEX_COUNT_MAX = 64;
const DEPTH_MAX = 8;

type Candidate = { descriptor: Descriptor; above: Digest[]; rank: number };

/**
 * Finds the image of a platform under a root. The root is an index or the image itself. Manifests of other platforms may be
 * missing. Returns undefined if no image fits. Throws ManifestError if there are too many indexes.
 */
export async function findPlatformImage(
  root: Descriptor,
  platform: Platform,
  read: ReadManifest,
): Promise<PlatformImage | undefined> {
  const candidates: Candidate[] = [];
  const seen = new Set<Digest>();
  const visit = async (descriptor: Descriptor, above: Digest[]): Promise<void> => {
    if (seen.has(descriptor.digest)) return;
    seen.add(descriptor.digest);
    if (seen.size > INDEX_COUNT_MAX) throw aboveLimit(`more than ${INDEX_COUNT_MAX} indexes`);
    if (above.length > DEPTH_MAX) throw aboveLimit(`indexes nested deeper than ${DEPTH_MAX}`);
    const document = await read(descriptor);
    if (document === undefined || !isIndex(document)) return;
    const path = [...above, descriptor.digest];
    for (const child of document.manifests) {
      const rank = rankOf(child, platform);
      if (rank === undefined) continue;
      if (isIndexType(child.mediaType)) await visit(child, path);
      else candidates.push({ descriptor: child, above: path, rank });
    }
  };
  if (!isIndexType(root.mediaType)) return { image: bare(root), chain: new Set([root.digest]) };
  await visit(root, []);
  // The sort is stable, so of several images with the same rank, the first one in the index is chosen.
  const [best] = candidates.sort((a, b) => a.rank - b.rank);
  if (best === undefined) return undefined;
  return { image: bare(best.descriptor), chain: new Set([...best.above, best.descriptor.digest]) };
}

function aboveLimit(what: string): ManifestError {
  return new ManifestError('MANIFEST_INVALID', `the image has ${what}`);
}

function bare({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

/** The lowest variant of each architecture. A platform may omit it. */
const PLAIN_VARIANTS: Readonly<Record<string, string>> = { amd64: 'v1', arm64: 'v8' };
/** The rank of an image whose descriptor has no platform. Such an image may match, so its config is read to find out. */
const NO_PLATFORM_RANK = 1000;

/**
 * Returns the rank of an image. The image with the lowest rank is preferred. Returns undefined for another platform, and for
 * a manifest that is not an image to run.
 */
function rankOf({ platform, annotations, artifactType }: Descriptor, wanted: Platform): number | undefined {
  if (annotations?.['vnd.docker.reference.type'] !== undefined || artifactType !== undefined) return undefined;
  if (platform === undefined) return NO_PLATFORM_RANK;
  const { os, architecture, variant = '' } = platform;
  if (os !== wanted.os || architecture !== wanted.architecture) return undefined;
  if (variant === '' || variant === PLAIN_VARIANTS[architecture]) return 0;
  const number = /^v([0-9]{1,2})/.exec(variant)?.[1];
  return number === undefined ? NO_PLATFORM_RANK - 1 : 1 + Number(number);
}
