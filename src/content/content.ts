// The interface of content stores. A store keeps bytes by digest, in a directory, in memory or in an object store.
import type { Readable } from 'node:stream';
import type { Digest } from './digest.ts';

/**
 * If a smaller share of the disk is free, the store accepts no new content, because PostgreSQL and running builds need the
 * rest.
 */
export const FREE_SHARE_MIN = 0.05;

export type ContentInfo = { digest: Digest; size: number };

export type ByteRange = { start: number /** Inclusive, as HTTP counts. */; end?: number };

/**
 * A store of bytes by digest. A content is either complete and verified or absent, so no reader gets an incomplete content.
 */
export interface ContentStore {
  /**
   * Stores a stream and returns its digest and size. If the store already has this content, keeps it and sets its time to
   * now. If digest or size differ from `expected`, stores nothing and throws ContentMismatch.
   */
  put(bytes: AsyncIterable<Uint8Array>, expected?: Partial<ContentInfo>): Promise<ContentInfo>;
  /**
   * Returns a stream of the content or of a range of it. Throws ContentMissing. A read of the whole content is verified. If
   * the content is damaged, the stream ends with an error.
   */
  open(digest: Digest, range?: ByteRange): Promise<Readable>;
  /** Returns the size of the content and the time of its last put or touch. Returns undefined if the content is absent. */
  stat(digest: Digest): Promise<{ size: number; touchedAt: Date } | undefined>;
  /**
   * Sets the time of the content to now, so that the sweeper (src/jobs/sweep-content.ts) keeps the content. Returns false if
   * the content is absent.
   */
  touch(digest: Digest): Promise<boolean>;
  /**
   * Deletes the content. Does nothing if it is absent. With `untouchedSince`, keeps a content that was put or touched at or
   * after this time, because a row may need it since the sweeper read which contents are unused.
   */
  delete(digest: Digest, options?: { untouchedSince?: Date }): Promise<void>;
  /** Lists all contents in any order, each with its size and the time of its last put or touch. */
  list(): AsyncIterable<ContentInfo & { touchedAt: Date }>;
  /** Returns the share of free space from 0 to 1. Returns undefined if the store has no size limit. */
  freeShare(): Promise<number | undefined>;
  /** Uploads, which arrive in parts (distribution-spec, "Pushing a blob in chunks"). */
  readonly uploads: UploadStore;
}

/**
 * Uploads are incomplete contents. They have names that the caller chooses, and exist until they are committed or dropped.
 */
export interface UploadStore {
  /**
   * Appends at `offset` and returns the new length. After a broken stream, `length` returns the number of bytes that were
   * kept. Throws OffsetMismatch if `offset` is not the current length.
   */
  append(id: string, offset: number, bytes: AsyncIterable<Uint8Array>): Promise<number>;
  /** Returns the number of stored bytes. Returns 0 for an unknown upload. */
  length(id: string): Promise<number>;
  /** Converts the upload to content. If the digest differs, keeps the upload and throws ContentMismatch. */
  commit(id: string, digest: Digest): Promise<ContentInfo>;
  drop(id: string): Promise<void>;
  /** Deletes uploads and files of interrupted puts to which nobody has written since `before`. Returns their number. */
  expire(before: Date): Promise<number>;
}
