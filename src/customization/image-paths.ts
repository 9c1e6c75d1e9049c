// Resolves paths of an image from its listing, following links as Linux does.
import type { ListingEntry } from '../tar/listing-entry.ts';
import { partsOf } from '../tar/path.ts';
import { CustomizationError } from './errors.ts';
import { isMachinePath } from './names.ts';

export type Lookup = (path: string) => Pick<ListingEntry, 'type' | 'target'> | undefined;

/** Limit of links that are followed for one path; Linux allows 40 (path_resolution(7)). */
const LINKS_MAX = 40;
/**
 * PATH_MAX of Linux. A limit, because a link can make a path longer than any in the image, and each step takes time proportional to the
 * length.
 */
const LENGTH_MAX = 4096;

/**
 * Resolves a path: follows every link on the way, and the last one too if `last` is 'follow'. A missing component counts as a
 * folder to be created. Throws NOT_A_FOLDER, LINK_LOOP, and OUTSIDE_IMAGE for a path that ends in a folder of the machine.
 */
export function walkPath(path: string, { lookup, last }: { lookup: Lookup; last: 'follow' | 'keep' }): string {
  const waiting = partsOf(path).reverse();
  let at: string[] = [];
  let links = 0;
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    if (part === '..') {
      at.pop();
      continue;
    }
    const next = [...at, part].join('/');
    if (next.length > LENGTH_MAX)
      throw new CustomizationError('LINK_LOOP', `/${path} leads to a path that is too long`, path);
    const entry = lookup(next);
    const isLast = waiting.length === 0;
    if (entry?.type === 'symlink' && !(isLast && last === 'keep')) {
      links += 1;
      if (links > LINKS_MAX) throw new CustomizationError('LINK_LOOP', `/${path} leads through a loop of links`, path);
      const target = entry.target ?? '';
      if (target.startsWith('/')) at = [];
      waiting.push(...partsOf(target).reverse());
      continue;
    }
    if (!isLast && entry !== undefined && entry.type !== 'folder') {
      throw new CustomizationError(
        'NOT_A_FOLDER',
        `/${path} cannot exist: /${next} is not a folder in this image`,
        path,
      );
    }
    at.push(part);
  }
  const found = at.join('/');
  if (isMachinePath(found)) {
    throw new CustomizationError(
      'OUTSIDE_IMAGE',
      `/${path} leads to /${found}, which the machine fills when a container runs`,
      path,
    );
  }
  return found;
}
