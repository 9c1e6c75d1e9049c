// The bytes of an index of charts. Tests their order, their limits, and entries that other programs have written.
import { expect, test } from 'vitest';
import { CHARTS_INDEX_BYTES_MAX, type IndexedVersion, writeChartsIndex } from './charts-index.ts';

const version = (number: number): IndexedVersion => ({
  ...{ version: `1.0.${number}`, appVersion: '7.0.15', name: 'redis', digest: `sha256:${'0'.repeat(64)}` },
  ...{
    urls: [`registry.example.com/team/charts/debian-12/redis:1.0.${number}`],
    releasedAt: '2026-11-28T00:00:00.000Z',
  },
});
const read = (bytes: Buffer) =>
  JSON.parse(bytes.toString('utf8')) as { entries: Record<string, { versions: IndexedVersion[] }> };
const none = { own: new Set<string>() };

test('entries are sorted, so that the same entries give the same bytes', () => {
  const one = writeChartsIndex(
    new Map([
      ['b', [version(1)]],
      ['a', [version(2)]],
    ]),
    none,
  );
  const other = writeChartsIndex(
    new Map([
      ['a', [version(2)]],
      ['b', [version(1)]],
    ]),
    none,
  );
  expect(one).toEqual(other);
  expect(Object.keys(read(one).entries)).toEqual(['a', 'b']);
});

test('the newest versions of a chart are listed, fewer if there are very many charts, so that the size has a limit', () => {
  const many = Array.from({ length: 300 }, (_, number) => version(number));
  const { entries } = read(writeChartsIndex(new Map([['a', many]]), none));
  expect(entries['a']?.versions).toEqual(many.slice(0, 100));
  const charts = new Map(Array.from({ length: 1000 }, (_, number) => [`charts/${number}`, many] as const));
  const whole = writeChartsIndex(charts, none);
  expect(Object.values(read(whole).entries).map(({ versions }) => versions.length)).toEqual(Array(1000).fill(20));
  expect(whole.length).toBeLessThan(CHARTS_INDEX_BYTES_MAX / 2);
});

test.each(['', 'null', '[]', '{"entries":[]}', '{"entries":null}', 'x'])(
  '%j instead of an index counts as empty',
  (text) => {
    const existing = Buffer.from(text);
    expect(writeChartsIndex(new Map(), { existing, own: new Set() }).toString()).toBe(
      '{"apiVersion":"v1","entries":{}}\n',
    );
  },
);

test('entries of others stay, and own ones that are no longer there do not', () => {
  const existing = Buffer.from(
    '{"entries":{"gone":{"versions":[]},"theirs":{"versions":[1]},"__proto__":{"versions":[]}}}',
  );
  const { entries } = read(
    writeChartsIndex(new Map([['ours', [version(1)]]]), { existing, own: new Set(['ours', 'gone']) }),
  );
  expect(Object.keys(entries).sort()).toEqual(['__proto__', 'ours', 'theirs']);
});
