// Tests which tags move to a new release and which stay.
import { describe, expect, test } from 'vitest';
import { immutableTag, rollingTags } from './image-tags.ts';

describe('immutableTag', () => {
  test('contains version, operating system and revision', () => {
    expect(immutableTag({ version: '7.0.15', operating_system: 'debian-12', revision: 3 })).toBe('7.0.15-debian-12-r3');
  });

  test('replaces characters that a tag cannot have', () => {
    expect(immutableTag({ version: '1.0+dfsg~1', operating_system: 'debian-12', revision: 0 })).toBe(
      '1.0_dfsg_1-debian-12-r0',
    );
  });
});

describe('rollingTags', () => {
  const was = (version: string, revision: number) => ({ version, revision });
  const base = { version: '7.0.15', operating_system: 'debian-12', revision: 1 };

  test('moves all tags to the first release', () => {
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

  test('moves all tags to a higher revision of the same version', () => {
    expect(rollingTags({ ...base, others: [was('7.0.15', 0), was('7.0.14', 4)] })).toContain('latest');
  });

  test('moves no tag to a lower revision of the same version', () => {
    expect(rollingTags({ ...base, others: [was('7.0.15', 2)] })).toEqual([]);
  });

  test('moves neither the major version nor latest to a patch of an old branch', () => {
    expect(rollingTags({ ...base, others: [was('7.2.4', 0)] })).toEqual([
      '7.0.15',
      '7.0.15-debian-12',
      '7.0',
      '7.0-debian-12',
    ]);
  });

  test('moves only the full version if the branch has a newer release', () => {
    expect(rollingTags({ ...base, others: [was('7.0.16', 0)] })).toEqual(['7.0.15', '7.0.15-debian-12']);
  });

  test('orders a version with a letter after, and a pre-release before, the version without it', () => {
    const tagsAfter = (version: string, before: string) => rollingTags({ ...base, version, others: [was(before, 0)] });
    expect(tagsAfter('1.1.1n', '1.1.1')).toContain('latest');
    expect(tagsAfter('1.1.1', '1.1.1n')).not.toContain('latest');
    expect(tagsAfter('2.0', '2.0-rc1')).toContain('latest');
    expect(tagsAfter('2.0-rc1', '2.0')).not.toContain('latest');
  });
});
