// The recipe format: which fields `products/<key>/recipe.yaml` may hold, and what each may say.
import { PACKAGING_TYPES } from '../contract/vocabulary.ts';
import { parsePurl } from '../plan/purl.ts';
import {
  integer,
  list,
  mapping,
  object,
  oneOf,
  optional,
  type Shape,
  type Shaped,
  shorthand,
  text,
  truth,
  variants,
} from './yaml-shape.ts';

/** Stands for the branch in paths, commands and package names, so that no recipe names a version. */
export const BRANCH_PLACEHOLDER = '{branch}';

const PATH_LENGTH_MAX = 4096; // Linux PATH_MAX
/** Folders that hold nothing of an image: the machine fills them when it runs. */
const RUNTIME_FOLDERS = /^\/(?:proc|sys|dev|run|tmp)(?:\/|$)/;

function absolute(path: string): string | undefined {
  if (!path.startsWith('/') || path.length > PATH_LENGTH_MAX) return 'must be an absolute path';
  if (/\/\/|\/$|\/\.{1,2}(?:\/|$)/.test(path)) return 'must be a clean path, without //, ., .. or a slash at the end';
  return RUNTIME_FOLDERS.test(path) ? 'must not be under /proc, /sys, /dev, /run or /tmp' : undefined;
}

const path = text({ check: absolute });
const word = text({ max: 200 });
const command = list(text(), { min: 1 });
const mode = text({ pattern: /^[0-7]{4}$/, meaning: 'four octal digits in quotes, as "0755"' });
const id = integer(0, 65_535);
const seconds = integer(1, 600);
// Below 1024 a user other than root may not listen on every machine.
const port = integer(1024, 65_535);
const variable = text({ pattern: /^[A-Z][A-Z0-9_]*$/, meaning: 'a variable name in capitals' });
const environment = mapping(variable, text({ max: 4096 }));
export const operatingSystem = text({
  pattern: /^[a-z]+-\d+$/,
  meaning: 'a distribution and its version, as debian-12',
});

const purl = text({
  check(value) {
    try {
      const { version, qualifiers } = parsePurl(value.replaceAll(BRANCH_PLACEHOLDER, '0'));
      return version || qualifiers ? 'must have no version and no qualifiers: they are discovered' : undefined;
    } catch {
      return 'must be a package URL, as pkg:deb/debian/redis-server';
    }
  },
});

const key = text({ max: 64, pattern: /^[a-z][a-z0-9-]*$/, meaning: 'small letters, digits and dashes' });
const branch = text({ pattern: /^\d+(?:\.\d+)*$/, meaning: 'a branch in quotes, as "7.0"' });
export const date = text({ check: (value) => (isDate(value) ? undefined : 'must be a date, as 2028-06-30') });

export type License = {
  /** Short id of the SPDX licence list; an expression is written as one. */
  key: string;
  name?: string;
  /** Where its text stands in an image, from the root. */
  path?: string;
  /** The branches it holds for, when it does not hold for all. */
  branches?: string[];
};
const licenseKey = text({ max: 200, pattern: /^[A-Za-z0-9.+() -]+$/, meaning: 'an SPDX licence id' });
const license: Shape<License> = shorthand<License>(
  licenseKey,
  (given) => ({ key: given }),
  object({
    key: licenseKey,
    name: optional(word),
    path: optional(
      text({
        max: 256,
        check: (value) => (value.startsWith('/') ? 'must not begin with a slash' : absolute(`/${value}`)),
      }),
    ),
    branches: optional(list(branch, { min: 1 })),
  }),
);

const test = { name: word, timeout_seconds: seconds };

export const recipeShape = object({
  format: oneOf(1),
  key,
  name: word,
  // What it goes by where a trademark asks for another spelling.
  legal_name: optional(word),
  description: text(),
  long_display_name: word,
  disclaimer: text(),
  category: word,
  // The first that holds for a branch is the one of its versions.
  licenses: list(license, { min: 1 }),
  home_url: text({ pattern: /^https:\/\/\S+$/, meaning: 'an https address' }),
  icon: optional(text({ max: 64, pattern: /^[\w-]+\.svg$/, meaning: 'an SVG file beside the recipe, as icon.svg' })),
  // The product that this one is a part or a variant of.
  parent: optional(key),
  packaging_types: list(oneOf(...PACKAGING_TYPES), { min: 1 }),
  branch: object({
    // How many parts of the version name the branch: 7.0.15 with 2 is 7.0.
    components: integer(1, 3),
  }),
  operating_systems: list(operatingSystem, { min: 1 }),
  inputs: list(
    object({ purl, main: optional(truth()), operating_systems: optional(list(operatingSystem, { min: 1 })) }),
    { min: 1 },
  ),
  life_cycle: optional(
    list(
      object({
        branch,
        end_of_life: date,
      }),
    ),
  ),
  user: object({
    name: text({ pattern: /^[a-z][a-z0-9-]{0,30}$/, meaning: 'a user name' }),
    // Never root; a number so that a cluster's policy can tell.
    uid: integer(1, 65_533),
    gid: integer(0, 65_533),
    home: path,
  }),
  environment: optional(environment),
  entrypoint: command,
  command: optional(list(text())),
  working_directory: path,
  stop_signal: optional(text({ pattern: /^SIG[A-Z0-9]+$/, meaning: 'a signal, as SIGTERM' })),
  ports: list(object({ port, protocol: optional(oneOf('tcp', 'udp')) })),
  volumes: optional(list(path)),
  folders: optional(list(object({ path, mode, uid: id, gid: id }))),
  files: optional(
    list(
      object({
        path,
        source: text({ pattern: /^[\w.-]+(?:\/[\w.-]+)*$/, meaning: 'the path of a file in the files folder' }),
        mode: optional(mode),
        uid: optional(id),
        gid: optional(id),
      }),
    ),
  ),
  links: optional(list(object({ path, target: text({ max: PATH_LENGTH_MAX }) }))),
  remove: optional(list(path)),
  health: optional(object({ command, interval_seconds: seconds, timeout_seconds: seconds, retries: integer(1, 20) })),
  labels: optional(
    mapping(text({ max: 200, pattern: /^[a-z0-9]+(?:[.-][a-z0-9]+)*$/, meaning: 'a label key' }), text()),
  ),
  tests: list(
    variants('kind', {
      exec: {
        ...test,
        command,
        environment: optional(environment),
        stdout: optional(text()),
        exit_code: optional(integer(0, 255)),
      },
      http: { ...test, port, path: text(), status: integer(100, 599), body: optional(text()) },
      tcp: { ...test, port, send: optional(text()), receive: optional(text()) },
    }),
    { min: 1 },
  ),
  test_environment: optional(environment),
});

export type RecipeDocument = Shaped<typeof recipeShape>;

function isDate(value: string): boolean {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(value) ? Date.parse(value) : Number.NaN;
  // A day that is not there, as 30 February, is moved by the parser.
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(value);
}
