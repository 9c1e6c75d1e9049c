// Checks a pushed manifest before it is stored, and converts it to the values of its row.
import type { Descriptor, Digest, Index, Manifest } from '../oci/descriptor.ts';
import { describeBytes, isIndex, isManifestType, ManifestError, parseManifest } from '../oci/manifest.ts';
import { Rejection } from './rejection.ts';

/** The values of a manifest's row, and the digests that the repository must have before the manifest. */
export type CheckedManifest = {
  digest: Digest;
  media_type: string;
  size_bytes: number;
  /**
   * The `artifactType` of the manifest. If it has none, the media type of its config (distribution-spec, "Listing
   * Referrers").
   */
  artifact_type: string | null;
  annotations: Record<string, string> | null;
  subject_digest: Digest | null;
  /**
   * Whether the manifest is an image with files, or a chart. False for an index, because each manifest in an index was
   * checked when it was pushed.
   */
  is_image: boolean;
  /** The digests of config and layers that the repository must have, without duplicates. */
  blobs: Digest[];
  /** The digests of manifests that the repository must have, without duplicates. */
  manifests: Digest[];
};

/** Layers whose license forbids distribution. Clients do not push these layers, but read them from their `urls`. */
const FOREIGN_LAYER = /\.(?:foreign\.diff|nondistributable)\./;

/**
 * Config types by which container runtimes and helm recognize images and charts. Media types ignore case (RFC 6838, section
 * 4.2).
 */
const IMAGE_CONFIG = /^application\/vnd\.(?:oci\.image\.config|docker\.container\.image)\.v1\+json$/i;
const CHART_CONFIG = /^application\/vnd\.cncf\.helm\.config\.v1\+json$/i;
const FILE_SYSTEM_LAYER = /^application\/vnd\.(?:oci\.image\.layer|docker\.image\.rootfs)\./i;

/** The syntax of a media type (RFC 6838, section 4.2). */
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;

/** Checks the bytes of a manifest that was pushed as `contentType`. Throws MANIFEST_INVALID with the fault. */
export function checkManifest(bytes: Buffer, contentType: string | undefined): CheckedManifest {
  const document = read(bytes, contentType?.split(';', 1)[0]?.trim().toLowerCase() || undefined);
  const { digest, size, mediaType } = describeBytes(document.mediaType, bytes);
  return {
    digest,
    media_type: mediaType,
    size_bytes: size,
    artifact_type: artifactTypeOf(document),
    annotations: readAnnotations(document.annotations),
    subject_digest: document.subject?.digest ?? null,
    is_image: isImage(document),
    ...partsOf(document),
  };
}

function read(bytes: Buffer, mediaType: string | undefined): Manifest | Index {
  try {
    return parseManifest(bytes, mediaType);
  } catch (error) {
    if (error instanceof ManifestError) {
      throw new Rejection('MANIFEST_INVALID', error.message, { cause: error });
    }
    throw error;
  }
}

/**
 * Whether a manifest is an image or a chart. Signatures of cosign also have an image config, so the layers are checked too.
 */
function isImage(document: Manifest | Index): boolean {
  if (isIndex(document)) {
    return false;
  }
  const { config, layers } = document;
  return CHART_CONFIG.test(config.mediaType) || (IMAGE_CONFIG.test(config.mediaType) && layers.some(isFileSystem));
}

function isFileSystem({ mediaType }: Descriptor): boolean {
  return FILE_SYSTEM_LAYER.test(mediaType);
}

/**
 * Returns the digests to which a document refers. A descriptor in an index refers to a blob if its media type is not that of
 * a manifest.
 */
function partsOf(document: Manifest | Index): { blobs: Digest[]; manifests: Digest[] } {
  const parts = isIndex(document)
    ? document.manifests
    : [document.config, ...document.layers.filter(({ mediaType }) => !FOREIGN_LAYER.test(mediaType))];
  const isChild = ({ mediaType }: Descriptor) => isIndex(document) && isManifestType(mediaType);
  return {
    blobs: distinct(parts.filter((part) => !isChild(part))),
    manifests: distinct(parts.filter(isChild)),
  };
}

function distinct(descriptors: Descriptor[]): Digest[] {
  return [...new Set(descriptors.map(({ digest }) => digest))];
}

function artifactTypeOf(document: Manifest | Index): string | null {
  const type = document.artifactType || (isIndex(document) ? null : document.config.mediaType);
  if (type !== null && !(typeof type === 'string' && MEDIA_TYPE.test(type))) {
    throw new Rejection('MANIFEST_INVALID', 'artifactType must be a media type');
  }
  return type;
}

/**
 * Returns the annotations, which are stored in a row for the referrers API. Rejects texts that PostgreSQL cannot store as
 * JSON.
 */
function readAnnotations(annotations: Record<string, string> | null | undefined): Record<string, string> | null {
  if (annotations === undefined || annotations === null) {
    return null;
  }
  const isObject = typeof annotations === 'object' && !Array.isArray(annotations);
  if (!isObject || !Object.entries(annotations).flat().every(isStorable)) {
    throw new Rejection('MANIFEST_INVALID', 'annotations must map text to text');
  }
  return Object.keys(annotations).length === 0 ? null : annotations;
}

function isStorable(text: unknown): boolean {
  return typeof text === 'string' && text.isWellFormed() && !text.includes('\0');
}
