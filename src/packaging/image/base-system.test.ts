// A registered image that contradicts the declaration of its owner is rejected before anything is built on it.
import { expect, it } from 'vitest';
import {
  DEBIAN_12,
  DEBIAN_FILES,
  DPKG_STATUS_FILE,
  OS_RELEASE_FILE,
  PROGRAM_FILES,
} from '../../../test/debian-files.ts';
import { entry } from '../../../test/fixtures/tar.ts';
import { memoryContent } from '../../content/memory.ts';
import { writeLayer } from '../../oci/layer.ts';
import type { TarInput } from '../../tar/entry.ts';
import { hostPlatform } from './base-image.ts';
import { pinBaseImage } from './base-image-pin.ts';
import { writeImage } from './image.ts';

const BOOKWORM = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n';
const rest = [DPKG_STATUS_FILE, ...PROGRAM_FILES];

/** Pins an image with these files. It is a manifest without an index, as `docker push` writes it for one platform. */
async function pin(files: TarInput[], { platform = hostPlatform(), system = DEBIAN_12 } = {}) {
  const content = memoryContent();
  const layer = await writeLayer(content, files);
  const image = await writeImage(content, {
    platform,
    epoch: 1,
    layers: [{ diff_id: layer.diff_id, descriptor: layer.descriptor, created_by: 'test' }],
    config: {},
  });
  return await pinBaseImage({ workspace: { content }, root: image.manifest, name: 'host/team/base:1', system });
}

it('accepts the declared system when os-release is a link, as in Debian', async () => {
  const link = entry('etc/os-release', { type: 'symlink', target: '../usr/lib/os-release', mode: 0o777 });
  const pinned = await pin([link, entry('usr/lib/os-release', { content: BOOKWORM }), ...rest]);
  expect(pinned.packages).toMatch(/^sha256:/);
  expect(pinned.manifest.platform).toEqual(hostPlatform());
});

it('follows a link of os-release to any path', async () => {
  const link = entry('etc/os-release', { type: 'symlink', target: '/opt/golden/release', mode: 0o777 });
  const pinned = pin([link, entry('opt/golden/release', { content: 'ID=golden\n' }), OS_RELEASE_FILE, ...rest]);
  await expect(pinned).rejects.toThrow('host/team/base:1 is golden, not Debian 12: its os-release says ID=golden,');
});

it('accepts a system that names only its codename', async () => {
  const release = entry('etc/os-release', { content: 'ID=debian\nVERSION_CODENAME=bookworm\n' });
  await expect(pin([release, ...rest])).resolves.toMatchObject({ name: 'host/team/base:1' });
});

it.each([
  ['another version', BOOKWORM.replaceAll('12', '13').replace('bookworm', 'trixie'), 'Debian GNU/Linux 13 (trixie)'],
  ['another distribution', "ID='alpine'\nVERSION_ID=3.20.1\n", 'alpine 3.20.1'],
  ['a derivative of another distribution', 'ID=golden\nID_LIKE=rhel\n', 'golden'],
  [
    'Ubuntu, which names Debian in ID_LIKE',
    'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n',
    'Ubuntu 24.04.1 LTS',
  ],
  ['a derivative with the declared version', 'ID=golden\nID_LIKE="ubuntu debian"\nVERSION_ID=12\n', 'golden 12'],
  ['Debian testing, which has no version', 'ID=debian\nVERSION_CODENAME=trixie\n', 'debian trixie'],
  ['Debian without any version', 'ID=debian\n', 'debian'],
])('rejects %s', async (_what, text, told) => {
  const rejection = pin([entry('usr/lib/os-release', { content: text }), ...rest]);
  await expect(rejection).rejects.toMatchObject({ name: 'BuildError' });
  await expect(rejection).rejects.toThrow(`host/team/base:1 is ${told}, not Debian 12: its os-release says ID=`);
  await expect(rejection).rejects.toThrow('and Debian 12 is ID=debian, VERSION_ID=12.');
});

