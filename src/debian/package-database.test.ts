// The package database of an image. Every reader uses the same grammar, and malformed databases are rejected.
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { parseStatus } from '../evidence/dpkg-packages.ts';
import { installedPackages, installedVersion, statusForApt } from './dpkg-status.ts';
import {
  formatPackageDatabase,
  isInstalled,
  PackageDatabaseError,
  parseControlFile,
  parsePackageDatabase,
} from './package-database.ts';

const stanza = (fields: Record<string, string>) =>
  Object.entries({ Package: 'app', Status: 'install ok installed', Architecture: 'all', Version: '1', ...fields })
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('');

it('reads a database of dpkg, and writes it for apt', () => {
  const text = `${stanza({
    Package: 'redis-server',
    Essential: 'yes',
    'Multi-Arch': 'foreign',
    Source: 'redis (5:7.0.15-1)',
    Version: '5:7.0.15-1~deb12u7+b1',
    'Pre-Depends': 'init-system-helpers(>=1.54~)',
    Depends: 'libc6 (>= 2.36),\n redis-tools:any (= 5:7.0.15-1) | other,',
    Conffiles: '\n /etc/redis/redis.conf 0123456789abcdef',
    Description: 'key-value\u001b[31m database\n More about it\n Package: not-a-package',
    Homepage: 'https://redis.io/',
    Unknown: 'x',
  })}\n \t\n\n${stanza({ Package: 'gone', Status: 'deinstall ok config-files' })}\nPackage: base-files\n`;
  const packages = parsePackageDatabase(text);
  expect(packages.map(({ fields: _, ...rest }) => rest)).toEqual([
    {
      name: 'redis-server',
      version: '5:7.0.15-1~deb12u7+b1',
      architecture: 'all',
      source: { name: 'redis', version: '5:7.0.15-1' },
      summary: 'key-value[31m database',
      homepage: 'https://redis.io/',
      state: 'installed',
    },
  ]);
  const written = formatPackageDatabase(packages);
  expect(written).toBe(
    [
      'Package: redis-server',
      'Essential: yes',
      'Status: install ok installed',
      'Architecture: all',
      'Multi-Arch: foreign',
      'Source: redis (5:7.0.15-1)',
      'Version: 5:7.0.15-1~deb12u7+b1',
      'Pre-Depends: init-system-helpers (>= 1.54~)',
      'Depends: libc6 (>= 2.36), redis-tools:any (= 5:7.0.15-1) | other',
      '\n',
    ].join('\n'),
  );
  expect(formatPackageDatabase(parsePackageDatabase(written))).toBe(written);
});

it("reads all packages of this machine's own database", async () => {
  const text = await readFile('/var/lib/dpkg/status', 'utf8');
  const installed = parsePackageDatabase(text).filter(isInstalled);
  expect(installed.length).toBe(text.match(/^Status: \S+ \S+ (?:installed|triggers-(?:awaited|pending))$/gm)?.length);
});

/**
 * The states in dpkg(1), "Package states". For each, whether the result omits the package, or lists it as installed or as
 * partly installed.
 */
const STATES = [
  ['not-installed', 'absent'],
  ['config-files', 'absent'],
  ['half-installed', 'in part'],
  ['unpacked', 'in part'],
  ['half-configured', 'in part'],
  ['triggers-awaited', 'installed'],
  ['triggers-pending', 'installed'],
  ['installed', 'installed'],
] as const;

it.each(STATES)('a package in state %s is %s for every reader', (state, expected) => {
  const text = stanza({ Status: `install ok ${state}` });
  const found = parsePackageDatabase(text);
  expect(found.map((one) => one.state)).toEqual(expected === 'absent' ? [] : [state]);
  expect(found.map(isInstalled)).toEqual(expected === 'absent' ? [] : [expected === 'installed']);
  const names = expected === 'installed' ? ['app'] : [];
  expect(parseStatus(text).map(({ name }) => name)).toEqual(names);
  expect(installedPackages(text).map(({ name }) => name)).toEqual(names);
  expect(installedVersion(text, 'app')).toBe(names.length > 0 ? '1' : undefined);
  // The text for apt has the same state.
  expect(parsePackageDatabase(statusForApt(text)).map((one) => one.state)).toEqual(found.map((one) => one.state));
});

