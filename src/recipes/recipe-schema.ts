// The format of recipes: the fields of `products/<key>/recipe.yaml` and their rules. docs/recipes.md explains their meaning.
import { type Static, type TSchema, Type } from 'typebox';
import { PACKAGING_TYPES } from '../contract/vocabulary.ts';
import { Mapping, Variants } from '../yaml/yaml-fields.ts';

/** The placeholder for the branch in paths, commands and package names. With it, recipes need not name a version. */
export const BRANCH_PLACEHOLDER = '{branch}';

/** The longest path, in characters. Linux has the same limit (PATH_MAX). */
const PATH_LENGTH_MAX = 4096;
/** The longest text in a recipe, in characters. Descriptions are the longest texts. */
const TEXT_LENGTH_MAX = 2000;
/** The most entries in a list or mapping. This is ten times the longest list in use. */
const ENTRIES_MAX = 100;

/** Excludes control characters except tabs and line ends. Requires a visible character. */
const READABLE = '^(?=[\\s\\S]*\\S)[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*$';
const PART = '(?!\\.{1,2}(?:/|$))[^/\\u0000-\\u001f\\u007f]+';
/** Folders in which an image must not have files. The container runtime fills them when a container starts. */
const RUNTIME_FOLDERS = '(?:proc|sys|dev|run|tmp)(?:/|$)';

type TextOptions = { pattern?: string; expects?: string; maxLength?: number; format?: string };

function Text(description: string, options: TextOptions = {}) {
  const readable = { pattern: READABLE, expects: 'text without control characters' };
  return Type.String({ description, minLength: 1, maxLength: TEXT_LENGTH_MAX, ...readable, ...options });
}

function List<S extends TSchema>(items: S, description: string, { minItems = 0 } = {}) {
  return Type.Array(items, { description, minItems, maxItems: ENTRIES_MAX });
}

function Fields<P extends Record<string, TSchema>>(properties: P, description = '') {
  return Type.Object(properties, { additionalProperties: false, ...(description !== '' && { description }) });
}

function Whole(description: string, [minimum, maximum]: [number, number]) {
  return Type.Integer({ description, minimum, maximum });
}

function Word<const W extends readonly string[]>(words: W, description: string) {
  return Type.Unsafe<W[number]>({ type: 'string', enum: [...words], description });
}

function Path(description: string) {
  return Text(description, {
    maxLength: PATH_LENGTH_MAX,
    pattern: `^(?!/${RUNTIME_FOLDERS})(?:/${PART})+$`,
    expects: 'an absolute path without //, ., .. or a slash at the end, and not under /proc, /sys, /dev, /run or /tmp',
  });
}

const Short = (description: string) => Text(description, { maxLength: 200 });
const Command = (description: string) =>
  List(Text('A word of the command.'), `${description} The program and its arguments.`, { minItems: 1 });
const Mode = Text('The mode.', { pattern: '^[0-7]{4}$', expects: 'four octal digits in quotes, as "0755"' });
const Owner = Whole('The user id of the owner.', [0, 65_535]);
const Group = Whole('The group id.', [0, 65_535]);
const Seconds = (description: string) => Whole(description, [1, 600]);
// Ports below 1024 are rejected, because on some machines only root may listen on them.
const Port = Whole('A port. Ports below 1024 need root on some machines.', [1024, 65_535]);
const Environment = (description: string) =>
  Mapping(
    Text('The name of a variable.', { pattern: '^[A-Z][A-Z0-9_]*$', expects: 'a variable name in capitals' }),
    Text('Its value.', { maxLength: 4096 }),
    { description, maxProperties: ENTRIES_MAX },
  );
const Key = (description: string) =>
  Text(description, { maxLength: 64, pattern: '^[a-z][a-z0-9-]*$', expects: 'lowercase letters, digits and dashes' });
const Branch = Text('A branch of versions.', {
  pattern: '^\\d+(?:\\.\\d+)*$',
  expects: 'a branch in quotes, as "7.0"',
});

