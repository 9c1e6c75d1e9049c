// The formats that the registry parses: immutable tags, ranges, scopes and the Accept header.
import { expect, test } from 'vitest';
import { parseContentRange, parseRange } from '../content/byte-range.ts';
import { acceptsType } from './accept.ts';
import { parseScope } from './caller.ts';
import { isImmutableTag } from './names.ts';
import { parsePath } from './paths.ts';

test.each(['7.0.15-debian-12-r0', '22.12.0-debian-12-r17', '1.2.3-rc.1-debian-12-r0', '15-ubuntu-24.04-r3'])(
  'the tag %s is immutable',
  (tag) => {
    expect(isImmutableTag(tag)).toBe(true);
  },
);

test.each([
  '7',
  '7.0',
  '7.0-debian-12',
  '7.0.15',
  'latest',
  '7.0.15-debian-12-r',
  '7.0.15-debian-r0',
  'debian-12-r0',
  '7.0.15-debian-12-r0-dev',
])('the tag %s is not immutable', (tag) => {
  expect(isImmutableTag(tag)).toBe(false);
});

test.each([
  ['bytes=0-0', 10, { start: 0, end: 0 }],
  ['bytes = 3 - 5', 10, { start: 3, end: 5 }],
  ['bytes=-20', 10, { start: 0, end: 9 }],
  ['bytes=9-', 10, { start: 9, end: 9 }],
  ['bytes=10-', 10, 'unsatisfiable'],
  ['bytes=-0', 10, 'unsatisfiable'],
  ['bytes=0-', 0, 'unsatisfiable'],
  ['bytes=5-3', 10, undefined],
  ['bytes=-', 10, undefined],
  ['bytes=0-99999999999999999999', 10, undefined],
  [undefined, 10, undefined],
] as const)('parses Range %s of %i bytes', (header, size, range) => {
  expect(parseRange(header, size)).toEqual(range);
});

test('parses Content-Range of a chunk', () => {
  expect(parseContentRange('0-0')).toEqual({ start: 0, end: 0 });
  for (const wrong of ['', '1', '-1', '5-4', 'bytes 0-1/2', '0-1 ', '0x0-1']) {
    expect(parseContentRange(wrong)).toBeUndefined();
  }
});

test('parses scopes', () => {
  expect(parseScope('repository:acme/redis:pull,push')).toEqual({
    type: 'repository',
    name: 'acme/redis',
    actions: ['pull', 'push'],
  });
  expect(parseScope('repository:host:5000/redis:pull')).toMatchObject({ name: 'host:5000/redis' });
  for (const wrong of ['', 'repository', 'repository:pull', '::', 'repository::pull']) {
    expect(parseScope(wrong)).toBeUndefined();
  }
});

test('compares a media type with Accept', () => {
  expect(acceptsType(undefined, 'a/b')).toBe(true);
  expect(acceptsType('A/B; q=0.1', 'a/b')).toBe(true);
  expect(acceptsType('a/b;q=0.0', 'a/b')).toBe(false);
  expect(acceptsType('x/*, a/bc', 'a/b')).toBe(false);
});

test('names may contain the fixed words of paths', () => {
  expect(parsePath('a/blobs/uploads/blobs/uploads/')).toEqual({ kind: 'uploads', name: 'a/blobs/uploads' });
  expect(parsePath('a/manifests/b/manifests/latest')).toEqual({
    kind: 'manifest',
    name: 'a/manifests/b',
    reference: 'latest',
  });
  expect(parsePath('a/tags/list/tags/list')).toEqual({ kind: 'tags', name: 'a/tags/list' });
  expect(parsePath('tags/list/x')).toBeUndefined();
  expect(() => parsePath('tags/list')).toThrow('invalid repository name');
});