it.each(['unknown', 'install', 'hold', 'deinstall', 'purge'])(
  'a package with the selection %s is installed if its state is',
  (selection) => {
    const [found] = parsePackageDatabase(stanza({ Status: `${selection} reinstreq installed` }));
    expect(found && isInstalled(found)).toBe(true);
  },
);

it('every reader accepts a package without an architecture', () => {
  const text = 'Package: app\nStatus: install ok installed\nVersion: 1\n';
  expect(installedPackages(text)).toEqual([{ name: 'app', version: '1' }]);
  expect(parseStatus(text).map(({ name, version }) => ({ name, version }))).toEqual([{ name: 'app', version: '1' }]);
});

it('reads the control file of a .deb', () => {
  expect(parseControlFile('Package: app\nVersion: 1\nArchitecture: amd64\n').fields.get('Status')).toBe(
    'install ok installed',
  );
  expect(() => parseControlFile('')).toThrow('the control file must describe exactly one package');
  expect(() => parseControlFile(`${stanza({})}\n${stanza({ Package: 'other' })}`)).toThrow(
    'must describe exactly one package',
  );
});

it.each([
  ['a path as a name', stanza({ Package: '../../etc' }), 'line 1: a package has "../../etc" as Package'],
  ['an option as a name', stanza({ Package: '-oDir::Etc=/' }), 'a package has "-oDir::Etc=/" as Package'],
  ['capitals in a name', stanza({ Package: 'App' }), 'a package has "App" as Package'],
  ['no name', 'Status: install ok installed\nVersion: 1\n', 'a package has no name'],
  ['no version', 'Package: app\nStatus: install ok installed\n', 'a package has no version'],
  ['a version with a space', stanza({ Version: '1 2' }), 'the package app has "1 2" as Version'],
  ['a version that is an option', stanza({ Version: '-1' }), 'the package app has "-1" as Version'],
  ['an unknown state', stanza({ Status: 'install ok great' }), 'has "install ok great" as Status'],
  [
    'an unknown selection of an absent package',
    stanza({ Status: 'x ok config-files' }),
    'has "x ok config-files" as Status',
  ],
  ['an absent state of four words', stanza({ Status: 'install ok x not-installed' }), 'as Status'],
  ['a state without end', stanza({ Status: `install ok ${'x '.repeat(50_000)}installed` }), 'as Status'],
  ['a state of four words', stanza({ Status: 'install ok x installed' }), 'as Status'],
  [
    'a malformed relation',
    stanza({ Depends: 'libc6 (>= $(id))' }),
    '"libc6 (>= $(id))" is not a valid package relationship',
  ],
  [
    'a relation to a path',
    stanza({ Provides: '/etc/passwd' }),
    '"/etc/passwd" is not a valid package relationship; expected a form like "libc6 (>= 2.36)"',
  ],
  ['a malformed architecture', stanza({ Architecture: 'amd64;id' }), 'has "amd64;id" as Architecture'],
  ['a package twice', `${stanza({})}\n${stanza({})}`, 'line 6: the package app occurs twice'],
  ['a field twice', `${stanza({})}version: 2\n`, 'line 5: the field version occurs twice'],
  ['a line that is not a field', `${stanza({})}what is this\n`, 'line 5: the line is not a field'],
  [
    'a continuation without a field',
    ` x\n${stanza({})}`,
    'line 1: the line continues a field, but there is no field before it',
  ],
  ['NUL', stanza({ Section: 'a\0b' }), 'the text contains a NUL character'],
  ['a line without end', `Package: ${'x'.repeat(16_000_000)}`, 'line 1: a field has more than 131072 characters'],
  ['a field without end', `X: 1\n${' x\n'.repeat(500_000)}`, 'a field has more than 131072 characters'],
  [
    'a stanza without end',
    Array.from({ length: 500_000 }, (_, at) => `X${at}: 1\n`).join(''),
    'line 101: the package has more than 100 fields',
  ],
  [
    'packages without end',
    Array.from({ length: 100_000 }, (_, at) => `Package: a${at}\n\n`).join(''),
    'more than 20000 packages',
  ],
])('rejects %s', (_what, text, reason) => {
  expect(() => parsePackageDatabase(text)).toThrow(PackageDatabaseError);
  expect(() => parsePackageDatabase(text)).toThrow(reason);
});
