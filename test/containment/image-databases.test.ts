// Attacks with the package database of an image, which Larder and apt read, and with the output of the image's own tools.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryContent } from '../../src/content/memory.ts';
import { AptError } from '../../src/debian/apt-command.ts';
import { statusForApt } from '../../src/debian/dpkg-status.ts';
import { spdxFromDpkg } from '../../src/evidence/spdx.ts';
import { disposable } from '../../src/packaging/image/application-layer.ts';
import { type CaptureOptions, captureLayer } from '../../src/packaging/image/capture.ts';
import { openGivenFolder } from '../../src/packaging/image/given-folder.ts';
import {
  KEPT_FILES,
  readFileOf,
  readMergedListing,
  readPackageDatabase,
} from '../../src/packaging/image/image-files.ts';
import { installPackages } from '../../src/packaging/image/packages.ts';
import type { PackagePin } from '../../src/plan/pin.ts';
import { openBuildLog } from '../../src/sandbox/build-log.ts';
import { openSandbox } from '../../src/sandbox/sandbox.ts';
import { DEBIAN_FILES } from '../debian-files.ts';
import { entry } from '../fixtures/tar.ts';
import { openGround, ways } from './attempts.ts';
import { headerOnly, layerOf, layerWith, measuredPin, pin, rejectionOf } from './hostile-images.ts';

const installed = (name: string, more = '') =>
  `Package: ${name}\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n${more}\n`;
const imageOf = async (status: string) => ({
  layers: [await layerWith([...DEBIAN_FILES, entry('var/lib/dpkg/status', { content: status })])],
});

describe('a package database', () => {
  it.each([
    ['names a path as a package', installed('../../etc/passwd'), 'a package has "../../etc/passwd" as Package'],
    ['names an option as a package', installed('-oAPT::Update::Pre-Invoke::=id'), 'as Package, which is not valid'],
    [
      'has an option as a version',
      installed('app').replace('Version: 1', 'Version: -o'),
      'the package app has "-o" as Version',
    ],
    ['has a command as a relation', installed('app', 'Depends: b (>= $(id))\n'), 'is not a valid package relationship'],
    ['has an address as an architecture', installed('app').replace(': all', ': http://x/'), 'as Architecture'],
    ['holds a NUL', installed('app', 'Section: x\0y\n'), 'the text contains a NUL character'],
    ['has a line without end', `Package: ${'a'.repeat(15_000_000)}`, 'a field has more than 131072 characters'],
    ['has a field without end', `Package: a\n${' x\n'.repeat(3_000_000)}`, 'a field has more than 131072 characters'],
    [
      'has a package without end',
      Array.from({ length: 900_000 }, (_, at) => `F${at}: 1\n`).join(''),
      'has more than 100 fields',
    ],
    [
      'has packages without end',
      Array.from({ length: 200_000 }, (_, at) => installed(`app${at}`)).join(''),
      'more than 20000 packages',
    ],
    ['names a package twice', installed('app').repeat(2), 'the package app occurs twice'],
    ['has a field twice', installed('app', 'version: 2\n'), 'the field version occurs twice'],
    ['is not a package database', 'Lorem ipsum\n', 'line 1: the line is not a field'],
  ])('%s', async (_attempt, status, reason) => {
    const rejection = await rejectionOf(await imageOf(status));
    expect(rejection).toContain('its package database is not valid');
    expect(rejection).toContain(reason);
    expect(() => statusForApt(status)).toThrow(AptError);
  });

  it('has fields that apt acts on, which are dropped', async () => {
    const status = installed(
      'app',
      'Filename: /etc/shadow\nConfig-Version: $(id)\nX-Evil: -o\nDescription: \u001b[2J\n',
    );
    expect(statusForApt(status)).toBe('Package: app\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n');
    expect((await pin(await imageOf(status))).packages).toBeDefined();
  });

  it('has packages that wait for triggers, which count as installed for every reader', () => {
    const status = ['installed', 'triggers-awaited', 'triggers-pending', 'half-installed']
      .map((state, at) => installed(`p${at}`).replace('ok installed', `ok ${state}`))
      .join('');
    const facts = {
      name: 'x',
      version: '1',
      digest: `sha256:${'0'.repeat(64)}` as const,
      created: '2026-01-01T00:00:00Z',
      operating_system: 'debian-12',
    };
    expect(spdxFromDpkg(status, facts).packages.map(({ name }) => name)).toEqual(['x', 'p0', 'p1', 'p2']);
  });

  it('has 1.3 GB of zeros', async () => {
    const declared = layerOf(headerOnly({ path: 'var/lib/dpkg/status', size: 1_300_000_000 }));
    expect(await rejectionOf({ layers: [declared] })).toContain('the archive ends in the middle of a file');
    const zeros = await imageOf('\0'.repeat(200_000_000));
    const { end, peakMib } = await measuredPin(zeros);
    expect(end).toContain('/var/lib/dpkg/status has 200000000 bytes; at most 16777216 bytes are allowed.');
    expect(peakMib).toBeLessThan((await measuredPin({})).peakMib + 100);
  });

  it('is larger than its size in the listing', async () => {
    const content = memoryContent();
    const { digest } = await content.put([Buffer.alloc(17_000_000)] as unknown as AsyncIterable<Uint8Array>);
    await expect(readPackageDatabase(content, digest)).rejects.toThrow('/var/lib/dpkg/status is too large; at most');
    const entryOf = { path: 'etc/passwd', type: 'file', mode: 0o644, uid: 0, gid: 0, size: 1, digest } as const;
    const { digest: stored } = await content.put([
      Buffer.from(`${JSON.stringify(entryOf)}\n`),
    ] as unknown as AsyncIterable<Uint8Array>);
    const image = { layers: [], listing: await readMergedListing(content, stored) };
    await expect(readFileOf(content, image, 'etc/passwd')).rejects.toThrow('/etc/passwd is too large; at most 1048576');
  });
});

