// Entity tags (RFC 9110, section 8.8.3). They are made from a representation and compared with the tags that a client sends.
import { createHash } from 'node:crypto';

/**
 * Length of each part of a tag. 22 characters of base64url are 132 bits of a SHA-256, so two parts are never equal by chance.
 */
const PART_LENGTH = 22;
const TAG_OF_OURS = /^"([\w-]{22})\.[\w-]{22}"$/;

/**
 * Returns the strong tag of a representation. Equal texts have equal tags, and different texts have different tags (section
 * 8.8.1). The first part of the tag comes from `version`, which is the representation without the fields that Larder itself
 * updates.
 */
export function tagOf(text: string, version: string = text): string {
  return `"${partOf(version)}.${partOf(text)}"`;
}

function partOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, PART_LENGTH);
}

/** The entity tags that a client sent. `*` matches every tag. */
export type SentTags = '*' | readonly string[];

/**
 * Matches one tag with its optional prefix `W/`, and the separator before the next tag (RFC 9110, sections 5.6.1 and 8.8.3).
 */
const LISTED_TAG = /[\t ]*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")?[\t ]*(,|$)/y;

/** Parses `If-Match` or `If-None-Match`. Returns undefined if the header is not a list of tags. */
export function readTags(header: string): SentTags | undefined {
  if (header.trim() === '*') return '*';
  const tags: string[] = [];
  LISTED_TAG.lastIndex = 0;
  for (;;) {
    const found = LISTED_TAG.exec(header);
    if (found === null) return undefined;
    if (found[1] !== undefined) tags.push(found[1]);
    if (found[2] !== ',') return tags.length > 0 ? tags : undefined;
  }
}

/**
 * Whether one of the tags that a client sent with a change names the current version. The comparison is strong (section
 * 8.8.3.2), so weak tags never match. It ignores the second part of the tag, because a change does not overwrite the fields
 * that Larder itself updates.
 */
export function matchesVersion(sent: SentTags, tag: string): boolean {
  const version = versionIn(tag);
  return sent === '*' || (version !== undefined && sent.some((one) => versionIn(one) === version));
}

function versionIn(tag: string): string | undefined {
  return TAG_OF_OURS.exec(tag)?.[1];
}

/** Compares tags for reads. Ignores the prefix `W/`, because the comparison is weak. */
export function matchesWeakly(sent: SentTags, tag: string): boolean {
  const bare = (one: string) => one.replace(/^W\//, '');
  return sent === '*' || sent.some((one) => bare(one) === bare(tag));
}

/** Whether the client's representation is current. A malformed header counts as absent. */
export function isHeld(header: string | undefined, tag: string): boolean {
  const sent = header === undefined ? undefined : readTags(header);
  return sent !== undefined && matchesWeakly(sent, tag);
}
