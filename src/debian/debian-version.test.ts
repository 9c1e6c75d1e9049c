// Converts versions of real packages of the archive.
import { expect, test } from 'vitest';
import { branchOf, upstreamVersion } from './debian-version.ts';

test.each([
  ['5:7.0.15-1~deb12u7', '7.0.15'],
  ['1.22.1-9+deb12u10', '1.22.1'],
  ['15.20-0+deb12u1', '15.20'],
  ['1:1.2.13.dfsg-1', '1.2.13'],
  ['2.36-9+deb12u14', '2.36'],
  ['1.6.18-1', '1.6.18'],
  ['3.0.11+dfsg-1', '3.0.11'],
  ['3.0.11+dfsg1-1ubuntu2', '3.0.11'],
  ['8.0.2-3+deb13u3', '8.0.2'],
  ['17~rc1-1', '17'],
  ['1.0-rc1-2', '1.0'],
  ['4.19.0+dfsg~bpo12+1-1', '4.19.0'],
  ['20230311', '20230311'],
])('upstreamVersion of %s is %s', (version, upstream) => {
  expect(upstreamVersion(version)).toBe(upstream);
});

test('branchOf returns the first components', () => {
  expect(branchOf('7.0.15', 2)).toBe('7.0');
  expect(branchOf('15.20', 1)).toBe('15');
  expect(branchOf('3.0.11', 3)).toBe('3.0.11');
  expect(branchOf('17', 2)).toBeUndefined();
  expect(branchOf('17beta1', 1)).toBeUndefined();
});