it.each([
  ['no os-release', [], 'has no os-release (etc/os-release, usr/lib/os-release)'],
  ['an os-release without ID', [entry('etc/os-release', { content: 'NAME=x\n' })], 'has an os-release without ID'],
  [
    'an os-release in a loop of links',
    [
      entry('etc/os-release', { type: 'symlink', target: 'os-release', mode: 0o777 }),
      entry('usr/lib/os-release', { type: 'symlink', target: 'os-release', mode: 0o777 }),
    ],
    'has no os-release',
  ],
])('rejects %s', async (_what, files, reason) => {
  await expect(pin([...files, ...rest])).rejects.toThrow(`host/team/base:1 ${reason}`);
});

it('rejects an image of another processor that has no index', async () => {
  const pinned = pin([...DEBIAN_FILES], { platform: { os: 'linux', architecture: 's390x' } });
  const { architecture } = hostPlatform();
  await expect(pinned).rejects.toThrow(
    `host/team/base:1 is for linux/s390x, and this installation builds images for linux/${architecture}.`,
  );
});

it.each([
  [
    'without a package database',
    [],
    'has no dpkg database (var/lib/dpkg/status), so no packages can be installed on it.',
  ],
  [
    'with an empty package database',
    [entry('var/lib/dpkg/status', { content: '' })],
    'has an empty dpkg database (var/lib/dpkg/status), so no packages can be installed on it.',
  ],
  [
    'whose packages are all removed',
    [entry('var/lib/dpkg/status', { content: 'Package: x\nStatus: deinstall ok config-files\nVersion: 1\n\n' })],
    'has an empty dpkg database',
  ],
  [
    'none of whose packages is installed',
    [entry('var/lib/dpkg/status', { content: 'Package: x1\nStatus: install ok half-installed\nVersion: 1\n\n' })],
    'has an empty dpkg database',
  ],
])('rejects an image %s', async (_what, database, reason) => {
  await expect(pin([OS_RELEASE_FILE, ...PROGRAM_FILES, ...database])).rejects.toThrow(`host/team/base:1 ${reason}`);
});

const programs = (without: string[]) => PROGRAM_FILES.filter(({ header }) => !without.includes(header.path));

it.each([
  ['is missing', [], 'no sh, no dpkg,'],
  [
    'is not executable',
    [entry('usr/bin/sh', { content: '' }), entry('usr/bin/dpkg', { content: '' })],
    'no sh, no dpkg,',
  ],
  [
    'is a link to a missing file',
    [
      entry('usr/bin/sh', { type: 'symlink', target: 'dash', mode: 0o777 }),
      entry('bin/dpkg', { content: '', mode: 0o755 }),
    ],
    'no sh,',
  ],
])('rejects an image in which a program of builds %s', async (_what, files, missing) => {
  const image = [DPKG_STATUS_FILE, OS_RELEASE_FILE, ...programs(['usr/bin/sh', 'usr/bin/dpkg']), ...files];
  await expect(pin(image)).rejects.toThrow(
    `host/team/base:1 has ${missing} which every build runs, in the PATH of builds`,
  );
});

it('finds programs through symbolic and hard links', async () => {
  const image = [
    ...[DPKG_STATUS_FILE, OS_RELEASE_FILE, ...programs(['usr/bin/sh', 'usr/bin/dpkg'])],
    entry('bin', { type: 'symlink', target: 'usr/links', mode: 0o777 }),
    entry('usr/lib/dash', { content: '', mode: 0o755 }),
    entry('usr/links/dash', { type: 'hardlink', target: 'usr/lib/dash', mode: 0o755 }),
    entry('usr/links/sh', { type: 'symlink', target: 'dash', mode: 0o777 }),
    entry('usr/sbin/dpkg', { content: '', mode: 0o755 }),
  ];
  await expect(pin(image)).resolves.toMatchObject({ name: 'host/team/base:1' });
});

it('rejects an owner that no sandbox has, with image, path, owner and layer', async () => {
  const image = [...DEBIAN_FILES, entry('srv/data', { content: '', uid: 70_000, gid: 12 })];
  await expect(pin(image)).rejects.toThrow(
    /^host\/team\/base:1 cannot be used: \/srv\/data belongs to user 70000, group 12, and ids above 65535 do not exist in a sandbox \(layer 1 of 1, sha256:[0-9a-f]{64}\)\.$/,
  );
});
