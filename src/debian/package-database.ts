// The package database of an image (/var/lib/dpkg/status). It is parsed in the same way for every reader, and written again
// for apt.
import { ControlDataError, parseStanzas, type Stanza } from './control-stanzas.ts';
import { formatRelations, isArchitecture, isPackageName, isVersion } from './relations.ts';

/** The error for a rejected package database. The message is for the owner of the image. */
export class PackageDatabaseError extends Error {
  override readonly name = 'PackageDatabaseError';
}

export type DatabasePackage = {
  name: string;
  version: string;
  /** The architecture. Absent in databases that dpkg has not written. */
  architecture?: string;
  source: { name: string; version: string };
  summary?: string;
  homepage?: string;
  state: State;
  /** The fields for a solver, in the order of `SOLVED_FIELDS`. Each is checked and written again. */
  fields: ReadonlyMap<string, string>;
};

/** The states of packages (dpkg(1), "Package states", "Package selection states", "Package flags"). */
const STATES = [
  'not-installed',
  'config-files',
  'half-installed',
  'unpacked',
  'half-configured',
  'triggers-awaited',
  'triggers-pending',
  'installed',
] as const;
const SELECTIONS = ['unknown', 'install', 'hold', 'deinstall', 'purge'];
const FLAGS = ['ok', 'reinstreq', 'hold', 'hold-reinstreq'];
type State = (typeof STATES)[number];

const RELATIONS = [
  'Replaces',
  'Provides',
  'Pre-Depends',
  'Depends',
  'Recommends',
  'Suggests',
  'Breaks',
  'Conflicts',
  'Enhances',
];
type Grammar = (value: string, line: number) => string | undefined;
const matching =
  (pattern: RegExp): Grammar =>
  (value) =>
    pattern.test(value) ? value : undefined;
const FLAG = matching(/^(?:yes|no)$/);

/** The fields of an installed package that apt reads, each with its grammar. Any other value is rejected. */
const SOLVED_FIELDS: readonly (readonly [name: string, grammar: Grammar])[] = [
  ['Package', (value) => (isPackageName(value) ? value : undefined)],
  ['Essential', FLAG],
  ['Protected', FLAG],
  ['Important', FLAG],
  ['Status', (value) => parseStatusWords(value)?.text],
  ['Priority', matching(/^[A-Za-z-]{1,40}$/)],
  ['Section', matching(/^[A-Za-z0-9/+._-]{1,100}$/)],
  ['Installed-Size', matching(/^[0-9]{1,15}$/)],
  ['Architecture', (value) => (isArchitecture(value) ? value : undefined)],
  ['Multi-Arch', matching(/^(?:no|same|foreign|allowed)$/)],
  ['Source', formatSource],
  ['Version', (value) => (isVersion(value) ? value : undefined)],
  ...RELATIONS.map((name) => [name, formatRelations] as const),
];

const KNOWN = new Set([...SOLVED_FIELDS.map(([name]) => name.toLowerCase()), 'description', 'homepage']);

/**
 * Returns the packages that are at least partly installed, in the order of the text. Throws PackageDatabaseError for any
 * malformed text, because apt could read the text in another way.
 */
export function parsePackageDatabase(text: string): DatabasePackage[] {
  return parsePackages(text, ({ fields }) => fields.get('status'));
}

/** Returns the package of a .deb's control file, as if it were installed. Throws PackageDatabaseError. */
export function parseControlFile(text: string): DatabasePackage {
  const [first, ...more] = parsePackages(text, () => 'install ok installed');
  if (first === undefined || more.length > 0)
    throw new PackageDatabaseError('the control file must describe exactly one package');
  return first;
}

function parsePackages(text: string, statusOf: (stanza: Stanza) => string | undefined): DatabasePackage[] {
  const packages: DatabasePackage[] = [];
  const names = new Set<string>();
  try {
    for (const stanza of parseStanzas(text, KNOWN)) {
      const status = statusOf(stanza);
      // dpkg also keeps entries of removed packages. They are skipped.
      if (status === undefined || isAbsent(status)) continue;
      const found = packageOf({ ...stanza, fields: new Map([...stanza.fields, ['status', status]]) });
      const key = `${found.name}:${found.architecture ?? ''}`;
      if (names.has(key)) throw new ControlDataError(`the package ${found.name} occurs twice`, stanza.line);
      names.add(key);
      packages.push(found);
    }
  } catch (error) {
    throw error instanceof ControlDataError ? new PackageDatabaseError(error.message, { cause: error }) : error;
  }
  return packages;
}

