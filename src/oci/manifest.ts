// Manifests and indexes (OCI image-spec, manifest.md and image-index.md). They are written as canonical JSON, and read with
// limits.
import { createHash } from 'node:crypto';
import type { ContentStore } from '../content/content.ts';
import { ContentMismatch } from '../content/content-errors.ts';
import { isDigest } from '../content/digest.ts';
import { readBounded } from './bounded-read.ts';
import { type Descriptor, type Digest, type Index, type Manifest, MEDIA_TYPES } from './descriptor.ts';
import { JsonRejected, parseJsonObject } from './json-document.ts';

/**
 * The largest manifest in bytes. Registries should accept at least 4 MiB (distribution-spec, "Pushing Manifests"), and most
 * accept no more.
 */
export const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;
/**
 * The most descriptors in a document. The largest published indexes have some dozens of platforms. Artifacts that are not
 * images have some hundreds of files.
 */
export const DESCRIPTOR_COUNT_MAX = 1000;
/** The longest media type in characters: two names of at most 127 characters and a slash (RFC 6838, section 4.2). */
const MEDIA_TYPE_LENGTH_MAX = 255;

/** The error for a manifest. `code` says whether the manifest is too large or invalid. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';
  readonly code: 'MANIFEST_TOO_LARGE' | 'MANIFEST_INVALID';

  constructor(code: ManifestError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

const MANIFEST_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPES.manifest, MEDIA_TYPES.dockerManifest]);
const INDEX_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPES.index, MEDIA_TYPES.dockerManifestList]);

/** The media types that a client accepts for a manifest. OCI's media types come first. */
export const MANIFEST_MEDIA_TYPES = [...MANIFEST_TYPES, ...INDEX_TYPES];

/** Whether a registry has content of this type under `manifests` and not under `blobs`. */
export function isManifestType(mediaType: string): boolean {
  return MANIFEST_TYPES.has(mediaType) || INDEX_TYPES.has(mediaType);
}

/** Whether the media type is one of the two for indexes. */
export function isIndexType(mediaType: string): boolean {
  return INDEX_TYPES.has(mediaType);
}

export function isIndex(document: Manifest | Index): document is Index {
  return 'manifests' in document;
}

/** The descriptor of an empty config, whose bytes are `{}` (manifest.md, "Guidance for an Empty Descriptor"). */
export const EMPTY_CONFIG: Descriptor = {
  mediaType: MEDIA_TYPES.empty,
  digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
  size: 2,
};
export const EMPTY_CONFIG_BYTES = Buffer.from('{}');

/** Returns JSON that depends only on the value. The JSON has sorted keys, no white space and no undefined fields. */
export function encodeDocument(value: object): Buffer {
  return Buffer.from(
    JSON.stringify(value, (_key, part: unknown) =>
      part !== null && typeof part === 'object' && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
        : part,
    ),
  );
}

/** Returns the descriptor of these bytes. */
export function describeBytes(mediaType: string, bytes: Uint8Array): Descriptor {
  const digest: Digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  return { mediaType, digest, size: bytes.length };
}

/** Puts a config, manifest or index into the store as canonical JSON and returns its descriptor. */
export async function putDocument(store: ContentStore, mediaType: string, value: object): Promise<Descriptor> {
  const bytes = encodeDocument(value);
  const { digest, size } = await store.put(once(bytes));
  return { mediaType, digest, size };
}

/** Returns all bytes of a small stream. Throws ManifestError if it has more than `sizeMax` bytes. */
export async function readAtMost(bytes: AsyncIterable<Uint8Array>, sizeMax: number): Promise<Buffer> {
  return await readBounded(bytes, { sizeBytesMax: sizeMax, tooLarge: () => tooLarge(sizeMax) });
}

/** Returns the error for a manifest that is too large. */
export function manifestTooLarge(): ManifestError {
  return tooLarge(MANIFEST_BYTES_MAX);
}

function tooLarge(sizeMax: number): ManifestError {
  return new ManifestError('MANIFEST_TOO_LARGE', `the document has more than ${sizeMax} bytes, which is the limit`);
}

