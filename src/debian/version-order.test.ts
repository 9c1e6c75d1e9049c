// The order of versions. Tests examples, and compares random versions with dpkg and with the key by which SQL sorts.
import { spawnSync } from 'node:child_process';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { seededRandom } from '../../test/fixtures/tar.ts';
import { compareDebianVersions, compareUpstreamVersions } from './version-order.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, 60_000);
afterAll(() => database.drop());

test.each([
  ['1.0-2', '1.0-1'],
  ['1:0.9-1', '1.0-1'],
  ['10:0-1', '9:0-1'],
  ['1.10-1', '1.9-1'],
  ['1.0-1+deb12u1', '1.0-1'],
  ['1.0-1', '1.0-1~deb12u1'],
  ['1.0~rc2-1', '1.0~rc1-9'],
  ['1.0', '1.0~'],
  ['1.0a', '1.0'],
  ['1.0+', '1.0a'],
  ['3.0.17-1~deb12u10', '3.0.17-1~deb12u9'],
  ['20230311190000000000000001-1', '20230311190000000000000000-1'],
  ['1.2.13.dfsg-1', '1.2.13-1'],
  ['2-1', '2'],
])('compareDebianVersions: %s is newer than %s', (one, other) => {
  expect(compareDebianVersions(one, other)).toBeGreaterThan(0);
  expect(compareDebianVersions(other, one)).toBeLessThan(0);
});

test.each([
  ['0:1.0', '1.0'],
  ['1.00', '1.0'],
  ['1.0-0', '1.0'],
  ['1.0-1', '1.0-1'],
])('compareDebianVersions: %s is the same version as %s', (one, other) => {
  expect([compareDebianVersions(one, other), compareDebianVersions(other, one)]).toEqual([0, 0]);
});

test.each([
  ['7.0.10', '7.0.9'],
  ['7.0.1', '7.0'],
  ['1.0', '1.0-rc1'],
  ['1.0', '1.0~rc1'],
  ['1.1.1n', '1.1.1'],
  ['1.0.0-beta.11', '1.0.0-beta.2'],
  ['10.0', '9.9'],
  ['9007199254740993', '9007199254740992'],
])('compareUpstreamVersions: %s is newer than %s', (one, other) => {
  expect(compareUpstreamVersions(one, other)).toBeGreaterThan(0);
  expect(compareUpstreamVersions(other, one)).toBeLessThan(0);
});

/**
 * There are only a few different pieces, so that most random versions are similar: numbers above the safe integers, leading
 * zeros, letters, signs.
 */
const PIECES = ['0', '1', '9', '10', '00', '01', '007', '20230311190000000000000001', '20230311190000000000000000']
  .concat(['99999999999999999999999999999999999999999', '.', '+', '~', '~~', 'a', 'A', 'z', 'rc', 'Z', 'dfsg', 'deb'])
  .concat(['.', '~rc', '+b']);

function randomVersions(seed: number, { count, hyphens }: { count: number; hyphens: boolean }): string[] {
  const random = seededRandom(seed);
  const pick = (of: readonly string[]) => of[Math.floor(random() * of.length)] ?? '';
  const pieces = hyphens ? [...PIECES, '-', '-'] : PIECES;
  const part = (more: readonly string[]) =>
    `${pick(['0', '1', '2', '10'])}${Array.from({ length: Math.floor(random() * 6) }, () => pick(more)).join('')}`;
  return Array.from({ length: count }, () => part(pieces));
}

/** Returns random upstream versions with epochs and revisions. */
function randomDebianVersions(seed: number, count: number): string[] {
  const random = seededRandom(seed + 1);
  const revisions = randomVersions(seed + 2, { count, hyphens: false });
  return randomVersions(seed, { count, hyphens: true }).map((upstream, at) => {
    const epoch = random() < 0.3 ? `${Math.floor(random() * 11)}:` : '';
    // The last hyphen of a version begins its revision.
    return `${epoch}${upstream}${random() < 0.6 || upstream.includes('-') ? `-${revisions[at]}` : ''}`;
  });
}

test('compareDebianVersions sorts 300 random versions as dpkg does', () => {
  const sorted = randomDebianVersions(300, 300).sort(compareDebianVersions);
  const pairs = sorted.slice(1).map((version, at) => [sorted[at] ?? '', version] as const);
  const wrong = pairs.filter(([lower, higher]) => {
    const relation = compareDebianVersions(lower, higher) === 0 ? 'eq' : 'lt';
    return spawnSync('dpkg', ['--compare-versions', lower, relation, higher]).status !== 0;
  });
  expect(wrong).toEqual([]);
  expect(pairs.some(([lower, higher]) => compareDebianVersions(lower, higher) === 0)).toBe(true);
}, 120_000);

test('the key of SQL orders 3000 random versions as compareUpstreamVersions does', async () => {
  const versions = randomVersions(16, { count: 3_000, hyphens: true });
  const sorted = [...versions, '9', '9'.repeat(199), 'v1.0', 'ü1', ':', '~'].sort(compareUpstreamVersions);
  const expected = sorted.slice(1).map((version, at) => Math.sign(compareUpstreamVersions(sorted[at] ?? '', version)));
  const { rows } = await sql<{ order: number }>`
    select case when before < key then -1 when before = key then 0 else 1 end as order
    from (select place, key, lag(key) over (order by place) as before
      from (select place, version_key(version) collate "C" as key
        from unnest(${sorted}::text[]) with ordinality given (version, place)) keys) pairs
    where place > 1 order by place`.execute(database.db);
  const wrong = rows.flatMap(({ order }, at) =>
    order === expected[at] ? [] : [`${sorted[at]} and ${sorted[at + 1]}: ${order} instead of ${expected[at]}`],
  );
  expect(wrong).toEqual([]);
  expect(rows).toHaveLength(sorted.length - 1);
  expect(expected).toContain(0);
});

test('compareUpstreamVersions orders versions without a hyphen as compareDebianVersions does', () => {
  const versions = randomVersions(7, { count: 2_000, hyphens: false });
  const wrong = versions.slice(1).filter((version, at) => {
    const before = versions[at] ?? '';
    return Math.sign(compareUpstreamVersions(before, version)) !== Math.sign(compareDebianVersions(before, version));
  });
  expect(wrong).toEqual([]);
});
