// The inspection of a customization's archive, as stored in the row of the version. Its listing is stored as content.
import { type Static, Type } from 'typebox';
import { CustomizationWarning } from '../contract/customization-warning.ts';
import { Word } from '../contract/field.ts';
import type { Digest as ContentDigest } from '../contract/vocabulary.ts';
import { ChartParts, PART_KINDS, type PartKind } from './chart-parts.ts';
import { Digest } from './descriptor.ts';
import { Environment } from './image-plan.ts';
import { storedValue } from './stored-value.ts';

/**
 * When a script of the customization runs: before its packages are installed, after that, or when everything else is done.
 */
export const HOOK_NAMES = ['before-packages', 'after-packages', 'final'] as const;

const Hook = Type.Object({
  name: Word(HOOK_NAMES, 'When it runs.'),
  /** The script's path in the archive. */
  path: Type.String(),
  digest: Digest,
  /** The size in bytes. */
  size: Type.Integer(),
});

const OwnerName = Type.Union([Type.String(), Type.Integer()]);

const DeclaredFile = Type.Object({
  path: Type.String(),
  user: Type.Optional(OwnerName),
  group: Type.Optional(OwnerName),
  mode: Type.Optional(Type.Integer()),
  content: Type.Optional(Type.String()),
});

const DeclaredUser = Type.Object({
  name: Type.String(),
  uid: Type.Integer(),
  gid: Type.Optional(Type.Integer()),
  home: Type.Optional(Type.String()),
  shell: Type.Optional(Type.String()),
  groups: Type.Array(Type.String()),
});

/** The schema of the type Declaration in src/customization. */
const Declaration = Type.Object({
  packages: Type.Array(Type.String()),
  files: Type.Array(DeclaredFile),
  environment: Environment,
  labels: Type.Record(Type.String(), Type.String()),
  users: Type.Array(DeclaredUser),
});

const TrustedCertificate = Type.Object({
  name: Type.String(),
  file: Type.String(),
  in_rootfs: Type.Boolean(),
  /** True if the build replaces the file in rootfs by `pem`, because trust stores can read only this format. */
  rewritten: Type.Optional(Type.Literal(true)),
  pem: Type.String(),
  fingerprint: Type.String(),
  subject: Type.String(),
  subject_hash: Type.String(),
  not_after: Type.String(),
});

export const StoredInspection = Type.Object({
  /** The size of the uploaded archive in bytes. */
  size: Type.Integer(),
  /** The size of the uncompressed tar in bytes. */
  expanded: Type.Integer(),
  /** The newest time in the archive, in seconds since 1970. Absent in older rows. */
  epoch: Type.Optional(Type.Integer()),
  /** The digest of the listing of the whole archive. The listing is stored as content. */
  listing: Digest,
  declaration: Declaration,
  /**
   * All certificates that are added to the trust store. The customization declares them, or the inspection found them in
   * rootfs.
   */
  certificates: Type.Array(TrustedCertificate),
  /** The scripts in the order in which they run. */
  hooks: Type.Array(Hook),
  /** The kinds of parts that the archive has. Absent in older rows, which have parts for images. */
  part_kinds: Type.Optional(Type.Array(Word(PART_KINDS, 'A kind of parts.'))),
  /** The changes of charts. Absent if the archive has none. */
  chart: Type.Optional(ChartParts),
  /** Warnings for the user who uploads: parts of the archive that are accepted but may be mistakes. */
  warnings: Type.Array(CustomizationWarning),
  /** How many warnings are omitted. */
  more_warnings_count: Type.Integer(),
});
export type StoredInspection = Static<typeof StoredInspection>;

/** Reads the inspection of a customization version. `id` names the version in errors. */
export const readStoredInspection = storedValue('inspection of customization', StoredInspection);

/** Returns the contents that an inspection names. This is only its listing, because scripts are read from the archive. */
export function contentsOfInspection({ listing }: StoredInspection): ContentDigest[] {
  return [listing];
}

/** Returns the kinds of parts that a customization has. */
export function partKindsOf({ part_kinds }: { part_kinds?: PartKind[] | undefined }): PartKind[] {
  return part_kinds ?? ['IMAGE'];
}
