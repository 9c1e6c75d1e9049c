// Whiteouts: names in a layer that remove entries of lower layers (OCI image-spec, layer.md, "Whiteouts").
import { TarError } from './errors.ts';
import { printable } from './header.ts';
import { parentOf } from './path.ts';

export const WHITEOUT = '.wh.';
export const OPAQUE = '.wh..wh..opq';
/** The prefix of internal records of aufs. They are not files of the image. */
const RECORD = `${WHITEOUT}${WHITEOUT}`;

export type Whiteout =
  /** All entries of lower layers in this folder are removed. */
  | { kind: 'opaque'; path: string }
  /** This path, and everything below it, is removed from the lower layers. */
  | { kind: 'removed'; path: string }
  | { kind: 'record' };

/**
 * Returns what a path in a layer removes. Returns undefined if the path belongs to a usual entry. Throws TarError NAME for a
 * whiteout without a name.
 */
export function parseWhiteout(path: string): Whiteout | undefined {
  // This fast check comes first, because most paths contain no whiteout.
  const at = path.indexOf(WHITEOUT);
  if (at < 0 || (!path.startsWith(WHITEOUT) && !path.includes(`/${WHITEOUT}`))) return undefined;
  const names = path.split('/');
  const last = names.pop() ?? '';
  if (last === OPAQUE && !names.some(isWhiteout)) return { kind: 'opaque', path: names.join('/') };
  if ([...names, last].some((name) => name.startsWith(RECORD))) return { kind: 'record' };
  if (names.some(isWhiteout)) throw new TarError('NAME', 'the path is below a whiteout', printable(path));
  if (!isWhiteout(last)) return undefined;
  const name = last.slice(WHITEOUT.length);
  if (name === '' || name === '.' || name === '..')
    throw new TarError('NAME', 'the whiteout does not name a file', printable(path));
  const folder = parentOf(path);
  return { kind: 'removed', path: folder === '' ? name : `${folder}/${name}` };
}

function isWhiteout(name: string): boolean {
  return name.startsWith(WHITEOUT);
}
