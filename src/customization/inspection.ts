// What an inspected archive is: everything about a customization but the bytes of its files.
import type { CustomizationWarning } from '../contract/customization-warning.ts';
import type { Digest } from '../contract/vocabulary.ts';
import type { HOOK_NAMES } from '../plan/inspection.ts';
import type { Listing } from '../tar/listing-entry.ts';
import type { TrustedCertificate } from './certificates.ts';
import type { Declaration } from './declaration.ts';

export type HookName = (typeof HOOK_NAMES)[number];

export type Hook = {
  name: HookName;
  /** In the archive. */
  path: string;
  digest: Digest;
  /** Bytes. */
  size: number;
};

export type Inspection = {
  /** Bytes of the upload. */
  size: number;
  /** Bytes of the tar. */
  expanded: number;
  /** The newest time in the archive, in seconds since 1970: the time of everything in a layer that has none of its own. */
  epoch: number;
  /** Of the whole archive, names as in the archive (`rootfs/etc/motd`). */
  listing: Listing;
  declaration: Declaration;
  /** All that go into the trust store, whether declared or found in rootfs. */
  certificates: TrustedCertificate[];
  /** In the order in which they run. */
  hooks: Hook[];
  /** For the person who uploads: what is taken, but may not be meant. */
  warnings: CustomizationWarning[];
  /** How many warnings there are beside the listed ones. */
  more_warnings_count: number;
};

export const ROOTFS = 'rootfs/';

/** True when a build of this customization runs programs: scripts, or the packages' own. */
export function needsSandbox(inspection: Pick<Inspection, 'hooks' | 'declaration'>): boolean {
  return inspection.hooks.length > 0 || inspection.declaration.packages.length > 0;
}

/** What apt is to solve: `name` or `name=version`. */
export function declaredPackages(inspection: Pick<Inspection, 'declaration'>): string[] {
  return inspection.declaration.packages;
}
