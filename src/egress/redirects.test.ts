// Which redirects are followed, and which addresses a Location may have.
import { expect, it } from 'vitest';
import { isFollowable, locationOf } from './redirects.ts';

it.each([
  ['GET', 302, true],
  ['HEAD', 303, true],
  ['POST', 302, false],
  ['PUT', 301, false],
  ['POST', 307, true],
  ['PUT', 308, true],
  ['GET', 304, false],
  ['GET', 200, false],
])('%s with status %i is followable: %s', (method, status, expected) =>
  expect(isFollowable(method, status)).toBe(expected),
);

it.each([
  ['/v2/next', 'https://r.test:5000/v2/', 'https://r.test:5000/v2/next'],
  ['https://storage.test/x', 'https://r.test:5000/v2/', 'https://storage.test/x'],
  ['http://r.test/v2/x', 'https://r.test:5000/v2/', 'https://r.test:5000/v2/x'],
  ['http://storage.test/x', 'https://r.test:5000/v2/', undefined],
  ['http://storage.test/x', 'http://r.test/v2/', 'http://storage.test/x'],
  ['file:///etc/passwd', 'http://r.test/v2/', undefined],
  ['http://', 'http://r.test/v2/', undefined],
])('the Location %s from %s is %s', (location, from, expected) => {
  expect(locationOf(location, new URL(from), new URL(new URL(from).origin))?.href).toBe(expected);
});
