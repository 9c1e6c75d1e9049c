// Archives of the same folder, made by common archive programs: the inspection finds the same files in each.
// `test/fixtures/archives/make.sh` made them once, so no test needs these programs.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { chunked, sha256 } from '../../test/fixtures/tar.ts';
import { inspectArchive } from './inspect.ts';
import type { Inspection } from './inspection.ts';

const ARCHIVES = new URL('../../test/fixtures/archives/', import.meta.url);
const names = readdirSync(ARCHIVES).filter((name) => name.endsWith('.tar.gz'));
const bytesOf = (name: string) => readFileSync(new URL(name, ARCHIVES));

/** 1 MiB with four bytes in the middle. */
const SPARSE = Buffer.alloc(1024 * 1024);
SPARSE.write('data', SPARSE.length / 2);

const digest = (text: string | Buffer) => `sha256:${sha256(Buffer.from(text))}`;
const LONG = `rootfs/etc/app/${'x'.repeat(150)}`;
/** Archives without the long name: v7 and ustar have no room for it. */
const SHORT = ['gnu-v7', 'gnu-ustar', 'bsdtar-ustar', 'python-ustar'];

/** Returns each file's content and each link's target by path. For a hard link, returns the content of the file that it names. */
function foundIn({ listing }: Inspection): Record<string, string | undefined> {
  const digests = new Map(listing.map((entry) => [entry.path, entry.digest]));
  return Object.fromEntries(
    listing
      .filter(({ type }) => type !== 'folder')
      .map(({ path, type, target = '' }) => [
        path,
        type === 'symlink' ? target : (digests.get(path) ?? digests.get(target)),
      ]),
  );
}

it('there is an archive of each writer', () => {
  expect(names).toHaveLength(26);
});

describe.each(names)('%s', (name) => {
  it('is accepted and contains the same files', async () => {
    for (const chunk of [1000, 1 << 20]) {
      const inspection = await inspectArchive(chunked(bytesOf(name), chunk));
      expect(foundIn(inspection)).toEqual({
        'customization.yaml': digest('environment:\n  LOUD: yes\n'),
        'rootfs/etc/app/app.conf': digest('listen 8080\n'),
        'rootfs/etc/hard': digest('listen 8080\n'),
        'rootfs/etc/grüße': digest('hello'),
        'rootfs/etc/link': 'app/app.conf',
        'rootfs/etc/link2': 'app/app.conf',
        'rootfs/var/sparse.img': digest(SPARSE),
        'scripts/final.sh': digest('#!/bin/sh\ntrue\n'),
        ...(SHORT.includes(name.replace('.tar.gz', '')) ? {} : { [LONG]: digest('long') }),
      });
      expect(inspection.declaration.environment).toEqual({ LOUD: 'yes' });
    }
  });
});

it.each(['bsdtar-attributes.tar.gz', 'gnu-attributes.tar.gz'])(
  '%s: warns of lost attributes and access lists',
  async (name) => {
    const { warnings } = await inspectArchive(chunked(bytesOf(name)));
    const attributes = 'Extended attributes are left out:';
    expect(warnings).toHaveLength(2);
    expect(warnings).toContainEqual({
      code: 'ATTRIBUTES_LOST',
      message: `${attributes} user.note.`,
      path: 'rootfs/etc/grüße',
    });
    // This file has two names; the archive program decides which of them is first, and the warning names that one.
    expect(warnings).toContainEqual({
      code: 'ATTRIBUTES_LOST',
      message: expect.stringMatching(`^${attributes} .*access list\\.$`),
      path: expect.stringMatching(/^rootfs\/etc\/(app\/app\.conf|hard)$/),
    });
  },
);
