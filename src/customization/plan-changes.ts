// What a customization would change in an image, told before anything is built.
import type { EntryType, ListingEntry, MergedListing } from '../tar/listing-entry.ts';
import type { Inspection } from './inspection.ts';
import { type Placed, placeCustomization } from './placement.ts';

export type Change = {
  /** In the image, without `/` in front. */
  path: string;
  /** `replace`: something of another type was there. */
  kind: 'add' | 'change' | 'replace';
  type: EntryType;
  /** The type of what was there, where that is another one. */
  was?: EntryType;
};

/**
 * What the files of a customization would change laid over this image; what scripts and packages do is not known before they
 * run. What stays as it is, is left out. Throws CustomizationError when the customization does not fit the image.
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

/** A hard link is a file like any other. */
function kindOf(type: EntryType): EntryType {
  return type === 'hardlink' ? 'file' : type;
}

function isSame(placed: Placed, existing: ListingEntry): boolean {
  if (placed.origin.from === 'composed') return false;
  if (placed.type === 'symlink') return placed.target === existing.target;
  // An owner by name cannot be compared before the image is read.
  const sameOwner = [
    [placed.user, existing.uid],
    [placed.group, existing.gid],
  ].every(([asked, has]) => typeof asked === 'string' || asked === has);
  const sameBytes = placed.type === 'folder' || (placed.digest !== undefined && placed.digest === existing.digest);
  return sameOwner && sameBytes && placed.mode === existing.mode;
}
