// Image references are parsed like in docker and podman.
import { describe, expect, it } from 'vitest';
import { isRepository, isTag, parseReference } from './reference.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;

describe('parseReference', () => {
  it.each([
    ['debian', { repository: 'debian' }],
    ['debian:12', { repository: 'debian', tag: '12' }],
    ['library/debian', { repository: 'library/debian' }],
    ['localhost/debian', { registry: 'localhost', repository: 'debian' }],
    ['localhost:5000/a/b:1.0-r1', { registry: 'localhost:5000', repository: 'a/b', tag: '1.0-r1' }],
    ['registry.corp/a__b/c-d.e', { registry: 'registry.corp', repository: 'a__b/c-d.e' }],
    ['[::1]:5000/a', { registry: '[::1]:5000', repository: 'a' }],
    [`r.corp/a@${DIGEST}`, { registry: 'r.corp', repository: 'a', digest: DIGEST }],
    [`r.corp/a:1@${DIGEST}`, { registry: 'r.corp', repository: 'a', tag: '1', digest: DIGEST }],
    ['MyHost/a', { registry: 'MyHost', repository: 'a' }],
  ])('reads %s', (text, expected) => expect(parseReference(text)).toEqual(expected));

  it.each([
    '',
    ':tag',
    'a:',
    'a:b:c',
    'A',
    'r.corp/A',
    'a//b',
    'a/',
    '/a',
    'a..b',
    'a@sha256:12',
    'a@sha512:00',
    `a@${DIGEST}@${DIGEST}`,
    'r.corp:x/a',
    'r.corp/',
    'a b',
    'https://r.corp/a',
    'user:password@r.corp/a',
    'a:.x',
    `a:${'x'.repeat(129)}`,
    'x/'.repeat(200).concat('x'),
  ])('rejects %s', (text) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'REFERENCE' }));
  });
});

it('checks the grammar of repositories and tags', () => {
  expect(['a', 'a/b', 'a-_b', 'a/../b', ''].map(isRepository)).toEqual([true, true, false, false, false]);
  expect(['1.0', '_x', '-x', '', 'a/b'].map(isTag)).toEqual([true, true, false, false, false]);
});
