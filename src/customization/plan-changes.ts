// Computes the changes that a customization would make to an image, before any build.
import type { EntryType, ListingEntry, MergedListing } from '../tar/listing-entry.ts';
import type { Inspection } from './inspection.ts';
import { type Placed, placeCustomization } from './placement.ts';

export type Change = {
  /** The path in the image, without a leading `/`. */
  path: string;
  /** `replace`: the image has something of another type at this path. */
  kind: 'add' | 'change' | 'replace';
  type: EntryType;
  /** The type of the replaced entry, if it is another one. */
  was?: EntryType;
};

/**
 * Returns the changes that the files of a customization would make to the image; the effects of scripts and packages are
 * unknown before they run. Omits entries that stay the same. Throws CustomizationError if the customization conflicts with
 * the image.
 */
export function planChanges(inspection: Inspection, below: MergedListing): Change[] {
  return placeCustomization(inspection, below).flatMap((placed): Change[] => {
    const { path, type } = placed;
    const existing = below.get(path);
    if (existing === undefined) return [{ path, kind: 'add', type }];
    if (kindOf(existing.type) !== kindOf(type)) return [{ path, kind: 'replace', type, was: existing.type }];
    return isSame(placed, existing) ? [] : [{ path, kind: 'change', type }];
  });
}

/** A hard link counts as a file. */
function kindOf(type: EntryType): EntryType {
  return type === 'hardlink' ? 'file' : type;
}

function isSame(placed: Placed, existing: ListingEntry): boolean {
  if (placed.origin.from === 'composed') return false;
  if (placed.type === 'symlink') return placed.target === existing.target;
  // The number of an owner that is given by name is unknown until the image's /etc/passwd is read.
  const sameOwner = [
    [placed.user, existing.uid],
    [placed.group, existing.gid],
  ].every(([asked, has]) => typeof asked === 'string' || asked === has);
  const sameBytes = placed.type === 'folder' || (placed.digest !== undefined && placed.digest === existing.digest);
  return sameOwner && sameBytes && placed.mode === existing.mode;
}
