// Parses the path of a request (distribution-spec 1.1, "Endpoints"). The name of a repository may have any number of segments.
import { isRepository } from '../oci/reference.ts';
import { Rejection } from './rejection.ts';

export type Asked =
  | { kind: 'base' }
  | { kind: 'catalog' }
  | { kind: 'tags'; name: string }
  | { kind: 'manifest'; name: string; reference: string }
  | { kind: 'blob'; name: string; digest: string }
  | { kind: 'uploads'; name: string }
  | { kind: 'upload'; name: string; id: string }
  | { kind: 'referrers'; name: string; digest: string };

/**
 * The longest path, in characters. A valid path has at most 255 characters for the name, 128 for a tag, and the fixed parts.
 */
const PATH_LENGTH_MAX = 600;

/**
 * Parses the part of a path after `/v2/`. Returns undefined if it is not an endpoint. Throws NAME_INVALID if the name does
 * not match the grammar.
 */
export function parsePath(path: string): Asked | undefined {
  if (path === '' || path === '/') {
    return { kind: 'base' };
  }
  if (path === '_catalog') {
    return { kind: 'catalog' };
  }
  const segments = path.length > PATH_LENGTH_MAX ? [] : decode(path).split('/');
  const asked = parseSegments(segments);
  if (asked !== undefined && !isRepository(asked.name)) {
    throw new Rejection('NAME_INVALID', 'invalid repository name');
  }
  return asked;
}

function parseSegments(segments: string[]): Extract<Asked, { name: string }> | undefined {
  const [third, second, last = ''] = [segments.at(-3), segments.at(-2), segments.at(-1)];
  const name = segments.slice(0, -2).join('/');
  if (third === 'blobs' && second === 'uploads') {
    const repository = segments.slice(0, -3).join('/');
    return last === '' ? { kind: 'uploads', name: repository } : { kind: 'upload', name: repository, id: last };
  }
  if (second === 'blobs') {
    return last === 'uploads' ? { kind: 'uploads', name } : { kind: 'blob', name, digest: last };
  }
  if (second === 'tags' && last === 'list') {
    return { kind: 'tags', name };
  }
  if (second === 'manifests') {
    return { kind: 'manifest', name, reference: last };
  }
  return second === 'referrers' ? { kind: 'referrers', name, digest: last } : undefined;
}

/**
 * Decodes a path, because some clients percent-encode the colon of a digest. Always succeeds, because the server has already
 * rejected paths that cannot be decoded.
 */
function decode(path: string): string {
  return path.includes('%') ? decodeURIComponent(path) : path;
}