export const OperatingSystemKey = Text('A key of operating-systems.yaml.', {
  pattern: '^[a-z]+-\\d+$',
  expects: 'a distribution and its version, as debian-12',
});
const OperatingSystemKeys = (description: string) => List(OperatingSystemKey, description, { minItems: 1 });

export function Day(description: string) {
  return Text(description, { format: 'date', expects: 'a date, as 2028-06-30' });
}

const Purl = Text('A package URL. {branch} stands for the branch.', {
  pattern: '^pkg:[A-Za-z][A-Za-z0-9.+-]*/[^@?#\\s]+$',
  expects: 'a package URL without version and qualifiers, as pkg:deb/debian/redis-server',
});

const LicenseKey = Text('A short id of the SPDX license list, or an expression of them.', {
  maxLength: 200,
  pattern: '^[A-Za-z0-9.+() -]+$',
  expects: 'an SPDX license id',
});

const License = Fields({
  key: LicenseKey,
  name: Type.Optional(Short('Its name.')),
  path: Type.Optional(
    Text('The path of its text in the image, from the root, without the first slash.', {
      maxLength: 256,
      pattern: `^(?!${RUNTIME_FOLDERS})${PART}(?:/${PART})*$`,
      expects: 'a path from the root without the first slash, and without //, ., .. or a slash at the end',
    }),
  ),
  branches: Type.Optional(List(Branch, 'The branches that it applies to; all when left out.', { minItems: 1 })),
});

const test = { name: Short('The name of the test.'), timeout_seconds: Seconds('Seconds that the test may take.') };

const ProductTest = Variants('kind', [
  Fields({
    ...test,
    kind: Type.Literal('exec', { description: 'Runs a command in the container.' }),
    command: Command('The command to run.'),
    environment: Type.Optional(Environment('Variables of the command.')),
    stdout: Type.Optional(Text('Text that the output must contain.')),
    exit_code: Type.Optional(Whole('The exit code that the command must have; 0 when left out.', [0, 255])),
  }),
  Fields({
    ...test,
    kind: Type.Literal('http', { description: 'Sends a GET request.' }),
    port: Port,
    path: Text('The path to request.'),
    status: Whole('The status that the answer must have.', [100, 599]),
    body: Type.Optional(Text('Text that the body must contain.')),
  }),
  Fields({
    ...test,
    kind: Type.Literal('tcp', { description: 'Opens a connection.' }),
    port: Port,
    send: Type.Optional(Text('Text to send.')),
    receive: Type.Optional(Text('Text that the answer must contain.')),
  }),
]);

