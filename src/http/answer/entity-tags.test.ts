// Entity tags as clients spell them, and the two ways in which they are compared.
import { describe, expect, test } from 'vitest';
import { isHeld, matchesVersion, matchesWeakly, readTags, tagOf } from './entity-tags.ts';

test('a tag is strong, quoted, and another for another text', () => {
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
  ])('%s', (header, tags) => expect(readTags(header)).toEqual(tags));

  test.each(['', 'a', '"a', '"a" "b"', '*, "a"', 'w/"a"', "'a'", ','])('%s is no list', (header) => {
    expect(readTags(header)).toBeUndefined();
  });
});

test('writers compare versions, strongly', () => {
  const tag = tagOf('checked at 12', 'name');
  const same = [['"b"', tag], [tagOf('checked at 13', 'name')]];
  expect([matchesVersion('*', tag), ...same.map((sent) => matchesVersion(sent, tag))]).toEqual([true, true, true]);
  const others = [`W/${tag}`, tagOf('checked at 12', 'other'), '"a"', tag.replace(/\..*/, '"'), '""'];
  expect(others.filter((one) => matchesVersion([one], tag))).toEqual([]);
  expect(matchesVersion(['"a"'], '"a"')).toBe(false);
});

test('readers compare weakly', () => {
  expect([matchesWeakly(['W/"a"'], '"a"'), matchesWeakly(['"b"'], '"a"')]).toEqual([true, false]);
  expect([isHeld(undefined, '"a"'), isHeld('nonsense', '"a"'), isHeld('*', '"a"')]).toEqual([false, false, true]);
});
