// Parses the WWW-Authenticate headers of registries.
import { expect, it } from 'vitest';
import { parseChallenge } from './challenge.ts';

it.each([
  ['Basic realm="larder tests"', { scheme: 'basic' }],
  ['BASIC realm=x', { scheme: 'basic' }],
  [
    'Bearer realm="https://auth.corp/token?a=b",service="registry, the",scope="repository:a/b:pull,push"',
    {
      scheme: 'bearer',
      realm: 'https://auth.corp/token?a=b',
      service: 'registry, the',
      scope: 'repository:a/b:pull,push',
    },
  ],
  ['Basic realm="a", Bearer realm="https://t/", service=x', { scheme: 'bearer', realm: 'https://t/', service: 'x' }],
  ['Bearer realm="https://t/", Basic realm="a"', { scheme: 'bearer', realm: 'https://t/' }],
  ['bearer realm="say \\"x\\""', { scheme: 'bearer', realm: 'say "x"' }],
  ['Negotiate, Basic realm="a"', { scheme: 'basic' }],
  ['Bearer', undefined],
  ['Digest realm="a", nonce="b"', undefined],
  ['', undefined],
  [undefined, undefined],
  [`Bearer ${'a='.repeat(50_000)}`, undefined],
])('reads %s', (header, expected) => expect(parseChallenge(header)).toEqual(expected));
