// The interface of content stores: bytes by digest, in a directory, in memory or in an object store.
import type { Readable } from 'node:stream';
import type { Digest } from './digest.ts';

/** The store accepts no new content if less than this share of the disk is free: PostgreSQL and running builds need the rest. */
export const FREE_SHARE_MIN = 0.05;

export type ContentInfo = { digest: Digest; size: number };

export type ByteRange = { start: number /** Inclusive, as HTTP counts. */; end?: number };

/** Bytes by digest. A content is complete and verified, or absent: no reader sees part of one. */
export interface ContentStore {
  /**
   * Stores a stream and returns its digest and size. Existing content is kept, and its age is renewed.
   * Throws ContentMismatch if `expected` has another digest or size; then nothing is stored.
   */
  put(bytes: AsyncIterable<Uint8Array>, expected?: Partial<ContentInfo>): Promise<ContentInfo>;
  /** Returns a stream of the content or a range of it. Throws ContentMissing. Whole reads are verified: the stream of a damaged content ends with an error. */
  open(digest: Digest, range?: ByteRange): Promise<Readable>;
  /** Returns size and age; undefined if it is absent. */
  stat(digest: Digest): Promise<{ size: number; touchedAt: Date } | undefined>;
  /** Renews the age, so that a sweep keeps the content; returns false if it is absent. */
  touch(digest: Digest): Promise<boolean>;
  /**
   * Deletes the content; no error if it is absent. With `untouchedSince`, content that was put again at or after that time stays:
   * a sweep that looked earlier must not delete content that was used since.
   */
  delete(digest: Digest, options?: { untouchedSince?: Date }): Promise<void>;
  /** Lists every content with its size and the time of its last put, in no order. */
  list(): AsyncIterable<ContentInfo & { touchedAt: Date }>;
  /** Returns the share of free space from 0 to 1; undefined if the store has no limit. */
  freeShare(): Promise<number | undefined>;
  /** Uploads that arrive in parts (distribution-spec, "Pushing a blob in chunks"). */
  readonly uploads: UploadStore;
}

/** Partial content under a name that the caller chooses, until it is committed or dropped. */
export interface UploadStore {
  /** Appends at `offset` and returns the new length, which is also known after a broken stream. Throws OffsetMismatch if `offset` is not the current length. */
  append(id: string, offset: number, bytes: AsyncIterable<Uint8Array>): Promise<number>;
  /** Returns the number of stored bytes; 0 for an unknown upload. */
  length(id: string): Promise<number>;
  /** Converts the upload to content. Throws ContentMismatch, and keeps the upload, if the digest differs. */
  commit(id: string, digest: Digest): Promise<ContentInfo>;
  drop(id: string): Promise<void>;
  /** Deletes uploads and files of interrupted puts that were not written since `before`; returns their number. */
  expire(before: Date): Promise<number>;
}
