// The inspection of a customization's archive as stored in the row of its version; its listing is content.
import { type Static, Type } from 'typebox';
import { CustomizationWarning } from '../contract/customization-warning.ts';
import { Word } from '../contract/field.ts';
import type { Digest as ContentDigest } from '../contract/vocabulary.ts';
import { Digest } from './descriptor.ts';
import { Environment } from './image-plan.ts';
import { storedValue } from './stored-value.ts';

/** When a script runs: around the installation of the packages, or when everything else is in place. */
export const HOOK_NAMES = ['before-packages', 'after-packages', 'final'] as const;

const Hook = Type.Object({
  name: Word(HOOK_NAMES, 'When it runs.'),
  /** Its path in the archive. */
  path: Type.String(),
  digest: Digest,
  /** Bytes. */
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

/** The Declaration of src/customization. */
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
  /** The file in rootfs is replaced by `pem`, the form that trust stores read. */
  rewritten: Type.Optional(Type.Literal(true)),
  pem: Type.String(),
  fingerprint: Type.String(),
  subject: Type.String(),
  subject_hash: Type.String(),
  not_after: Type.String(),
});

export const StoredInspection = Type.Object({
  /** Bytes of the upload. */
  size: Type.Integer(),
  /** Bytes of the tar. */
  expanded: Type.Integer(),
  /** The newest time in the archive, in seconds since 1970; absent in older rows. */
  epoch: Type.Optional(Type.Integer()),
  /** The listing of the whole archive, as content. */
  listing: Digest,
  declaration: Declaration,
  /** All certificates for the trust store, declared or found in rootfs. */
  certificates: Type.Array(TrustedCertificate),
  /** In order of execution. */
  hooks: Type.Array(Hook),
  /** For the uploader: parts that are accepted but may be a mistake. */
  warnings: Type.Array(CustomizationWarning),
  /** The number of warnings that are not listed. */
  more_warnings_count: Type.Integer(),
});
export type StoredInspection = Static<typeof StoredInspection>;

/** Reads the inspection of a customization's version; `id` names the version. */
export const readStoredInspection = storedValue('inspection of customization', StoredInspection);

/** Every content that an inspection names: its listing. Scripts are read from the archive. */
export function contentsOfInspection({ listing }: StoredInspection): ContentDigest[] {
  return [listing];
}
