// Entity tags as clients spell them, and the two ways in which they are compared.
import { describe, expect, test } from 'vitest';
import { isHeld, matchesStrongly, matchesWeakly, readTags, tagOf } from './entity-tags.ts';

test('a tag is strong, quoted, and another for another text', () => {
  expect(tagOf('a')).toMatch(/^"[\w-]{43}"$/);
  expect(tagOf('a')).not.toBe(tagOf('b'));
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

test('writers compare strongly, readers weakly', () => {
  expect([matchesStrongly('*', '"a"'), matchesStrongly(['"b"', '"a"'], '"a"')]).toEqual([true, true]);
  expect([matchesStrongly(['W/"a"'], '"a"'), matchesStrongly(['W/"a"'], 'W/"a"')]).toEqual([false, false]);
  expect([matchesWeakly(['W/"a"'], '"a"'), matchesWeakly(['"b"'], '"a"')]).toEqual([true, false]);
  expect([isHeld(undefined, '"a"'), isHeld('nonsense', '"a"'), isHeld('*', '"a"')]).toEqual([false, false, true]);
});
