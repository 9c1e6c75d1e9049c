// Package URLs (the purl specification, ECMA-427). They name inputs in recipes, pins in plans, and packages in SBOMs.
import { PackageURL } from 'packageurl-js';

export const PURL_TYPES = ['deb'] as const;
/** The types for which Larder has a resolver (src/sources/resolvers.ts). */
export type PurlType = (typeof PURL_TYPES)[number];

export type Purl = {
  type: string;
  namespace?: string;
  name: string;
  version?: string;
  qualifiers?: Record<string, string>;
  subpath?: string;
};

export class PurlError extends Error {
  readonly code = 'PURL_MALFORMED';
}

/**
 * The longest package URL, in characters. Real package URLs are shorter. The limit bounds the time for parsing a malicious
 * one.
 */
const PURL_LENGTH_MAX = 2048;

/** Reads a package URL. Throws PurlError with a message that says what is wrong. */
export function parsePurl(text: string): Purl {
  if (text.length > PURL_LENGTH_MAX) throw new PurlError(`a package URL has at most ${PURL_LENGTH_MAX} characters`);
  try {
    return plain(PackageURL.fromString(text));
  } catch (error) {
    throw new PurlError(`${text} is not a package URL: ${(error as Error).message}`, { cause: error });
  }
}

/** Writes a package URL in canonical form, with sorted qualifiers and with names encoded as the type requires. */
export function formatPurl(purl: Purl): string {
  const { type, namespace, name, version, qualifiers, subpath } = purl;
  return new PackageURL(type, namespace, name, version, qualifiers, subpath).toString();
}

/** Whether Larder has a resolver for this type. */
export function isPurlType(type: string): type is PurlType {
  return (PURL_TYPES as readonly string[]).includes(type);
}

function plain(purl: PackageURL): Purl {
  return {
    type: purl.type,
    name: purl.name,
    ...(purl.namespace ? { namespace: purl.namespace } : {}),
    ...(purl.version ? { version: purl.version } : {}),
    ...(purl.qualifiers ? { qualifiers: { ...(purl.qualifiers as Record<string, string>) } } : {}),
    ...(purl.subpath ? { subpath: purl.subpath } : {}),
  };
}
