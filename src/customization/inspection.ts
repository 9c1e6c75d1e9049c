// The inspection of an archive: everything about a customization except the bytes of its files.
import type { CustomizationWarning } from '../contract/customization-warning.ts';
import type { Digest } from '../contract/vocabulary.ts';
import type { ChartParts, PartKind } from '../plan/chart-parts.ts';
import type { HOOK_NAMES } from '../plan/inspection.ts';
import type { Listing } from '../tar/listing-entry.ts';
import type { TrustedCertificate } from './certificates.ts';
import type { Declaration } from './declaration.ts';

export type HookName = (typeof HOOK_NAMES)[number];

export type Hook = {
  name: HookName;
  /** The script's path in the archive. */
  path: string;
  digest: Digest;
  /** The script's size in bytes. */
  size: number;
};

export type Inspection = {
  /** The size of the upload in bytes. */
  size: number;
  /** The size of the tar in bytes. */
  expanded: number;
  /** The newest time in the archive, in seconds since 1970: layers use it for entries that have no time of their own. */
  epoch: number;
  /** The listing of the whole archive; names are as in the archive (`rootfs/etc/motd`). */
  listing: Listing;
  declaration: Declaration;
  /** All certificates for the trust store, declared or found in rootfs. */
  certificates: TrustedCertificate[];
  /** The scripts, in the order in which they run. */
  hooks: Hook[];
  /** The kinds of parts that the archive has. */
  part_kinds: PartKind[];
  /** The changes of charts; absent if the archive has none. */
  chart?: ChartParts;
  /** Warnings for the uploader about parts that are accepted but may be a mistake. */
  warnings: CustomizationWarning[];
  /** The number of warnings that are not listed. */
  more_warnings_count: number;
};

export const ROOTFS = 'rootfs/';

/** Whether a build of this customization runs programs: its own scripts, or scripts of its packages. */
export function needsSandbox(inspection: Pick<Inspection, 'hooks' | 'declaration'>): boolean {
  return inspection.hooks.length > 0 || inspection.declaration.packages.length > 0;
}

/** Returns the packages for apt to resolve: `name` or `name=version`. */
export function declaredPackages(inspection: Pick<Inspection, 'declaration'>): string[] {
  return inspection.declaration.packages;
}
