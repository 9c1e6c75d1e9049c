// A registered image is refused when it is not what its owner said, before anything is built on it.
import { expect, it } from 'vitest';
import { writeLayer } from '../oci/layer.ts';
import { memoryContent } from '../oci/memory.ts';
import type { TarInput } from '../tar/entry.ts';
import { entry } from '../tar/fixtures.ts';
import { hostPlatform } from './base-image.ts';
import { pinBaseImage } from './base-image-pin.ts';
import { writeImage } from './image.ts';

const DEBIAN_12 = { name: 'Debian 12', distro: 'debian', version: '12' };
const BOOKWORM = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n';
const status = entry('var/lib/dpkg/status', { content: 'Package: base-files\n\n' });

/** Pins an image of these files, manifest alone, as `docker push` leaves it for one platform. */
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

it('takes the system that was said, behind the link that Debian has', async () => {
  const link = entry('etc/os-release', { type: 'symlink', target: '../usr/lib/os-release', mode: 0o777 });
  const pinned = await pin([link, entry('usr/lib/os-release', { content: BOOKWORM }), status]);
  expect(pinned.packages).toMatch(/^sha256:/);
  expect(pinned.manifest.platform).toEqual(hostPlatform());
});

it.each([
  ['no os-release', undefined],
  ['one that says nothing', '\n'],
  ['a derivative with versions of its own', 'ID=golden\nID_LIKE="ubuntu debian"\nVERSION_ID=2026.3\n'],
  ['Debian without a version, which testing is', 'ID=debian\n'],
])('believes an image with %s', async (_what, text) => {
  const release = text === undefined ? [] : [entry('etc/os-release', { content: text })];
  await expect(pin([...release, status])).resolves.toMatchObject({ name: 'host/team/base:1' });
});

it.each([
  ['another version', BOOKWORM.replaceAll('12', '13').replace('bookworm', 'trixie'), 'Debian GNU/Linux 13 (trixie)'],
  ['another distribution', "ID='alpine'\nVERSION_ID=3.20.1\n", 'alpine 3.20.1'],
  ['a derivative of another one', 'ID=golden\nID_LIKE=rhel\n', 'golden'],
])('refuses %s', async (_what, text, told) => {
  await expect(pin([entry('usr/lib/os-release', { content: text }), status])).rejects.toMatchObject({
    name: 'BuildError',
    message: `host/team/base:1 is ${told}, not Debian 12: register it with the operating system that it has.`,
  });
});

it('refuses an image of another processor, though no index says so', async () => {
  const pinned = pin([status], { platform: { os: 'linux', architecture: 's390x' } });
  const { architecture } = hostPlatform();
  await expect(pinned).rejects.toThrow(
    `host/team/base:1 is for linux/s390x, and images are built for linux/${architecture} here.`,
  );
});

it('refuses an image without a package database', async () => {
  await expect(pin([entry('etc/os-release', { content: BOOKWORM })])).rejects.toThrow(
    'host/team/base:1 has no dpkg database (var/lib/dpkg/status), so no packages can be installed on it.',
  );
});
