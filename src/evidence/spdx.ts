// The software bill of materials of an image: SPDX 2.3 as JSON, made from the image's own package database.
import { createHash } from 'node:crypto';
import type { Digest } from '../contract/vocabulary.ts';
import { debPurl, parseStatus, type StatusPackage } from './dpkg-packages.ts';

/** The facts about the image as a whole. */
export type ImageFacts = {
  /** The image's name without registry and tag, such as `redis`. */
  name: string;
  /** The release's version, such as `7.0.15-debian-12-r0`. */
  version: string;
  /** The digest of the image's manifest. The document's namespace is derived from it. */
  digest: Digest;
  /** The time of the document in RFC 3339. If it is the image's own time, the same image always gets the same document. */
  created: string;
  /** The operating system, such as `debian-12`. */
  operating_system: string;
  description?: string;
  /** The product's licenses. If there are several, the document names none of them. */
  licenses?: string[];
  home_url?: string;
};

type Checksum = { algorithm: 'SHA256'; checksumValue: string };
type ExternalRef = { referenceCategory: 'PACKAGE-MANAGER'; referenceType: 'purl'; referenceLocator: string };

type SpdxPackage = {
  SPDXID: string;
  name: string;
  versionInfo: string;
  supplier: string;
  downloadLocation: 'NOASSERTION';
  filesAnalyzed: false;
  licenseConcluded: 'NOASSERTION';
  licenseDeclared: string;
  copyrightText: 'NOASSERTION';
  primaryPackagePurpose?: 'CONTAINER' | 'LIBRARY' | 'APPLICATION' | 'OPERATING-SYSTEM';
  homepage?: string;
  summary?: string;
  sourceInfo?: string;
  checksums?: Checksum[];
  externalRefs: ExternalRef[];
};

type SpdxRelationship = {
  spdxElementId: string;
  relationshipType: 'DESCRIBES' | 'CONTAINS';
  relatedSpdxElement: string;
};

/** The parts of SPDX 2.3 that the document uses, in the JSON of its schema: clauses 6 (document), 7 (packages) and 11 (relationships). */
export type SpdxDocument = {
  spdxVersion: 'SPDX-2.3';
  dataLicense: 'CC0-1.0';
  SPDXID: 'SPDXRef-DOCUMENT';
  name: string;
  documentNamespace: string;
  creationInfo: { created: string; creators: string[] };
  documentDescribes: string[];
  packages: SpdxPackage[];
  relationships: SpdxRelationship[];
};

const IMAGE_ID = 'SPDXRef-image';
const UNKNOWN = 'NOASSERTION';

/**
 * Returns the document of an image from the text of its /var/lib/dpkg/status. The same package database and facts give the
 * same document. The order of the stanzas does not matter. Omits packages that are not installed.
 */
export function spdxFromDpkg(status: string, facts: ImageFacts): SpdxDocument {
  const packages = parseStatus(status).map((one) => debPackage(one, facts.operating_system));
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `${facts.name}-${facts.version}`,
    documentNamespace: namespaceOf(facts, status),
    creationInfo: { created: wholeSeconds(facts.created), creators: ['Tool: larder'] },
    documentDescribes: [IMAGE_ID],
    packages: [imagePackage(facts), ...packages],
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: IMAGE_ID },
      ...packages.map(({ SPDXID }) => ({
        spdxElementId: IMAGE_ID,
        relationshipType: 'CONTAINS' as const,
        relatedSpdxElement: SPDXID,
      })),
    ],
  };
}

function imagePackage(facts: ImageFacts): SpdxPackage {
  const { name, version, digest, description, licenses = [], home_url } = facts;
  const [license] = licenses;
  return {
    SPDXID: IMAGE_ID,
    name,
    versionInfo: version,
    supplier: UNKNOWN,
    downloadLocation: UNKNOWN,
    filesAnalyzed: false,
    licenseConcluded: UNKNOWN,
    // Several licenses could be combined by AND or by OR. The product does not say which.
    licenseDeclared: licenses.length === 1 && license !== undefined ? license : UNKNOWN,
    copyrightText: UNKNOWN,
    primaryPackagePurpose: 'CONTAINER',
    ...(home_url ? { homepage: home_url } : {}),
    ...(description ? { summary: description } : {}),
    checksums: [{ algorithm: 'SHA256', checksumValue: digest.slice('sha256:'.length) }],
    // In a purl of type oci, the version is the digest (purl-spec).
    externalRefs: [purlRef(`pkg:oci/${encodeURIComponent(name.toLowerCase())}@${encodeURIComponent(digest)}`)],
  };
}

function debPackage(deb: StatusPackage, operatingSystem: string): SpdxPackage {
  const { name, version, architecture, source, summary, homepage } = deb;
  return {
    SPDXID: elementId(name, architecture),
    name,
    versionInfo: version,
    supplier: `Organization: ${capitalized(operatingSystem.split('-')[0] ?? '')}`,
    downloadLocation: UNKNOWN,
    filesAnalyzed: false,
    licenseConcluded: UNKNOWN,
    licenseDeclared: UNKNOWN,
    copyrightText: UNKNOWN,
    ...(homepage && /^https?:\/\/[^\s"<>]+$/.test(homepage) ? { homepage } : {}),
    ...(summary ? { summary } : {}),
    sourceInfo: `built from the source package ${source.name} ${source.version}`,
    externalRefs: [purlRef(debPurl(deb, operatingSystem))],
  };
}

function purlRef(referenceLocator: string): ExternalRef {
  return { referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator };
}

/**
 * Returns the id of an element. Clause 3.2 allows only letters, digits, dots and dashes, so other characters are replaced. A
 * digest makes sure that different elements have different ids.
 */
function elementId(name: string, architecture = ''): string {
  const text = `${name}-${architecture}`;
  const plain = text.replaceAll(/[^A-Za-z0-9.-]/g, '-');
  return `SPDXRef-deb-${plain}${plain === text ? '' : `-${sha256(text).slice(0, 8)}`}`;
}

/** Returns a URI that is unique for each image and package database (clause 6.5). It needs no clock and no random numbers. */
function namespaceOf({ name, version, digest }: ImageFacts, status: string): string {
  const hash = sha256(`${digest}\n${sha256(status)}`);
  // The URI that the specification proposes ends with a UUID. This UUID has version 8 (RFC 9562), in which the application
  // defines the digits.
  const uuid = [
    hash.slice(0, 8),
    hash.slice(8, 12),
    `8${hash.slice(13, 16)}`,
    `8${hash.slice(17, 20)}`,
    hash.slice(20, 32),
  ];
  return `https://spdx.org/spdxdocs/${encodeURIComponent(`${name}-${version}`)}-${uuid.join('-')}`;
}

/** Removes fractions of a second, which clause 6.9 does not allow. */
function wholeSeconds(time: string): string {
  return new Date(time).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

function capitalized(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
