// Rules for names and tags in the hosted registry. They apply in addition to the grammar of the specification.
import type { Digest } from '../oci/descriptor.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The tag of a release, `<version>-<os>-<os version>-r<N>`. It always points to the same digest. */
const IMMUTABLE_TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._]*(?:-[a-zA-Z0-9._]+)*-[a-z]+-[0-9][0-9.]*-r[0-9]+$/;

/** Whether a tag can never be moved to another digest. */
export function isImmutableTag(tag: string): boolean {
  return IMMUTABLE_TAG.test(tag);
}

/**
 * The tags under which clients store referrers of a digest. The referrers tag schema (distribution-spec 1.1) and cosign
 * define such tags. Larder itself sets only the tag with `.sig`. A client that moves this tag can hide Larder's signature,
 * but cannot forge a signature.
 */
const REFERRER_TAG = /^sha256-([0-9a-f]{64})(?:\.(?:sig|att|sbom))?$/;

/** Returns the digest in a referrers tag. Returns undefined for other tags. The tag of a version never has this format. */
export function referrerTagSubject(tag: string): Digest | undefined {
  const hex = REFERRER_TAG.exec(tag)?.[1];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

/** Whether a text has the format of the registry's ids of upload sessions. */
export function isUploadId(text: string): boolean {
  return UUID.test(text);
}

/** Returns the first segment of a repository's name. It is the namespace of the organization that owns the repository. */
export function namespaceOf(name: string): string {
  const slash = name.indexOf('/');
  return slash === -1 ? name : name.slice(0, slash);
}

/**
 * Names that are reserved for Larder. These are the repositories below these folders of an organization's namespace, and the
 * index of its charts. Otherwise a client could create a repository that Larder needs later. The pattern is valid in
 * JavaScript and in PostgreSQL.
 */
export const RESERVED = '^[^/]+/(?:(?:containers|charts|appliances)/.|charts-index$)';

const RESERVED_NAME = new RegExp(RESERVED);

/** Whether the name is reserved, so that only Larder creates the repository. */
export function isReserved(name: string): boolean {
  return RESERVED_NAME.test(name);
}
