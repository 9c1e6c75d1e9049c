// Tags that a release moves, and tags that it does not move.
import { describe, expect, test } from 'vitest';
import { immutableTag, rollingTags } from './image-tags.ts';

describe('immutableTag', () => {
  test('names version, operating system and revision', () => {
    expect(immutableTag({ version: '7.0.15', operating_system: 'debian-12', revision: 3 })).toBe('7.0.15-debian-12-r3');
  });

  test('holds only what a tag may hold', () => {
    expect(immutableTag({ version: '1.0+dfsg~1', operating_system: 'debian-12', revision: 0 })).toBe(
      '1.0_dfsg_1-debian-12-r0',
    );
  });
});

describe('rollingTags', () => {
  const was = (version: string, revision: number) => ({ version, revision });
  const base = { version: '7.0.15', operating_system: 'debian-12', revision: 1 };

  test('the first release takes all', () => {
    expect(rollingTags({ ...base, others: [] })).toEqual([
      '7.0.15',
      '7.0.15-debian-12',
      '7.0',
      '7.0-debian-12',
      '7',
      '7-debian-12',
      'latest',
    ]);
  });

  test('another revision of the same version takes all again', () => {
    expect(rollingTags({ ...base, others: [was('7.0.15', 0), was('7.0.14', 4)] })).toContain('latest');
  });

  test('a revision that was late leaves what a later one of the same version took', () => {
    expect(rollingTags({ ...base, others: [was('7.0.15', 2)] })).toEqual([]);
  });

  test('a patch of an old branch leaves the major and latest alone', () => {
    expect(rollingTags({ ...base, others: [was('7.2.4', 0)] })).toEqual([
      '7.0.15',
      '7.0.15-debian-12',
      '7.0',
      '7.0-debian-12',
    ]);
  });

  test('an older version than the branch has keeps only its own name', () => {
    expect(rollingTags({ ...base, others: [was('7.0.16', 0)] })).toEqual(['7.0.15', '7.0.15-debian-12']);
  });

  test('a letter after the number is a later release, a pre-release is an earlier one', () => {
    const tagsAfter = (version: string, before: string) => rollingTags({ ...base, version, others: [was(before, 0)] });
    expect(tagsAfter('1.1.1n', '1.1.1')).toContain('latest');
    expect(tagsAfter('1.1.1', '1.1.1n')).not.toContain('latest');
    expect(tagsAfter('2.0', '2.0-rc1')).toContain('latest');
    expect(tagsAfter('2.0-rc1', '2.0')).not.toContain('latest');
  });
});