describe('files that a script left', () => {
  let tree: string;
  beforeAll(() => {
    tree = mkdtempSync(join(tmpdir(), 'larder-left-'));
  });
  afterAll(() => rmSync(tree, { recursive: true }));

  const OPTIONS: CaptureOptions = {
    epoch: 0,
    step: 'attempt',
    privateKeys: true,
    watch: { paths: KEPT_FILES, onFile: () => undefined },
  };

  /** Captures a folder of this machine with the same tar as for sandboxes. */
  async function captured(folder: string): Promise<unknown> {
    const child = spawn('tar', ['--create', '--format=posix', '--sort=name', '--directory', folder, '.']);
    child.stdout.on('error', () => undefined);
    try {
      return await captureLayer(memoryContent(), { capture: () => child.stdout }, OPTIONS);
    } finally {
      child.kill('SIGKILL');
    }
  }

  it.each([
    ['var/lib/dpkg/status', 1_300_000_000, '/var/lib/dpkg/status has 1300000000 bytes'],
    ['etc/passwd', 500_000_000, '/etc/passwd has 500000000 bytes'],
    ['srv/disk', 2 ** 40, 'srv/disk: with it, the files have more than'],
  ])('a hole in /%s of %i bytes', async (path, size, reason) => {
    const folder = mkdtempSync(join(tree, 'hole-'));
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), '');
    truncateSync(join(folder, path), size);
    await expect(captured(folder)).rejects.toMatchObject({
      name: 'BuildError',
      message: expect.stringContaining(reason),
    });
  });

  it('deeply nested folders', async () => {
    const folder = mkdtempSync(join(tree, 'deep-'));
    // Creates one folder at a time, because the whole path is longer than the kernel accepts.
    const nest = 'for (let i = 0; i < 6000; i++) { require("node:fs").mkdirSync("d"); process.chdir("d") }';
    execFileSync(process.execPath, ['-e', nest], { cwd: folder });
    await expect(captured(folder)).rejects.toMatchObject({
      name: 'BuildError',
      message: expect.stringContaining('The changes cannot be stored as a layer:'),
    });
  });

  it('a name that removes a file of a lower layer, and one with terminal sequences', async () => {
    const folder = mkdtempSync(join(tree, 'names-'));
    writeFileSync(join(folder, '.wh.passwd'), '');
    await expect(captured(folder)).rejects.toThrow('names that begin with .wh. are not allowed');
    rmSync(join(folder, '.wh.passwd'));
    symlinkSync('x'.repeat(4000), join(folder, '\u001b[2J'));
    expect(await captured(folder)).toBeDefined();
  });
});

describe.skipIf(ways().length === 0)('a tool of the image', () => {
  it('prints without end about the packages', async () => {
    await using ground = await openGround(ways()[0] as ReturnType<typeof ways>[number]);
    const dpkg = entry('usr/bin/dpkg-deb', {
      content: '#!/bin/sh\nx=$(printf "\u001b[2J%050000d" 0)\nwhile :; do echo "$x"; done\n',
      mode: 0o755,
    });
    await using given = openGivenFolder(ground.workspace);
    for (const name of ['0000.deb', '0001.deb']) await given.write(`packages/${name}`, 'x');
    await using sandbox = disposable(
      await openSandbox(ground.workspace, { layers: await ground.roots([dpkg]), step: 'attempt', given: given.folder }),
    );
    const written: Buffer[] = [];
    const packages = [
      { name: 'a', version: '1' },
      { name: 'b', version: '1' },
    ] as PackagePin[];
    const options = { packages, epoch: 0, step: 'packages', cause_kind: 'BUILD_ERROR' as const };
    const log = openBuildLog({ write: (bytes) => written.push(bytes) });
    await expect(installPackages(sandbox, { ...options, log })).rejects.toMatchObject({
      name: 'BuildError',
      message: 'dpkg-deb printed more than 1048576 bytes about the packages.',
    });
    expect(Buffer.concat(written).toString()).not.toContain('\u001b');
  });
});
