// Finds files of an image in the same way as programs: follows links, and searches the folders of PATH.
import { BuildError } from '../../sandbox/build-error.ts';
import type { ListingEntry, MergedListing } from '../../tar/listing-entry.ts';
import { IMAGE_PATH } from './image.ts';
import { LayerLinks } from './layer-links.ts';

const ANY_EXECUTES = 0o111;
/** How many hard links to hard links are followed. Linux has the same limit for symbolic links (path_resolution(7)). */
const LINK_COUNT_MAX = 40;

/** Returns the regular file at a path, and follows links of any kind. Returns undefined if there is none. */
export function findFile(listing: MergedListing, path: string): ListingEntry | undefined {
  try {
    const links = new LayerLinks(() => false);
    let found = listing.get(links.follow(path, listing));
    for (let count = 0; found?.type === 'hardlink' && count < LINK_COUNT_MAX; count++)
      found = listing.get(links.follow(found.target ?? '', listing));
    return found?.type === 'file' ? found : undefined;
  } catch (error) {
    // The error means that there is a loop of links, which leads to no file.
    if (error instanceof BuildError) return undefined;
    throw error;
  }
}

/**
 * Returns the executable file that a shell starts for this name, or undefined if there is none. If the name has no slash,
 * searches the folders of `path`.
 */
export function findProgram(listing: MergedListing, name: string, path = IMAGE_PATH): ListingEntry | undefined {
  const places = name.includes('/') ? [name] : path.split(':').map((folder) => `${folder}/${name}`);
  for (const place of places) {
    const found = findFile(listing, place.replace(/^\/+/, ''));
    if (found !== undefined && (found.mode & ANY_EXECUTES) !== 0) return found;
  }
  return undefined;
}
