// Signed URLs, which need no token. A signed URL contains the digest of a file, an expiry time, and a signature over both.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Digest, isDigest } from '../../content/digest.ts';

export type SignedFile = { digest: Digest; filename: string; mime_type: string };

const PREFIX = '/files/';

/** Returns the path and query with which a file can be read until `expiresAt` (seconds since 1970). */
export function signFilePath(key: Buffer, file: SignedFile, expiresAt: number): string {
  const parameters = new URLSearchParams({
    filename: file.filename,
    type: file.mime_type,
    expires: String(expiresAt),
    signature: signature(key, file, expiresAt),
  });
  return `${PREFIX}${file.digest.slice('sha256:'.length)}?${parameters}`;
}

export type SignedParameters = { digest: string; filename: string; type: string; expires: string; signature: string };

/**
 * Returns the file of a signed URL. Returns undefined if the URL was changed or has expired. `now` is in seconds since 1970.
 */
export function verifySignedFile(key: Buffer, given: SignedParameters, now: number): SignedFile | undefined {
  const digest = `sha256:${given.digest}`;
  const expiresAt = Number(given.expires);
  if (!isDigest(digest) || !Number.isSafeInteger(expiresAt) || String(expiresAt) !== given.expires) return undefined;
  const file: SignedFile = { digest, filename: given.filename, mime_type: given.type };
  const expected = Buffer.from(signature(key, file, expiresAt));
  const actual = Buffer.from(given.signature);
  if (expected.length !== actual.length || !timingSafeEqual(expected, actual)) return undefined;
  return expiresAt > now ? file : undefined;
}

function signature(key: Buffer, file: SignedFile, expiresAt: number): string {
  // Signs JSON, because different values never give the same JSON text.
  const text = JSON.stringify([file.digest, file.filename, file.mime_type, expiresAt]);
  return createHmac('sha256', key).update(text).digest('base64url');
}
