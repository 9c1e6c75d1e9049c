// A package URL that is read and written again stays the same. A text that is not a package URL is rejected.
import { describe, expect, test } from 'vitest';
import { formatPurl, isPurlType, PurlError, parsePurl } from './purl.ts';

describe('package URLs', () => {
  test.each([
    'pkg:deb/debian/redis-server@5:7.0.15-1~deb12u7?arch=amd64&distro=debian-12',
    'pkg:deb/debian/libstdc%2B%2B6@12.2.0-14+deb12u1?arch=amd64',
    'pkg:deb/debian/postgresql-15',
    'pkg:npm/%40scope/name@1.2.3',
  ])('%s is read and written alike', (text) => {
    expect(formatPurl(parsePurl(text))).toBe(text);
  });

  test('the parts are plain values', () => {
    expect(parsePurl('pkg:deb/debian/redis-server@5:7.0.15-1~deb12u7?arch=amd64')).toEqual({
      type: 'deb',
      namespace: 'debian',
      name: 'redis-server',
      version: '5:7.0.15-1~deb12u7',
      qualifiers: { arch: 'amd64' },
    });
  });

  test('a package name with plus signs is encoded', () => {
    expect(formatPurl({ type: 'deb', namespace: 'debian', name: 'g++', version: '4:12.2.0-3' })).toBe(
      'pkg:deb/debian/g%2B%2B@4:12.2.0-3',
    );
  });

  test.each(['deb/debian/x', 'pkg:deb/', 'pkg:/x', 'redis', '', `pkg:deb/debian/${'x'.repeat(3000)}`])(
    'rejects %j',
    (text) => {
      expect(() => parsePurl(text)).toThrow(PurlError);
    },
  );

  test('knows which types can be resolved', () => {
    expect(isPurlType('deb')).toBe(true);
    expect(isPurlType('cargo')).toBe(false);
  });
});
