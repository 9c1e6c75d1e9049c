// Resolves the paths of a layer through links of lower layers. The work is limited, because layers may contain many links,
// loops and long chains.
import { BuildError } from '../../sandbox/build-error.ts';
import { DEPTH_MAX } from '../../tar/archive-meter.ts';
import { printable } from '../../tar/header.ts';
import type { MergedListing } from '../../tar/listing-entry.ts';
import { parentOf, partsOf } from '../../tar/path.ts';

/** How many links are followed for one path. Linux has the same limit (path_resolution(7)). */
const LINK_COUNT_MAX = 40;
/**
 * How many path components are resolved for one layer. 100,000 files with paths below /lib, /bin and /sbin need about
 * 500,000.
 */
const STEP_COUNT_MAX = 5_000_000;

export class LayerLinks {
  readonly #isFolder: (path: string) => boolean;
  #steps = 0;
  /** The path that was resolved last, because the next entry is often in the same folder. */
  #last = { path: '', target: '' };

  /**
   * `isFolder` returns whether the layer itself has a folder at this path. Such a folder replaces a link of a lower layer.
   */
  constructor(isFolder: (path: string) => boolean) {
    this.#isFolder = isFolder;
  }

  /** Returns the folder to which a path leads. Throws BuildError if links form a loop or the layer exceeds STEP_COUNT_MAX. */
  follow(path: string, listing: MergedListing): string {
    if (path !== this.#last.path) this.#last = { path, target: this.#walk(path, listing) };
    return this.#last.target;
  }

  #walk(path: string, listing: MergedListing): string {
    const waiting = partsOf(path).reverse();
    let links = 0;
    let at = '';
    let depth = 0;
    for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
      if (++this.#steps > STEP_COUNT_MAX)
        throw failure(`Resolving all paths of a layer takes more than ${STEP_COUNT_MAX} steps`);
      if (part === '..') {
        at = parentOf(at);
        depth = Math.max(0, depth - 1);
        continue;
      }
      const next = at === '' ? part : `${at}/${part}`;
      const target = this.#targetOf(next, listing);
      if (target === undefined) {
        at = next;
        if (++depth > DEPTH_MAX)
          throw failure(`/${printable(path)} leads to a path that is deeper than ${DEPTH_MAX} folders`);
        continue;
      }
      if (++links > LINK_COUNT_MAX) throw failure(`/${printable(path)} leads through a loop of links`);
      if (target.startsWith('/')) {
        at = '';
        depth = 0;
      }
      for (const name of partsOf(target).reverse()) waiting.push(name);
    }
    return at;
  }

  #targetOf(path: string, listing: MergedListing): string | undefined {
    if (this.#isFolder(path)) return undefined;
    const found = listing.get(path);
    return found?.type === 'symlink' ? found.target : undefined;
  }
}

function failure(message: string): BuildError {
  return new BuildError(`${message}.`, { step: 'root file system', cause_kind: 'BUILD_ERROR' });
}