function isAbsent(status: string): boolean {
  return ABSENT.has(parseStatusWords(status)?.state);
}

/** States of a package of which no files exist, or only its configuration files. */
const ABSENT: ReadonlySet<State | undefined> = new Set<State>(['not-installed', 'config-files']);
/** States of a package whose files are all installed and configured. Such a package may still wait for triggers (dpkg(1)). */
const INSTALLED: ReadonlySet<State> = new Set<State>(['installed', 'triggers-awaited', 'triggers-pending']);

/** Whether the package counts as installed. Every reader uses this: SBOMs, discovery, and the check of a base image. */
export function isInstalled({ state }: DatabasePackage): boolean {
  return INSTALLED.has(state);
}

/** Returns the text of a database with these packages. It has only fields that apt reads, with parsed values. */
export function formatPackageDatabase(packages: readonly DatabasePackage[]): string {
  return packages
    .map(({ fields }) => `${[...fields].map(([name, value]) => `${name}: ${value}\n`).join('')}\n`)
    .join('');
}

function packageOf(stanza: Stanza): DatabasePackage {
  const fields = new Map<string, string>();
  for (const [name, grammar] of SOLVED_FIELDS) {
    const written = stanza.fields.get(name.toLowerCase());
    if (written === undefined) continue;
    const value = grammar(written, stanza.line);
    if (value === undefined) throw malformed(stanza, name, written);
    if (value !== '') fields.set(name, value);
  }
  const name = fields.get('Package');
  const version = fields.get('Version');
  if (name === undefined || version === undefined) {
    throw new ControlDataError(`a package has no ${name === undefined ? 'name' : 'version'}`, stanza.line);
  }
  const architecture = fields.get('Architecture');
  const summary = firstLine(stanza.fields.get('description'));
  const homepage = firstLine(stanza.fields.get('homepage'));
  return {
    name,
    version,
    ...(architecture === undefined ? {} : { architecture }),
    source: sourceOf(fields.get('Source'), { name, version }),
    ...(summary === undefined ? {} : { summary }),
    ...(homepage === undefined ? {} : { homepage }),
    state: parseStatusWords(fields.get('Status') ?? '')?.state ?? 'installed',
    fields,
  };
}

function malformed({ fields, line }: Stanza, field: string, value: string): ControlDataError {
  const name = fields.get('package') ?? '';
  const shown = JSON.stringify(value.slice(0, 100));
  const whose = field === 'Package' || !isPackageName(name) ? 'a package' : `the package ${name}`;
  return new ControlDataError(`${whose} has ${shown} as ${field}, which is not valid`, line);
}

/** Parses the three words of a Status field. Returns undefined if one of them is unknown. */
function parseStatusWords(value: string): { state: State; text: string } | undefined {
  const [selection = '', flag = '', word = '', ...more] = value.split(/\s+/);
  const state = STATES.find((one) => one === word);
  const isKnown = SELECTIONS.includes(selection) && FLAGS.includes(flag) && more.length === 0;
  return isKnown && state !== undefined ? { state, text: `${selection} ${flag} ${state}` } : undefined;
}

/**
 * Parses a source such as `redis (5:7.0.15-1)` and writes it again. Returns undefined if it is malformed. A source without a
 * version has the version of the package.
 */
function formatSource(value: string): string | undefined {
  const [, name = '', version] = SOURCE.exec(value) ?? [];
  if (!isPackageName(name) || (version !== undefined && !isVersion(version))) return undefined;
  return version === undefined ? name : `${name} (${version})`;
}

const SOURCE = /^(\S+)(?:\s+\(([^()\s]+)\))?$/;

function sourceOf(text: string | undefined, own: { name: string; version: string }): { name: string; version: string } {
  const [, name, version] = SOURCE.exec(text ?? '') ?? [];
  return { name: name ?? own.name, version: version ?? own.version };
}

/** Returns the first line of a free text, without terminal control characters. Returns undefined if nothing is left. */
function firstLine(text: string | undefined): string | undefined {
  const line = text
    ?.split('\n', 1)[0]
    ?.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '')
    .trim();
  return line === undefined || line === '' ? undefined : line;
}
