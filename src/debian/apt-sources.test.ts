// The sources of the machine are read in both formats, other archives are omitted, and suites are rewritten.
import { describe, expect, test } from 'vitest';
import { AptError } from './apt-command.ts';
import { chooseEntries, configuredSources, parseDeb822, parseOneLine, rewriteSuites } from './apt-sources.ts';

const ARCHIVE_KEY = '/usr/share/keyrings/debian-archive-keyring.gpg';

describe('parseOneLine', () => {
  test('reads options and several components, and skips comments and source entries', () => {
    const entries = parseOneLine(`
# deb http://off.example/debian bookworm main
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64,arm64 signed-by=${ARCHIVE_KEY} trusted=yes] http://user:word@mirror.example/debian bookworm main contrib # ours
deb cdrom:[disc]/ bookworm main
deb http://flat.example/ ./
`);
    expect(entries).toEqual([
      {
        uri: 'http://user:word@mirror.example/debian',
        suite: 'bookworm',
        components: ['main', 'contrib'],
        options: { Architectures: 'amd64 arm64', 'Signed-By': ARCHIVE_KEY, Trusted: 'yes' },
      },
      { uri: 'cdrom:[disc]/', suite: 'bookworm', components: ['main'], options: {} },
      { uri: 'http://flat.example/', suite: './', components: [], options: {} },
    ]);
  });
});

describe('parseDeb822', () => {
  test('returns an entry for each pair of address and suite, and skips comments in a stanza', () => {
    const entries = parseDeb822(`Types: deb deb-src
# a comment
URIs: http://one.example/debian http://two.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: ${ARCHIVE_KEY}
`);
    expect(entries.map(({ uri, suite }) => `${uri} ${suite}`)).toEqual([
      'http://one.example/debian bookworm',
      'http://one.example/debian bookworm-updates',
      'http://two.example/debian bookworm',
      'http://two.example/debian bookworm-updates',
    ]);
    expect(entries[0]?.options).toEqual({ 'Signed-By': ARCHIVE_KEY });
  });

  test('leaves out disabled stanzas and stanzas of sources, and keeps the lines of an embedded key', () => {
    const entries = parseDeb822(`Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm


Types: deb
URIs: http://on.example/debian
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINB
`);
    expect(entries).toHaveLength(1);
    expect(entries[0]?.options['Signed-By']).toContain('\n .\n mQINB');
  });
});

describe('chooseEntries', () => {
  const entry = (uri: string, suite: string, key?: string) => ({
    uri,
    suite,
    components: ['main'],
    options: key === undefined ? {} : { 'Signed-By': key },
  });

  test('leaves out entries with another origin, another key or another suite', () => {
    const archive = entry('http://user:word@mirror.example/debian/', 'bookworm', '/etc/apt/keyrings/mirror.gpg');
    const chosen = chooseEntries(
      [
        archive,
        entry('http://vendor.example/linux', 'bookworm', '/etc/apt/keyrings/vendor.gpg'),
        entry('http://unknown.example/linux', 'bookworm', '/etc/apt/keyrings/unknown.gpg'),
        entry('http://cloud.example/apt', 'cloud-bookworm'),
        entry('http://fresh.example/security', 'bookworm-security', ARCHIVE_KEY),
      ],
      'bookworm',
      [
        { uri: 'http://mirror.example/debian/', suite: 'bookworm', origin: 'Debian', codename: 'bookworm' },
        { uri: 'http://vendor.example/linux/', suite: 'bookworm', origin: 'Vendor', codename: 'bookworm' },
      ],
    );
    expect(chosen.map(({ uri }) => uri)).toEqual([archive.uri, 'http://fresh.example/security']);
  });

  test('renames a suite like oldstable to its codename', () => {
    const known = [
      { uri: 'http://a.example/debian/', suite: 'oldstable', origin: 'Debian', codename: 'bookworm' },
      {
        uri: 'http://a.example/security/',
        suite: 'oldstable-security',
        origin: 'Debian',
        codename: 'bookworm-security',
      },
    ];
    const entries = [
      entry('http://a.example/debian', 'oldstable'),
      entry('http://a.example/security', 'oldstable-security'),
    ];
    expect(chooseEntries(entries, 'bookworm', known).map(({ suite }) => suite)).toEqual([
      'bookworm',
      'bookworm-security',
    ]);
  });

  test('throws an AptError with the codename if no entry is left', () => {
    expect(() => chooseEntries([entry('http://a.example/', 'noble')], 'bookworm', [])).toThrow(/bookworm/);
    expect(() => chooseEntries([], 'bookworm', [])).toThrow(AptError);
  });

  test('rewriteSuites keeps only suites that every release has', () => {
    const entries = ['bookworm', 'bookworm-updates', 'bookworm-security', 'bookworm/updates', 'bookworm-backports'].map(
      (suite) => entry('http://a.example/debian', suite),
    );
    expect(rewriteSuites(entries, 'bookworm', 'trixie').map(({ suite }) => suite)).toEqual([
      'trixie',
      'trixie-updates',
      'trixie-security',
      'trixie/updates',
    ]);
    expect(rewriteSuites(entries, 'bookworm', 'bookworm')).toHaveLength(5);
  });
});

test('configuredSources returns the archive of this machine, also for another suite', async () => {
  const own = await configuredSources();
  const other = await configuredSources('trixie');
  expect(own.deb822).toMatch(new RegExp(`^Suites: ${own.suite}$`, 'm'));
  expect(own.deb822).toMatch(/^Targets: Packages$/m);
  expect(other.suite).toBe('trixie');
  expect(other.deb822).toMatch(/^Suites: trixie$/m);
  expect(other.deb822).not.toContain(`Suites: ${own.suite === 'trixie' ? 'bookworm' : own.suite}`);
});
