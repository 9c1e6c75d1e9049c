// The SBOM lists exactly the installed packages, and is always the same for the same image.
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { formatPurl, parsePurl } from '../plan/purl.ts';
import { debPurl, parseStatus } from './dpkg-packages.ts';
import { type ImageFacts, spdxFromDpkg } from './spdx.ts';

const facts: ImageFacts = {
  name: 'redis',
  version: '7.0.15-debian-12-r0',
  digest: `sha256:${'ab'.repeat(32)}`,
  created: '2026-11-21T03:04:05.678Z',
  operating_system: 'debian-12',
  description: 'In-memory data store',
  licenses: ['BSD-3-Clause'],
  home_url: 'https://redis.io',
};

const redis = `Package: redis-server
Status: install ok installed
Priority: optional
Architecture: amd64
Source: redis (5:7.0.15-1~deb12u7)
Version: 5:7.0.15-1~deb12u7
Conffiles:
 /etc/redis/redis.conf 0123456789abcdef
Description: Persistent key-value database
 More about it, with a line that says
 Package: not-a-package
Homepage: https://redis.io/
`;
const status = `${redis}
Package: libstdc++6
Status: install ok installed
Architecture: amd64
Source: gcc-12
Version: 12.2.0-14+deb12u1

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: waiting
Status: install ok triggers-pending
Architecture: all
Version: 2
Homepage: not an address
`;

describe('the document', () => {
  const document = spdxFromDpkg(status, facts);

  test('describes the image, which contains every installed package', () => {
    expect(document).toMatchObject({
      spdxVersion: 'SPDX-2.3',
      dataLicense: 'CC0-1.0',
      SPDXID: 'SPDXRef-DOCUMENT',
      creationInfo: { created: '2026-11-21T03:04:05Z', creators: ['Tool: larder'] },
      documentDescribes: ['SPDXRef-image'],
    });
    expect(document.packages.map(({ name }) => name)).toEqual(['redis', 'libstdc++6', 'redis-server', 'waiting']);
    const ids = new Set(document.packages.map(({ SPDXID }) => SPDXID));
    expect(ids.size).toBe(document.packages.length);
    for (const id of ids) expect(id).toMatch(/^SPDXRef-[A-Za-z0-9.-]+$/);
    expect(document.relationships).toHaveLength(document.packages.length);
    expect(document.relationships[0]).toEqual({
      spdxElementId: 'SPDXRef-DOCUMENT',
      relationshipType: 'DESCRIBES',
      relatedSpdxElement: 'SPDXRef-image',
    });
    for (const { spdxElementId, relatedSpdxElement } of document.relationships.slice(1)) {
      expect(spdxElementId).toBe('SPDXRef-image');
      expect(ids).toContain(relatedSpdxElement);
    }
  });

  test('names packages by purl, with their source, and asserts no unknown licence', () => {
    const deb = document.packages.find(({ name }) => name === 'redis-server');
    expect(deb).toMatchObject({
      versionInfo: '5:7.0.15-1~deb12u7',
      supplier: 'Organization: Debian',
      licenseDeclared: 'NOASSERTION',
      homepage: 'https://redis.io/',
      sourceInfo: 'built from the source package redis 5:7.0.15-1~deb12u7',
      externalRefs: [
        { referenceLocator: 'pkg:deb/debian/redis-server@5:7.0.15-1~deb12u7?arch=amd64&distro=debian-12' },
      ],
    });
    expect(document.packages.find(({ name }) => name === 'libstdc++6')?.sourceInfo).toBe(
      'built from the source package gcc-12 12.2.0-14+deb12u1',
    );
    expect(document.packages.find(({ name }) => name === 'waiting')).not.toHaveProperty('homepage');
    expect(document.packages[0]).toMatchObject({
      licenseDeclared: 'BSD-3-Clause',
      checksums: [{ algorithm: 'SHA256', checksumValue: 'ab'.repeat(32) }],
      externalRefs: [{ referenceLocator: `pkg:oci/redis@sha256%3A${'ab'.repeat(32)}` }],
    });
    const several = spdxFromDpkg(status, { ...facts, licenses: ['GPL-2.0-or-later', 'LGPL-2.1-or-later'] });
    expect(several.packages[0]?.licenseDeclared).toBe('NOASSERTION');
  });

  test('is the same for the same image and differs for another', () => {
    expect(spdxFromDpkg(status, facts)).toEqual(document);
    const namespaces = [
      document,
      spdxFromDpkg(redis, facts),
      spdxFromDpkg(status, { ...facts, digest: `sha256:${'cd'.repeat(32)}` }),
    ].map(({ documentNamespace }) => documentNamespace);
    expect(new Set(namespaces).size).toBe(3);
    for (const namespace of namespaces) {
      expect(namespace).toMatch(/^https:\/\/[^#\s]+-[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    }
  });

  test('is valid for an image without packages', () => {
    const empty = spdxFromDpkg('', facts);
    expect(empty.packages).toHaveLength(1);
    expect(empty.relationships).toHaveLength(1);
  });
});

test('the purls of this machine’s packages are canonical', async () => {
  const packages = parseStatus(await readFile('/var/lib/dpkg/status', 'utf8'));
  expect(packages.length).toBeGreaterThan(50);
  for (const deb of packages) {
    const purl = debPurl(deb, 'debian-12');
    expect(formatPurl(parsePurl(purl))).toBe(purl);
    expect(parsePurl(purl)).toMatchObject({ name: deb.name, version: deb.version });
  }
});
