// Entity tags (RFC 9110, section 8.8.3): made from a representation, and compared with what a client sends.
import { createHash } from 'node:crypto';

/** Of a SHA-256 in base64url: 132 bits, which nobody meets twice by chance. */
const PART_LENGTH = 22;
const TAG_OF_OURS = /^"([\w-]{22})\.[\w-]{22}"$/;

/**
 * The strong tag of a representation: equal for equal texts, another for any other (section 8.8.1). It begins with the version
 * of the thing: what writers write, without what the service observes of it meanwhile.
 */
export function tagOf(text: string, version: string = text): string {
  return `"${partOf(version)}.${partOf(text)}"`;
}

function partOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, PART_LENGTH);
}

/** A list of tags as the client sent them, or `*`, which stands for any. */
export type SentTags = '*' | readonly string[];

/** One tag with its mark of weakness, and what divides it from the next (RFC 9110, sections 5.6.1 and 8.8.3). */
const LISTED_TAG = /[\t ]*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")?[\t ]*(,|$)/y;

/** Reads `If-Match` or `If-None-Match`. Undefined when it is no list of tags. */
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
 * For writers: whether one of the tags is of the version that there is. Compared strongly (section 8.8.3.2), so a weak tag
 * matches nothing; without the part that a check in the background moves, which no writer would overwrite unseen.
 */
export function matchesVersion(sent: SentTags, tag: string): boolean {
  const version = versionIn(tag);
  return sent === '*' || (version !== undefined && sent.some((one) => versionIn(one) === version));
}

function versionIn(tag: string): string | undefined {
  return TAG_OF_OURS.exec(tag)?.[1];
}

/** Weak comparison, for readers: the mark of weakness does not count. */
export function matchesWeakly(sent: SentTags, tag: string): boolean {
  const bare = (one: string) => one.replace(/^W\//, '');
  return sent === '*' || sent.some((one) => bare(one) === bare(tag));
}

/** Whether what a reader holds is still what is there. A header that cannot be read holds nothing. */
export function isHeld(header: string | undefined, tag: string): boolean {
  const sent = header === undefined ? undefined : readTags(header);
  return sent !== undefined && matchesWeakly(sent, tag);
}