/** Reads a manifest's bytes and checks them against its descriptor. Throws ManifestError and ContentMismatch. */
export async function readManifestBytes(bytes: AsyncIterable<Uint8Array>, descriptor: Descriptor): Promise<Buffer> {
  const whole = await readAtMost(bytes, MANIFEST_BYTES_MAX);
  const actual = describeBytes(descriptor.mediaType, whole);
  if (actual.digest !== descriptor.digest) {
    throw new ContentMismatch(descriptor.digest, actual.digest);
  }
  return whole;
}

/**
 * Parses a manifest or an index, and keeps unknown fields. `mediaType` is the type in the answer or the descriptor. Throws
 * ManifestError if the document is too large or invalid.
 */
export function parseManifest(bytes: Buffer, mediaType?: string): Manifest | Index {
  if (bytes.length > MANIFEST_BYTES_MAX) {
    throw new ManifestError(
      'MANIFEST_TOO_LARGE',
      `the manifest has more than ${MANIFEST_BYTES_MAX} bytes, which is the limit`,
    );
  }
  const document = parseObject(bytes);
  const type =
    document['mediaType'] ?? mediaType ?? ('manifests' in document ? MEDIA_TYPES.index : MEDIA_TYPES.manifest);
  check(document['schemaVersion'] === 2, 'schemaVersion is not 2');
  check(
    typeof type === 'string' && isManifestType(type),
    'the media type is not that of a supported manifest or index',
  );
  check(mediaType === undefined || type === mediaType, 'the media type differs from the announced one');
  const index = INDEX_TYPES.has(type);
  // Such a document would be an image for some readers and an index for others (CVE-2021-41190).
  check(!(index && ('layers' in document || 'config' in document)), 'an index must not have layers or a config');
  check(index || !('manifests' in document), 'the manifest of one image must not have manifests');
  check(document['subject'] === undefined || isDescriptor(document['subject']), 'subject is not a descriptor');
  checkTexts(document);
  if (index) {
    checkDescriptors(document['manifests'], 'manifests');
  } else {
    check(isDescriptor(document['config']), 'config is not a descriptor');
    checkDescriptors(document['layers'], 'layers');
  }
  // The checks above have checked every field of this type.
  return { ...document, mediaType: type } as unknown as Manifest | Index;
}

function parseObject(bytes: Buffer): Record<string, unknown> {
  try {
    return parseJsonObject(bytes);
  } catch (error) {
    throw error instanceof JsonRejected
      ? new ManifestError('MANIFEST_INVALID', `the manifest ${error.message}`)
      : error;
  }
}

function check(holds: boolean, message: string): asserts holds {
  if (!holds) {
    throw new ManifestError('MANIFEST_INVALID', message);
  }
}

function checkDescriptors(value: unknown, field: string): void {
  check(Array.isArray(value), `${field} is not a list of descriptors`);
  const { length } = value;
  check(length <= DESCRIPTOR_COUNT_MAX, `${field} has ${length} descriptors; the limit is ${DESCRIPTOR_COUNT_MAX}`);
  check(value.every(isDescriptor), `${field} is not a list of descriptors`);
  for (const descriptor of value) checkTexts(descriptor as unknown as Record<string, unknown>);
}

/** Checks the optional fields of manifests and descriptors. Readers expect them to be text. */
function checkTexts({ annotations, artifactType, platform }: Record<string, unknown>): void {
  check(annotations === undefined || isTextRecord(annotations), 'annotations must map text to text');
  check(artifactType === undefined || typeof artifactType === 'string', 'artifactType is not text');
  check(platform === undefined || isPlatform(platform), 'platform does not have an os and an architecture');
}

function isTextRecord(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every((text) => typeof text === 'string');
}

function isPlatform(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { os, architecture, variant } = value;
  return typeof os === 'string' && typeof architecture === 'string' && ['string', 'undefined'].includes(typeof variant);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value has the three required fields of a descriptor, each in the right format. */
export function isDescriptor(value: unknown): value is Descriptor {
  if (!isRecord(value)) {
    return false;
  }
  const { mediaType, digest, size } = value;
  return (
    typeof mediaType === 'string' &&
    mediaType.length <= MEDIA_TYPE_LENGTH_MAX &&
    typeof digest === 'string' &&
    isDigest(digest) &&
    typeof size === 'number' &&
    Number.isSafeInteger(size) &&
    size >= 0
  );
}

/** Yields the bytes as one chunk. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}
