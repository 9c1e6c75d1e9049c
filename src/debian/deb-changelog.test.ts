// Finds the vulnerabilities in a changelog that were fixed after a version.
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { memoryContent } from '../content/memory.ts';
import { fixedVulnerabilities, vulnerabilitiesSince } from './deb-changelog.ts';

const CHANGELOG = `openssl (3.0.17-1~deb12u3) bookworm-security; urgency=medium

  * CVE-2025-9230 (Out-of-bounds read), CVE-2025-9231, and CVE-2025-9230 again

 -- Somebody <somebody@debian.example>  Sat, 27 Sep 2025 10:11:12 +0200

openssl (3.0.17-1~deb12u2) bookworm; urgency=medium

  * Import 3.0.17
    - CVE-2024-13176 (Timing side-channel)

 -- Somebody <somebody@debian.example>  Sat, 09 Aug 2025 10:11:12 +0200

openssl (3.0.16-1~deb12u1) bookworm; urgency=medium

  * CVE-2023-0001

 -- Somebody <somebody@debian.example>  Sat, 01 Feb 2025 10:11:12 +0200
`;

test('vulnerabilitiesSince returns each id of the entries above a version once', () => {
  expect(vulnerabilitiesSince(CHANGELOG, '3.0.17-1~deb12u2')).toEqual(['CVE-2025-9230', 'CVE-2025-9231']);
  expect(vulnerabilitiesSince(CHANGELOG, '3.0.16-1~deb12u1')).toEqual([
    'CVE-2024-13176',
    'CVE-2025-9230',
    'CVE-2025-9231',
  ]);
  expect(vulnerabilitiesSince(CHANGELOG, '3.0.17-1~deb12u3')).toEqual([]);
  expect(vulnerabilitiesSince('no changelog', '1')).toEqual([]);
});

test('vulnerabilitiesSince returns at most the first 20 ids', () => {
  const ids = Array.from({ length: 500 }, (_, at) => `CVE-2025-${10000 + at}`);
  expect(vulnerabilitiesSince(`linux (2-1) x; urgency=low\n\n  * ${ids.join(' ')}\n`, '1-1')).toEqual(ids.slice(0, 20));
});

test('fixedVulnerabilities returns [] for content that is not a package', async () => {
  const content = memoryContent();
  const { digest, size } = await content.put(Readable.from([Buffer.alloc(1024 * 1024, 'no package')]));
  const pin = { purl: 'pkg:deb/debian/x@2-1', name: 'x', version: '2-1', architecture: 'amd64', digest, size };
  expect(await fixedVulnerabilities(pin, content, '1-1')).toEqual([]);
});