export const RecipeSchema = Fields({
  format: Type.Literal(1, { description: 'The version of this format.' }),
  key: Key('The key of the product: the name of its folder.'),
  name: Short('The name of the software.'),
  legal_name: Type.Optional(Short('The name that the trademark requires; the name when left out.')),
  description: Text('What the software is, in a sentence.'),
  long_display_name: Short('The name with the packager, as Redis packaged by Larder.'),
  disclaimer: Text('The owner of the trademarks.'),
  category: Short('The kind of software.'),
  licenses: List(
    Type.Union([LicenseKey, License]),
    'Licenses, the main one first: an SPDX id, or a mapping. The first that applies to a branch is the license of its versions.',
    { minItems: 1 },
  ),
  home_url: Text('The address of the project.', { pattern: '^https://\\S+$', expects: 'an https address' }),
  icon: Type.Optional(
    Text('An SVG file beside the recipe.', {
      maxLength: 64,
      pattern: '^[A-Za-z0-9_-]+\\.svg$',
      expects: 'an SVG file beside the recipe, as icon.svg',
    }),
  ),
  parent: Type.Optional(Key('The key of the product that this one is a part or a variant of.')),
  packaging_types: List(
    Word(PACKAGING_TYPES, 'A packaging type.'),
    'The packaging types that the product is offered in.',
    { minItems: 1 },
  ),
  branch: Fields({
    components: Whole(
      'The number of parts of a version that name its branch: with 2, 7.0.15 is of the branch 7.0.',
      [1, 3],
    ),
  }),
  operating_systems: OperatingSystemKeys('The operating systems that the product is built on.'),
  inputs: List(
    Fields({
      purl: Purl,
      main: Type.Optional(
        Type.Boolean({ description: 'Whether the version of the product is the version of this package.' }),
      ),
      operating_systems: Type.Optional(
        OperatingSystemKeys('The operating systems that the package is for; all when left out.'),
      ),
    }),
    'The packages. Exactly one for each operating system is the main one.',
    { minItems: 1 },
  ),
  life_cycle: Type.Optional(
    List(
      Fields({ branch: Branch, end_of_life: Day('The last day of its support.') }),
      'The branches whose end of life is known.',
    ),
  ),
  user: Fields(
    {
      name: Text('The name of the user.', { pattern: '^[a-z][a-z0-9-]{0,30}$', expects: 'a user name' }),
      // The user is a number and not a name, so that the policy of a cluster can check it.
      uid: Whole('The user id; never 0, which is root.', [1, 65_533]),
      gid: Whole('The group id.', [0, 65_533]),
      home: Path('The home folder.'),
    },
    'The user that the image runs as.',
  ),
  environment: Type.Optional(Environment('Variables of the image.')),
  entrypoint: Command('The entrypoint of the image.'),
  command: Type.Optional(List(Text('A word of the command.'), 'The default arguments of the entrypoint.')),
  working_directory: Path('The working directory.'),
  stop_signal: Type.Optional(
    Text('The signal that ends the software.', { pattern: '^SIG[A-Z0-9]+$', expects: 'a signal, as SIGTERM' }),
  ),
  ports: List(
    Fields({ port: Port, protocol: Type.Optional(Word(['tcp', 'udp'], 'tcp when left out.')) }),
    'The ports that the software listens on.',
  ),
  volumes: Type.Optional(List(Path('A path of folders.'), 'Folders that are volumes.')),
  folders: Type.Optional(
    List(Fields({ path: Path('The folder.'), mode: Mode, uid: Owner, gid: Group }), 'Folders to create.'),
  ),
  files: Type.Optional(
    List(
      Fields({
        path: Path('The path of the file in the image.'),
        source: Text('The file, in the folder files/ beside the recipe.', {
          pattern: '^[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*$',
          expects: 'the path of a file in the files folder',
        }),
        mode: Type.Optional(Mode),
        uid: Type.Optional(Owner),
        gid: Type.Optional(Group),
      }),
      'Files to add.',
    ),
  ),
  links: Type.Optional(
    List(
      Fields({ path: Path('The link.'), target: Text('The target of the link.', { maxLength: PATH_LENGTH_MAX }) }),
      'Symbolic links to create.',
    ),
  ),
  remove: Type.Optional(List(Path('A path of the image.'), 'Files and folders to remove.')),
  health: Type.Optional(
    Fields(
      {
        command: Command('The command that succeeds when the software is healthy.'),
        interval_seconds: Seconds('Seconds between two checks.'),
        timeout_seconds: Seconds('Seconds that a check may take.'),
        retries: Whole('Failed checks in a row that make it unhealthy.', [1, 20]),
      },
      'The health check of the image.',
    ),
  ),
  labels: Type.Optional(
    Mapping(
      Text('The key of a label.', {
        maxLength: 200,
        pattern: '^[a-z0-9]+(?:[.-][a-z0-9]+)*$',
        expects: 'a label key',
      }),
      Text('Its value.'),
      { description: 'Labels of the image.', maxProperties: ENTRIES_MAX },
    ),
  ),
  tests: List(ProductTest, 'Tests that an image must pass before it is released.', { minItems: 1 }),
  test_environment: Type.Optional(Environment('Variables of the container under test.')),
});

export type RecipeDocument = Static<typeof RecipeSchema>;
