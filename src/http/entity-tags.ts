// Entity tags (RFC 9110, section 8.8.3): made from a representation, and compared with what a client sends.
import { createHash } from 'node:crypto';

/** The strong tag of a representation: equal for equal texts, another for any other. */
export function tagOf(text: string): string {
  return `"${createHash('sha256').update(text).digest('base64url')}"`;
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

/** Strong comparison (RFC 9110, section 8.8.3.2), for writers: a weak tag matches nothing. */
export function matchesStrongly(sent: SentTags, tag: string): boolean {
  return sent === '*' || (!tag.startsWith('W/') && sent.includes(tag));
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
