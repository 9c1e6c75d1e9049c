// The content store's face: bytes by digest. A directory, memory or an object store stands behind it.
import type { Readable } from 'node:stream';
import type { Digest } from './digest.ts';

/** The store accepts no new content when less than this share of the disk is free: PostgreSQL and running builds need the rest. */
export const FREE_SHARE_MIN = 0.05;

export type ContentInfo = { digest: Digest; size: number };

export type ByteRange = { start: number /** Inclusive, as HTTP counts. */; end?: number };

/** Bytes held by digest. Complete and verified, or not there: no reader ever sees half a content. */
export interface ContentStore {
  /**
   * Streams bytes in and answers what they are. Content that is there already is kept and its age renewed.
   * Throws ContentMismatch when `expected` names another digest or size; then nothing is kept.
   */
  put(bytes: AsyncIterable<Uint8Array>, expected?: Partial<ContentInfo>): Promise<ContentInfo>;
  /** A stream over the content or a range of it. Throws ContentMissing. Whole reads are verified: a damaged content ends in an error, never in a clean end. */
  open(digest: Digest, range?: ByteRange): Promise<Readable>;
  /** Size and age, undefined when it is not there. */
  stat(digest: Digest): Promise<{ size: number; touchedAt: Date } | undefined>;
  /** Renews the age of what is held, so that a sweep leaves it; false when it is not there. */
  touch(digest: Digest): Promise<boolean>;
  /**
   * Forgets the content; forgetting what is not there is no error. With `untouchedSince`, content that was put again at
   * or after that moment stays: a sweep that looked earlier never takes what somebody has just relied on.
   */
  delete(digest: Digest, options?: { untouchedSince?: Date }): Promise<void>;
  /** Every content with its size and when it was last put, in no order. */
  list(): AsyncIterable<ContentInfo & { touchedAt: Date }>;
  /** Share of free space from 0 to 1, undefined when the store has no bound. */
  freeShare(): Promise<number | undefined>;
  /** Uploads that arrive in parts (distribution-spec, "Pushing a blob in chunks"). */
  readonly uploads: UploadStore;
}

/** Partial content under a name of the caller's choice until it is committed or dropped. */
export interface UploadStore {
  /** Appends at `offset` (which must be the bytes held so far, or OffsetMismatch) and answers the new length, known also after a broken stream. */
  append(id: string, offset: number, bytes: AsyncIterable<Uint8Array>): Promise<number>;
  /** Bytes held, 0 for an unknown upload. */
  length(id: string): Promise<number>;
  /** Turns the upload into content. Throws ContentMismatch and keeps the upload when the digest is another. */
  commit(id: string, digest: Digest): Promise<ContentInfo>;
  drop(id: string): Promise<void>;
  /** Drops uploads, and what interrupted puts left behind, that nobody wrote to since `before`; answers how many. */
  expire(before: Date): Promise<number>;
}
