// Warnings: parts of a customization that its inspection accepts but that may be mistakes. Larder adds this to version 1 of
// the API.
import { type Static, Type } from 'typebox';
import { Text, Word } from './field.ts';

export const CUSTOMIZATION_WARNING_CODES = [
  /** A file of rootfs/ contains a private key and is copied into the image. */
  'PRIVATE_KEY_KEPT',
  /** Setuid, setgid or sticky bits that the declaration does not list, so that the image will not have them. */
  'SPECIAL_MODE_LOST',
  /** Extended attributes that the image will not have: file capabilities, access lists and labels. */
  'ATTRIBUTES_LOST',
  'WORLD_WRITABLE',
  /** An entry of the archive that the image will not have. */
  'FILE_SKIPPED',
  /** A certificate that is not added to the trust store. */
  'CERTIFICATE_SKIPPED',
  'CERTIFICATE_NOT_YET_VALID',
  /** A trusted certificate that does not belong to a certificate authority. */
  'CERTIFICATE_NOT_AUTHORITY',
] as const;
export type CustomizationWarningCode = (typeof CUSTOMIZATION_WARNING_CODES)[number];

export const CustomizationWarning = Type.Object(
  {
    code: Word(CUSTOMIZATION_WARNING_CODES, 'Kind of warning.'),
    message: Text('The warning as a sentence, with what Larder does about it.'),
    path: Type.Optional(Text('Path of the entry in the archive; absent if the warning is not about a single entry.')),
  },
  { title: 'CustomizationWarning' },
);
export type CustomizationWarning = Static<typeof CustomizationWarning>;
