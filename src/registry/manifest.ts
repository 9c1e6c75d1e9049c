// A manifest as it arrives: judged before it is stored (image-spec 1.1 manifest.md and image-index.md; docker image manifest v2, schema 2).
import { createHash } from 'node:crypto';
import { type Digest, isDigest, MEDIA_TYPES } from '../oci/descriptor.ts';
import { Refusal } from './refusal.ts';

/** The size that the specification asks registries to take at least, and ours takes at most ("Pushing Manifests"). */
export const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;

/** What a row needs to know of a manifest, and what must be there before it. */
export type CheckedManifest = {
  digest: Digest;
  media_type: string;
  size_bytes: number;
  /** The manifest's own, or its config's media type ("Listing Referrers"). */
  artifact_type: string | null;
  annotations: Record<string, string> | null;
  subject_digest: Digest | null;
  /** Distinct digests of config and layers that must be in the repository. */
  blobs: Digest[];
  /** Distinct digests of manifests that must be in the repository. */
  manifests: Digest[];
};

type Fields = Record<string, unknown>;

export const IMAGE_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPES.manifest, MEDIA_TYPES.dockerManifest]);
export const INDEX_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPES.index, MEDIA_TYPES.dockerManifestList]);

/** Layers that their licence forbids to distribute: clients fetch them from their `urls` and do not push them. */
const FOREIGN_LAYER = /\.(?:foreign\.diff|nondistributable)\./;

/** RFC 6838, section 4.2. */
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;

/** Judges the bytes of a manifest pushed as `contentType`. Throws MANIFEST_INVALID with what is wrong. */
export function checkManifest(bytes: Uint8Array, contentType: string | undefined): CheckedManifest {
  const fields = parseFields(bytes);
  const mediaType = typeOf(fields, contentType);
  const index = INDEX_TYPES.has(mediaType);
  const parts = index ? indexParts(fields) : imageParts(fields);
  return {
    digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
    media_type: mediaType,
    size_bytes: bytes.length,
    artifact_type: artifactType(fields, parts.config),
    annotations: readAnnotations(fields['annotations']),
    subject_digest: fields['subject'] === undefined ? null : readDescriptor(fields['subject'], 'subject').digest,
    blobs: distinct(parts.blobs),
    manifests: distinct(parts.manifests),
  };
}

function invalid(message: string): Refusal {
  return new Refusal('MANIFEST_INVALID', message);
}

function parseFields(bytes: Uint8Array): Fields {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new Refusal('MANIFEST_INVALID', 'the manifest is not JSON in UTF-8', { cause: error });
  }
  const fields = asFields(value, 'the manifest');
  if (fields['schemaVersion'] !== 2) {
    throw invalid('schemaVersion must be 2');
  }
  return fields;
}

function asFields(value: unknown, where: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`${where} must be an object`);
  }
  return value as Fields;
}

/** The Content-Type without parameters, which must agree with the manifest's own word; either may be absent, not both. */
function typeOf(fields: Fields, contentType: string | undefined): string {
  const header = contentType?.split(';', 1)[0]?.trim().toLowerCase() || undefined;
  const own = fields['mediaType'] === undefined ? undefined : readMediaType(fields['mediaType'], 'mediaType');
  if (own !== undefined && header !== undefined && own !== header) {
    throw invalid(`Content-Type ${header} is not the manifest's mediaType ${own}`);
  }
  const type = own ?? header;
  if (type === undefined || !(IMAGE_TYPES.has(type) || INDEX_TYPES.has(type))) {
    throw invalid(`manifests of type ${type ?? 'unknown'} are not taken`);
  }
  return type;
}

type Parts = { config?: { mediaType: string }; blobs: Digest[]; manifests: Digest[] };

/** A manifest that is an index too is refused: clients would disagree on what it is (image-spec, "mediaType" guidance of 1.0.2). */
function imageParts(fields: Fields): Parts {
  if (fields['manifests'] !== undefined) {
    throw invalid('an image manifest has no manifests');
  }
  const config = readDescriptor(fields['config'], 'config');
  const layers = readList(fields['layers'], 'layers').filter(({ mediaType }) => !FOREIGN_LAYER.test(mediaType));
  return { config, blobs: [config.digest, ...layers.map(({ digest }) => digest)], manifests: [] };
}

/** An index may hold descriptors of other things than manifests; those are blobs. */
function indexParts(fields: Fields): Parts {
  if (fields['layers'] !== undefined || fields['config'] !== undefined) {
    throw invalid('an index has neither config nor layers');
  }
  const listed = readList(fields['manifests'], 'manifests');
  const isManifest = ({ mediaType }: { mediaType: string }) => IMAGE_TYPES.has(mediaType) || INDEX_TYPES.has(mediaType);
  return {
    blobs: listed.filter((descriptor) => !isManifest(descriptor)).map(({ digest }) => digest),
    manifests: listed.filter(isManifest).map(({ digest }) => digest),
  };
}

function readList(value: unknown, where: string): { digest: Digest; mediaType: string }[] {
  if (!Array.isArray(value)) {
    throw invalid(`${where} must be a list`);
  }
  return value.map((entry, position) => readDescriptor(entry, `${where}[${position}]`));
}

function readDescriptor(value: unknown, where: string): { digest: Digest; mediaType: string } {
  const { digest, size, mediaType } = asFields(value, where);
  if (typeof digest !== 'string' || !isDigest(digest)) {
    throw invalid(`${where}.digest must be a sha256 digest`);
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`${where}.size must be a whole number of bytes`);
  }
  return { digest, mediaType: readMediaType(mediaType, `${where}.mediaType`) };
}

function readMediaType(value: unknown, where: string): string {
  if (typeof value !== 'string' || !MEDIA_TYPE.test(value)) {
    throw invalid(`${where} must be a media type`);
  }
  return value;
}

function artifactType(fields: Fields, config: { mediaType: string } | undefined): string | null {
  const own = fields['artifactType'];
  return own === undefined || own === '' ? (config?.mediaType ?? null) : readMediaType(own, 'artifactType');
}

/** Kept in a row to answer the referrers API, so what PostgreSQL's JSON cannot hold is refused. */
function readAnnotations(value: unknown): Record<string, string> | null {
  if (value === undefined || value === null) {
    return null;
  }
  const entries = Object.entries(asFields(value, 'annotations'));
  for (const [key, text] of entries) {
    if (typeof text !== 'string' || !isStorable(key) || !isStorable(text)) {
      throw invalid('annotations must map text to text');
    }
  }
  return entries.length === 0 ? null : (Object.fromEntries(entries) as Record<string, string>);
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

function distinct(digests: Digest[]): Digest[] {
  return [...new Set(digests)];
}
