// Finds the sources of the Debian archive in this machine's apt configuration, and can rewrite them for another suite.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AptError, runApt } from './apt-command.ts';

/** A list of sources as apt reads it. It contains host names and may contain credentials, so it is never in a layer. */
export type AptSources = {
  /** The codename, for example `bookworm`. */
  suite: string;
  /** The text of a `.sources` file (sources.list(5), deb822 format). */
  deb822: string;
  /** The key files in the entries. */
  signed_by: string[];
};

export type SourceEntry = {
  uri: string;
  suite: string;
  components: string[];
  /** Options by the names of deb822 fields, such as `Signed-By`. An embedded key keeps its line ends. */
  options: Record<string, string>;
};

/** The properties of an entry in the index that apt fetched last. */
export type KnownRelease = { uri: string; suite: string; origin: string; codename: string };

/**
 * Suffixes of the suites that every Debian codename has. Other suites (backports, or suites of a vendor) may not exist for
 * another codename.
 */
const COMPANIONS = ['', '-updates', '-security', '/updates'];

/**
 * Returns the entries of the Debian archive in this machine's apt configuration. If `suite` is another codename than this
 * machine's, rewrites the entries for this codename. Omits entries whose index has another origin, or whose key does not
 * belong to the Debian archive. Throws AptError NO_SOURCES if no entry is left.
 */
export async function configuredSources(suite?: string): Promise<AptSources> {
  const own = await hostCodename();
  const folders = await aptFolders();
  const entries = await readEntries(folders);
  const chosen = chooseEntries(entries, own, await knownReleases());
  return writeSources(rewriteSuites(chosen, own, suite ?? own), suite ?? own);
}

type AptFolders = { sourcelist: string; sourceparts: string };

async function aptFolders(): Promise<AptFolders> {
  const output = await runApt('apt-config', [
    'shell',
    'sourcelist',
    'Dir::Etc::sourcelist/f',
    'sourceparts',
    'Dir::Etc::sourceparts/d',
  ]);
  const value = (name: string) => new RegExp(`^${name}='(.*)'$`, 'm').exec(output)?.[1] ?? '';
  return { sourcelist: value('sourcelist'), sourceparts: value('sourceparts') };
}

async function hostCodename(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const codename = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(text)?.[1];
  if (codename === undefined)
    throw new AptError('NO_SOURCES', '/etc/os-release of this machine has no VERSION_CODENAME');
  return codename;
}

async function readEntries({ sourcelist, sourceparts }: AptFolders): Promise<SourceEntry[]> {
  const names = await readdir(sourceparts).catch(() => []);
  // apt reads only names with these characters (sources.list(5)).
  const parts = names.filter((name) => /^[\w.-]+\.(?:list|sources)$/.test(name)).sort();
  const files = [sourcelist, ...parts.map((name) => join(sourceparts, name))];
  const texts = await Promise.all(
    files.map(async (file) => ({ file, text: await readFile(file, 'utf8').catch(() => '') })),
  );
  return texts.flatMap(({ file, text }) => (file.endsWith('.sources') ? parseDeb822(text) : parseOneLine(text)));
}

/** Parses one-line entries: `deb [arch=amd64 signed-by=/key] uri suite component…`. Omits comments and `deb-src`. */
export function parseOneLine(text: string): SourceEntry[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)\s*(?:#.*)?$/.exec(line);
    if (!match) return [];
    const [, options = '', uri = '', suite = '', components = ''] = match;
    return [{ uri, suite, components: words(components), options: oneLineOptions(options) }];
  });
}

/**
 * Option names of one-line entries that differ from the deb822 field in more than upper and lower case (sources.list(5), "The
 * deb types: options").
 */
const OPTION_NAMES: Record<string, string> = { arch: 'Architectures', lang: 'Languages', target: 'Targets' };

function oneLineOptions(text: string): Record<string, string> {
  const pairs = words(text).map((word) => {
    const [name = '', ...value] = word.split('=');
    const deb822 =
      OPTION_NAMES[name] ?? name.replaceAll(/(^|-)([a-z])/g, (_, dash, letter) => dash + letter.toUpperCase());
    return [deb822, value.join('=').replaceAll(',', ' ')];
  });
  return Object.fromEntries(pairs);
}

