// The format of `customization.yaml`: its keys and their rules. docs/customization.md explains their meaning.
import { type Static, type TSchema, Type } from 'typebox';
import { Emptiable, Mapping, WrittenText } from '../yaml/yaml-fields.ts';
import { ChartDeclarationSchema } from './chart-declaration-schema.ts';
import { ID_MAX, NAME_PATTERN } from './declared-owners.ts';
import {
  CERTIFICATES_MAX,
  DECLARATION_BYTES_MAX,
  FILES_MAX,
  LABEL_BYTES_MAX,
  LABELS_MAX,
  PACKAGES_MAX,
  PATH_BYTES_MAX,
  USERS_MAX,
  VARIABLE_BYTES_MAX,
  VARIABLES_MAX,
} from './limits.ts';

const NO_NUL = '^[^\\u0000]*$';
const ID = '^(?:0|[1-9][0-9]{0,9})$';

function Fields<P extends Record<string, TSchema>>(properties: P) {
  return Type.Object(properties, { additionalProperties: false });
}

function List<S extends TSchema>(items: S, maxItems: number, description: string) {
  return Type.Array(items, { maxItems, description });
}

function PathText(description: string) {
  return WrittenText({
    maxLength: PATH_BYTES_MAX,
    pattern: '^/[\\x20-\\x39\\x3b-\\x7e]*$',
    expects: 'an absolute path in ASCII without a colon',
    description,
  });
}

const Certificate = Fields({
  name: WrittenText({
    pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$',
    expects: 'the name of a certificate (letters, digits, . _ -)',
    description: 'The name of its file.',
  }),
  pem: WrittenText({ description: 'One or more certificates in PEM.', writeOnly: true }),
});

// A package name, optionally with an architecture (Debian policy 5.6.1, 5.6.8 and 5.6.12). A final minus would make apt remove the package.
const PACKAGE = '[a-z0-9][a-z0-9.+-]{0,126}[a-z0-9.+](?::[a-z0-9]{1,32}(?:-[a-z0-9]{1,32}){0,3})?';
const PACKAGE_VERSION = '(?:[0-9]{1,9}:)?[0-9][A-Za-z0-9.+~-]{0,127}';
const Package = WrittenText({
  pattern: `^${PACKAGE}(?:=${PACKAGE_VERSION})?$`,
  expects: 'a package (name, name:architecture or name=version)',
});

const File = Fields({
  path: WrittenText({ description: 'The path in the image, from /.' }),
  owner: Type.Optional(
    WrittenText({
      // In YAML, an owner that consists only of digits is a number, and editors check it as one.
      minimum: 0,
      maximum: ID_MAX,
      description: 'user or user:group, by name or number.',
    }),
  ),
  mode: Type.Optional(
    WrittenText({
      pattern: '^(?:0o?)?[0-7]{3,4}$',
      expects: 'a mode in octal, such as 0640',
      description: 'The rights, in octal.',
    }),
  ),
  content: Type.Optional(
    WrittenText({
      maxLength: DECLARATION_BYTES_MAX,
      writeOnly: true,
      description: 'The text of the file. Left out: the file is in rootfs/.',
    }),
  ),
});

/**
 * POSIX (Base Definitions, 8.1) allows any name without `=`; for example, elasticsearch reads `discovery.type`. Every registry and runtime
 * accepts printable ASCII. env(1) would read a leading dash as an option (src/oci/image-config-fields.ts).
 */
const VariableName = Type.String({
  pattern: '^(?!__proto__$)(?![- ])[\\x20-\\x3c\\x3e-\\x7e]{1,255}(?<! )$',
  expects: 'the name of a variable (printable ASCII without =, and no dash or space in front)',
});

const LabelName = Type.String({
  pattern: '^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,253}[A-Za-z0-9])?$',
  expects: 'the name of a label (letters, digits, . _ / -)',
});

const User = Fields({
  name: WrittenText({ pattern: NAME_PATTERN, expects: 'the name of a user' }),
  uid: WrittenText({ pattern: ID, expects: `a number from 1 to ${ID_MAX}`, minimum: 1, maximum: ID_MAX }),
  gid: Type.Optional(
    WrittenText({
      pattern: ID,
      expects: `a number from 0 to ${ID_MAX}`,
      minimum: 0,
      maximum: ID_MAX,
      description: 'Left out: the group of the image’s account; a new account gets its uid.',
    }),
  ),
  home: Type.Optional(PathText('Left out: the home of the image’s account; a new account gets /nonexistent.')),
  shell: Type.Optional(PathText('Left out: the shell of the image’s account; a new account gets /usr/sbin/nologin.')),
  groups: Emptiable(
    List(
      WrittenText({ pattern: NAME_PATTERN, expects: 'the name of a group' }),
      USERS_MAX,
      'Further groups, which the image has.',
    ),
  ),
});

/** A text as a value of a mapping. Its limit is in bytes, and is checked where the value is read. */
const Value = (maxLength: number) =>
  WrittenText({ maxLength, pattern: NO_NUL, expects: 'text without NUL', writeOnly: true });

export const DeclarationSchema = Emptiable(
  Fields({
    certificates: Emptiable(List(Certificate, CERTIFICATES_MAX, 'Certificate authorities that the images trust.')),
    packages: Emptiable(List(Package, PACKAGES_MAX, 'Packages of the distribution to install.')),
    files: Emptiable(List(File, FILES_MAX, 'Owner, mode or text of files.')),
    environment: Emptiable(
      Mapping(VariableName, Value(VARIABLE_BYTES_MAX), {
        maxProperties: VARIABLES_MAX,
        description: 'Variables of the images.',
      }),
    ),
    labels: Emptiable(
      Mapping(LabelName, Value(LABEL_BYTES_MAX), { maxProperties: LABELS_MAX, description: 'Labels of the images.' }),
    ),
    users: Emptiable(List(User, USERS_MAX, 'Users to add, or to change.')),
    chart: Emptiable(ChartDeclarationSchema),
  }),
);

export type DeclarationDocument = NonNullable<Static<typeof DeclarationSchema>>;
