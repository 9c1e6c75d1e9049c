// Checks the format of ids. A malformed id is reported as "not found", because PostgreSQL would fail on it.
import { notFound } from './errors.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const RELEASE_ID = /^[0-9a-f]{24}$/;
const HEX_DIGEST = /^[0-9a-f]{64}$/;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

export function isReleaseId(text: string): boolean {
  return RELEASE_ID.test(text);
}

/** Whether the text is a sha256 digest without its prefix, which is the format of file ids. */
export function isHexDigest(text: string): boolean {
  return HEX_DIGEST.test(text);
}

/** Throws NOT_FOUND unless every id of the path is a UUID. */
export function requireUuids(noun: string, ...ids: string[]): void {
  if (!ids.every(isUuid)) throw notFound(noun);
}
