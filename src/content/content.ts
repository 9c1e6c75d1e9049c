// The interface of content stores: bytes by digest, in a directory, in memory or in an object store.
import type { Readable } from 'node:stream';
import type { Digest } from './digest.ts';

/** The store accepts no new content if less than this share of the disk is free: PostgreSQL and running builds need the rest. */
export const FREE_SHARE_MIN = 0.05;

export type ContentInfo = { digest: Digest; size: number };

export type ByteRange = { start: number /** Inclusive, as HTTP counts. */; end?: number };

/** Bytes by digest. A content is complete and verified, or absent: readers never get an incomplete one. */
export interface ContentStore {
  /**
   * Stores a stream and returns its digest and size. If the store already has this content, keeps it and sets its time to now. Throws
   * ContentMismatch, and stores nothing, if digest or size differ from `expected`.
   */
  put(bytes: AsyncIterable<Uint8Array>, expected?: Partial<ContentInfo>): Promise<ContentInfo>;
  /** Returns a stream of the content or a range of it. Throws ContentMissing. Whole reads are verified: the stream of a damaged content ends with an error. */
  open(digest: Digest, range?: ByteRange): Promise<Readable>;
  /** Returns the size of the content and the time of its last put or touch; undefined if the content is absent. */
  stat(digest: Digest): Promise<{ size: number; touchedAt: Date } | undefined>;
  /** Sets the time of the content to now, so that a sweep keeps the content; returns false if the content is absent. */
  touch(digest: Digest): Promise<boolean>;
  /**
   * Deletes the content; no error if it is absent. With `untouchedSince`, keeps content that was put or touched at or after that time: a
   * row may need it since the sweep read which contents are unused.
   */
  delete(digest: Digest, options?: { untouchedSince?: Date }): Promise<void>;
  /** Lists every content with its size and the time of its last put or touch, in no order. */
  list(): AsyncIterable<ContentInfo & { touchedAt: Date }>;
  /** Returns the share of free space from 0 to 1; undefined if the store has no limit. */
  freeShare(): Promise<number | undefined>;
  /** Uploads that arrive in parts (distribution-spec, "Pushing a blob in chunks"). */
  readonly uploads: UploadStore;
}

/** Uploads: incomplete contents under names that the caller chooses, until they are committed or dropped. */
export interface UploadStore {
  /**
   * Appends at `offset` and returns the new length. After a broken stream, `length` returns the number of bytes that were kept. Throws
   * OffsetMismatch if `offset` is not the current length.
   */
  append(id: string, offset: number, bytes: AsyncIterable<Uint8Array>): Promise<number>;
  /** Returns the number of stored bytes; 0 for an unknown upload. */
  length(id: string): Promise<number>;
  /** Converts the upload to content. Throws ContentMismatch, and keeps the upload, if the digest differs. */
  commit(id: string, digest: Digest): Promise<ContentInfo>;
  drop(id: string): Promise<void>;
  /** Deletes uploads, and files of interrupted puts, that nobody has written to since `before`; returns their number. */
  expire(before: Date): Promise<number>;
}