/** Parses deb822 stanzas. Returns one entry for each pair of URI and suite. Omits disabled stanzas. */
export function parseDeb822(text: string): SourceEntry[] {
  const stanzas = text.replaceAll(/^#.*\n?/gm, '').split(/\n[ \t]*(?:\n[ \t]*)+/);
  return stanzas.flatMap((stanza) => {
    const fields = stanzaFields(stanza);
    const {
      types = '',
      uris = '',
      suites = '',
      components = '',
      enabled = 'yes',
    } = Object.fromEntries(fields.map(({ name, value }) => [name.toLowerCase(), value]));
    if (!words(types).includes('deb') || /^(?:no|false|0|off|without|disable)$/i.test(enabled.trim())) return [];
    const known = new Set(['types', 'uris', 'suites', 'components', 'enabled']);
    const options = Object.fromEntries(
      fields.filter(({ name }) => !known.has(name.toLowerCase())).map(({ name, value }) => [name, value]),
    );
    return words(uris).flatMap((uri) =>
      words(suites).map((suite) => ({ uri, suite, components: words(components), options })),
    );
  });
}

function stanzaFields(stanza: string): { name: string; value: string }[] {
  const matches = stanza.matchAll(/^([A-Za-z][\w-]*):[ \t]*(.*(?:\n[ \t]+.*)*)/gm);
  return [...matches].map(([, name = '', value = '']) => ({ name, value }));
}

async function knownReleases(): Promise<KnownRelease[]> {
  const format = '$(REPO_URI)|$(RELEASE)|$(ORIGIN)|$(CODENAME)';
  // If apt's lists were deleted, no release is known. Then only the keys decide which entries are Debian's.
  const output = await runApt('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']).catch(() => '');
  return output.split('\n').flatMap((line) => {
    const [uri, suite, origin, codename] = line.split('|');
    return uri && suite && origin !== undefined && codename !== undefined ? [{ uri, suite, origin, codename }] : [];
  });
}

/**
 * Returns the Debian archive's entries for this codename. A suite with another name gets the codename, for example `stable`
 * becomes `bookworm`.
 */
export function chooseEntries(entries: SourceEntry[], codename: string, known: KnownRelease[]): SourceEntry[] {
  const named = entries.map((entry) => {
    const release = known.find((one) => sameUri(one.uri, entry.uri) && one.suite === entry.suite);
    const renamed = release?.codename.startsWith(codename) ? release.codename : entry.suite;
    return { entry: { ...entry, suite: renamed }, origin: release?.origin };
  });
  const ofSuite = named.filter(({ entry }) => new RegExp(`^${codename}(?:$|[-/])`).test(entry.suite));
  const debian = ofSuite.filter(({ entry, origin }) => (origin ? origin === 'Debian' : hasArchiveKey(entry)));
  if (debian.length === 0) {
    const suites = ofSuite.map(({ entry }) => entry.suite).join(', ');
    const others = suites === '' ? '' : `; these suites are of other archives: ${suites}`;
    throw new AptError(
      'NO_SOURCES',
      `apt on this machine has no source of the Debian archive for ${codename}${others}`,
    );
  }
  return debian.map(({ entry }) => entry);
}

function hasArchiveKey({ options }: SourceEntry): boolean {
  const key = optionOf(options, 'Signed-By');
  return key === undefined || /debian-archive[^/]*\.(?:gpg|asc|pgp)\s*$/.test(key);
}

function optionOf(options: Record<string, string>, name: string): string | undefined {
  return Object.entries(options).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
}

function sameUri(one: string, other: string): boolean {
  // Compares both addresses in the format of indextargets: without credentials and without a slash at the end.
  const bare = (uri: string) => uri.replace(/:\/\/[^/@]+@/, '://').replace(/\/+$/, '');
  return bare(one) === bare(other);
}

/** Returns the entries rewritten for another codename. Omits suites that do not exist for every Debian codename. */
export function rewriteSuites(entries: SourceEntry[], from: string, to: string): SourceEntry[] {
  if (from === to) return entries;
  return entries
    .filter(({ suite }) => COMPANIONS.includes(suite.slice(from.length)))
    .map((entry) => ({ ...entry, suite: `${to}${entry.suite.slice(from.length)}` }));
}

function writeSources(entries: SourceEntry[], suite: string): AptSources {
  const stanzas = entries.map(({ uri, suite: of, components, options }) => {
    // Larder reads only package lists. Without this, apt would also download descriptions, icons and translations, which is
    // three times as much.
    const kept = Object.entries(options).filter(([name]) => !/^(?:Targets|Languages|Architectures)$/i.test(name));
    return [
      'Types: deb',
      `URIs: ${uri}`,
      `Suites: ${of}`,
      ...(components.length > 0 ? [`Components: ${components.join(' ')}`] : []),
      ...kept.map(([name, value]) => `${name}: ${value}`),
      'Targets: Packages',
      '',
    ].join('\n');
  });
  const keys = entries.flatMap(({ options }) => words(optionOf(options, 'Signed-By') ?? ''));
  return { suite, deb822: stanzas.join('\n'), signed_by: [...new Set(keys.filter((key) => key.startsWith('/')))] };
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
