// The errors of a content store.
import type { Digest } from './digest.ts';

/** The store has no content with this digest. */
export class ContentMissing extends Error {
  readonly code = 'CONTENT_MISSING';
  readonly digest: Digest;

  constructor(digest: Digest) {
    super(`the content store does not have ${digest}`);
    this.name = 'ContentMissing';
    this.digest = digest;
  }
}

/** The bytes do not match their digest or size. */
export class ContentMismatch extends Error {
  readonly code = 'CONTENT_MISMATCH';
  readonly expected: string;
  readonly actual: string;

  constructor(expected: string | number, actual: string | number) {
    super(`the content is ${actual}, expected ${expected}`);
    this.name = 'ContentMismatch';
    this.expected = String(expected);
    this.actual = String(actual);
  }
}

/** An upload was continued at an offset that is not its end. `held` is its end. */
export class OffsetMismatch extends Error {
  readonly code = 'OFFSET_MISMATCH';
  readonly held: number;

  constructor(held: number, offset: number) {
    super(`the upload has ${held} bytes and cannot be continued at ${offset}`);
    this.name = 'OffsetMismatch';
    this.held = held;
  }
}

/** Throws ContentMismatch if the content has another digest or size than expected. */
export function checkContent(
  actual: { digest: Digest; size: number },
  expected: { digest?: Digest; size?: number },
): void {
  if (expected.digest !== undefined && expected.digest !== actual.digest) {
    throw new ContentMismatch(expected.digest, actual.digest);
  }
  if (expected.size !== undefined && expected.size !== actual.size) {
    throw new ContentMismatch(`${expected.size} bytes`, `${actual.size} bytes`);
  }
}
