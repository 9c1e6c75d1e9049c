// Names and tags as the hosted registry reads them, beyond their grammar.
import type { Digest } from '../oci/descriptor.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** `<version>-<os>-<os version>-r<N>`: the tag of one release, which names the same bytes for ever. */
const IMMUTABLE_TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._]*(?:-[a-zA-Z0-9._]+)*-[a-z]+-[0-9][0-9.]*-r[0-9]+$/;

/** True for a tag that is never moved to another digest. */
export function isImmutableTag(tag: string): boolean {
  return IMMUTABLE_TAG.test(tag);
}

/**
 * The tags under which clients keep what refers to a digest: the referrers tag schema of distribution-spec 1.1, and cosign's
 * own. Larder sets none of them, it attaches by subject, so a client that moves one moves a client's.
 */
const REFERRER_TAG = /^sha256-([0-9a-f]{64})(?:\.(?:sig|att|sbom))?$/;

/** The digest that a referrer's tag is made of, undefined for every other tag. No version is named like one. */
export function referrerTagSubject(tag: string): Digest | undefined {
  const hex = REFERRER_TAG.exec(tag)?.[1];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

/** True for the id of an upload session as the registry writes it. */
export function isUploadId(text: string): boolean {
  return UUID.test(text);
}

/** The first segment of a name: the namespace of the organization that it belongs to. */
export function namespaceOf(name: string): string {
  const slash = name.indexOf('/');
  return slash === -1 ? name : name.slice(0, slash);
}

/**
 * What is below these in an organization's namespace is named by Larder, so that nobody is there before it. Read by
 * JavaScript and by PostgreSQL alike.
 */
export const RESERVED = '^[^/]+/(?:containers|charts|appliances)/.';

const RESERVED_NAME = new RegExp(RESERVED);

/** True for a repository of an organization that only Larder makes. */
export function isReserved(name: string): boolean {
  return RESERVED_NAME.test(name);
}
