// Entity tags: their syntax in requests, and strong and weak comparison.
import { describe, expect, test } from 'vitest';
import { isHeld, matchesVersion, matchesWeakly, readTags, tagOf } from './entity-tags.ts';

test('a tag is strong and quoted, and differs for different texts', () => {
  expect(tagOf('a')).toMatch(/^"[\w-]{22}\.[\w-]{22}"$/);
  expect(tagOf('a')).not.toBe(tagOf('b'));
  expect(tagOf('a', 'v')).not.toBe(tagOf('b', 'v'));
});

describe('readTags', () => {
  test.each([
    ['*', '*'],
    [' * ', '*'],
    ['"a"', ['"a"']],
    ['"a", W/"b" ,"c,d"', ['"a"', 'W/"b"', '"c,d"']],
    [', "a",,', ['"a"']],
    ['""', ['""']],
  ])('parses %s', (header, tags) => expect(readTags(header)).toEqual(tags));

  test.each(['', 'a', '"a', '"a" "b"', '*, "a"', 'w/"a"', "'a'", ','])('returns undefined for %s', (header) => {
    expect(readTags(header)).toBeUndefined();
  });
});

test('matchesVersion compares versions strongly', () => {
  const tag = tagOf('checked at 12', 'name');
  const same = [['"b"', tag], [tagOf('checked at 13', 'name')]];
  expect([matchesVersion('*', tag), ...same.map((sent) => matchesVersion(sent, tag))]).toEqual([true, true, true]);
  const others = [`W/${tag}`, tagOf('checked at 12', 'other'), '"a"', tag.replace(/\..*/, '"'), '""'];
  expect(others.filter((one) => matchesVersion([one], tag))).toEqual([]);
  expect(matchesVersion(['"a"'], '"a"')).toBe(false);
});

test('matchesWeakly and isHeld compare weakly', () => {
  expect([matchesWeakly(['W/"a"'], '"a"'), matchesWeakly(['"b"'], '"a"')]).toEqual([true, false]);
  expect([isHeld(undefined, '"a"'), isHeld('nonsense', '"a"'), isHeld('*', '"a"')]).toEqual([false, false, true]);
});
