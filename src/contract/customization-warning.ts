// What of a customization is taken but may not be meant, as its inspection found it. An addition of Larder to version 1.
import { type Static, Type } from 'typebox';
import { Text, Word } from './field.ts';

export const CUSTOMIZATION_WARNING_CODES = [
  /** A file of rootfs/ holds a private key, and goes into the image. */
  'PRIVATE_KEY_KEPT',
  /** Setuid, setgid or sticky bits that are not declared. */
  'SPECIAL_MODE_LOST',
  /** Extended attributes: file capabilities, access lists, labels. */
  'ATTRIBUTES_LOST',
  'WORLD_WRITABLE',
  /** An entry that was left out. */
  'FILE_SKIPPED',
  /** A certificate that is not added to the trust store. */
  'CERTIFICATE_SKIPPED',
  'CERTIFICATE_NOT_YET_VALID',
  /** A certificate that is trusted and is no certificate authority's. */
  'CERTIFICATE_NOT_AUTHORITY',
] as const;
export type CustomizationWarningCode = (typeof CUSTOMIZATION_WARNING_CODES)[number];

export const CustomizationWarning = Type.Object(
  {
    code: Word(CUSTOMIZATION_WARNING_CODES, 'Kind of warning.'),
    message: Text('What Larder does about it.'),
    path: Type.Optional(Text('Path of the entry in the archive; absent if the warning is not about a single entry.')),
  },
  { title: 'CustomizationWarning' },
);
export type CustomizationWarning = Static<typeof CustomizationWarning>;
