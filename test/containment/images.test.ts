// Attacks with the documents of a registered image. Each image is rejected with a cause that its owner can read.
import { describe, expect, it } from 'vitest';
import { MEDIA_TYPES } from '../../src/oci/descriptor.ts';
import { describeBytes, EMPTY_CONFIG } from '../../src/oci/manifest.ts';
import { hostPlatform } from '../../src/packaging/image/base-image.ts';
import { DEBIAN_FILES } from '../debian-files.ts';
import { layerWith, pin, rejectionOf } from './hostile-images.ts';

/**
 * Contains NUL, which separates arguments in an argument file. The text after the NUL would be read as arguments of the
 * sandbox.
 */
const INJECTED = 'X=a\0--bind\0/\0/mnt\0';
const settings = (config: object) => ({ config: { config } });

it('a harmless image of the same form is pinned', async () => {
  expect(await pin({})).toMatchObject({ packages: expect.stringMatching(/^sha256:/) });
});

describe('a config', () => {
  it.each([
    ['a variable', settings({ Env: [INJECTED] }), 'Env[0]: holds a NUL'],
    ['the command', settings({ Cmd: ['sh', INJECTED] }), 'Cmd[1]: holds a NUL'],
    ['the entrypoint', settings({ Entrypoint: [INJECTED] }), 'Entrypoint[0]: holds a NUL'],
    ['the user', settings({ User: INJECTED }), 'User: holds a NUL'],
    ['the folder', settings({ WorkingDir: `/${INJECTED}` }), 'WorkingDir: holds a NUL'],
    ["a label's name", settings({ Labels: { [INJECTED]: '' } }), 'Labels: the name'],
    ["a label's text", settings({ Labels: { a: INJECTED } }), 'Labels.a: holds a NUL'],
    ['a volume', settings({ Volumes: { [`/${INJECTED}`]: {} } }), 'Volumes: the name'],
    ['a port', settings({ ExposedPorts: { [INJECTED]: {} } }), 'ExposedPorts: the name'],
    ['the stop signal', settings({ StopSignal: INJECTED }), 'StopSignal: holds a NUL'],
    ['the health check', settings({ Healthcheck: { Test: ['CMD', INJECTED] } }), 'Healthcheck.Test[1]: holds a NUL'],
    ['the processor', { config: { architecture: INJECTED } }, 'architecture: holds a NUL'],
    ['the system', { config: { os: INJECTED } }, 'os: holds a NUL'],
    ['the author', { config: { author: INJECTED } }, 'author: holds a NUL'],
    ['the time', { config: { created: INJECTED } }, 'created: holds a NUL'],
    ['the history', { config: { history: [{ created_by: INJECTED }] } }, 'history[0].created_by: holds a NUL'],
    ["a layer's digest", { config: { rootfs: { type: 'layers', diff_ids: [INJECTED] } } }, 'rootfs.diff_ids[0]: holds'],
  ])('puts arguments of the sandbox into %s', async (_field, image, reason) => {
    expect(await rejectionOf(image)).toContain(reason);
  });

  it.each([
    [
      'has terminal sequences in the name of a variable',
      settings({ Env: ['A\u001b[2J=1'] }),
      'Env[0]: the name holds a control',
    ],
    ['makes a variable an option of env', settings({ Env: ['-S=x'] }), 'Env[0]: the name begins with a dash'],
    ['makes a user an option', settings({ User: '--keep-groups' }), 'User: is not user[:group]'],
    [
      'has a variable of 3 MB',
      settings({ Env: [`A=${'x'.repeat(3_000_000)}`] }),
      'Env[0]: is longer than 131071 bytes',
    ],
    ['has 50,000 variables', settings({ Env: Array(50_000).fill('A=1') }), 'Env: has more than 1000 items'],
    ['has a million variables', settings({ Env: Array(500_000).fill('A=1') }), 'has more than 100000 values'],
    ['has labels of 3 MB', settings({ Labels: { a: 'x'.repeat(1_500_000), b: 'x'.repeat(1_500_000) } }), 'Labels'],
    [
      'has 10,000 volumes',
      settings({ Volumes: Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`/${at}`, {}])) }),
      'Volumes: has more than 1000 names',
    ],
    [
      'has a label named __proto__',
      { config: Buffer.from('{"rootfs":{"type":"layers","diff_ids":[]},"config":{"Labels":{"__proto__":"x"}}}') },
      'the name __proto__ is rejected',
    ],
    [
      'names layers that the manifest does not have',
      { config: { rootfs: { type: 'layers', diff_ids: [] } } },
      'diff_ids for',
    ],
    ['is not an image but an empty artifact', { config: Buffer.from('{}') }, 'rootfs: is missing'],
    ['is a page', { config: Buffer.from('<html>') }, 'the image config is not JSON'],
    ['is nested without end', { config: Buffer.from('{"a":'.repeat(500_000)) }, 'is nested deeper than 32 levels'],
    [
      'is larger than the limit of a config',
      { config: Buffer.alloc(5_000_000, ' ') },
      'the image config is larger than 4194304 bytes',
    ],
  ])('%s', async (_attempt, image, reason) => {
    expect(await rejectionOf(image)).toContain(reason);
  });

  it('has a value of another type in each place', async () => {
    const fields = [
      'User',
      'ExposedPorts',
      'Env',
      'Entrypoint',
      'Cmd',
      'Volumes',
      'WorkingDir',
      'Labels',
      'StopSignal',
    ];
    const wrong = [0, true, 'x\u0007', [0], [[]], [{}], { a: 0 }, { a: [] }, { length: 1e9 }];
    for (const field of fields) {
      for (const value of wrong) expect(await rejectionOf(settings({ [field]: value }))).toContain(field);
    }
    for (const value of [0, 'x', []]) {
      for (const field of ['config', 'rootfs', 'history']) {
        if (field === 'history' && Array.isArray(value)) continue;
        expect(await rejectionOf({ config: { [field]: value } })).toContain(field);
      }
    }
  });
});

describe('a manifest', () => {
  const descriptors = (count: number) => Array(count).fill({ ...EMPTY_CONFIG, mediaType: MEDIA_TYPES.layer });

  it.each([
    ['names 10,000 layers', { manifest: { layers: descriptors(10_000) } }, 'layers has 10000 descriptors'],
    [
      'names more layers than container engines accept',
      { manifest: { layers: descriptors(128) } },
      'the image has 128 layers',
    ],
    ['is an index too', { manifest: { manifests: [] } }, 'the manifest of one image must not have manifests'],
    [
      'names a file of this machine',
      { manifest: { config: { ...EMPTY_CONFIG, digest: 'sha256:../../etc/passwd' } } },
      'config is not a descriptor',
    ],
    [
      'names a layer at another address',
      {
        manifest: {
          layers: [
            {
              ...EMPTY_CONFIG,
              mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
              urls: ['http://169.254.169.254/'],
            },
          ],
        },
      },
      'has a foreign layer, which its registry does not store',
    ],
    [
      'has sizes that are not numbers',
      { manifest: { layers: [{ ...EMPTY_CONFIG, size: '1e999' }] } },
      'layers is not a list of descriptors',
    ],
    [
      'is nested without end',
      { manifest: { a: JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) } },
      'is nested deeper than 32',
    ],
    ['is a page', { manifest: Buffer.from('<html>') }, 'the manifest is not JSON'],
    ['is larger than the limit of a manifest', { manifest: Buffer.alloc(5_000_000, ' ') }, 'more than 4194304 bytes'],
  ])('%s', async (_attempt, image, reason) => {
    expect(await rejectionOf(image)).toContain(reason);
  });

  it('names its own layer as the config', async () => {
    const layer = await layerWith([...DEBIAN_FILES]);
    const config = describeBytes(MEDIA_TYPES.config, layer.bytes);
    expect(await rejectionOf({ layers: [layer], manifest: { config } })).toContain('the image config is not JSON');
  });
});

describe('an index', () => {
  const index = (manifests: unknown) => ({
    index: () => ({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests }),
  });

  it.each([
    [
      'has layers too',
      { index: () => ({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [], layers: [] }) },
      'an index must not have layers',
    ],
    ['names 10,000 manifests', index(Array(10_000).fill(EMPTY_CONFIG)), 'manifests has 10000 descriptors'],
    [
      'has nothing for this machine',
      index([{ ...EMPTY_CONFIG, platform: { os: 'plan9', architecture: 'vax' } }]),
      'has no image for linux/',
    ],
    [
      'has platforms of another type',
      index([{ ...EMPTY_CONFIG, platform: [hostPlatform()] }]),
      'platform does not have an os',
    ],
    ['has holes', index([null]), 'manifests is not a list of descriptors'],
  ])('%s', async (_attempt, image, reason) => {
    expect(await rejectionOf(image)).toContain(reason);
  });

  it('is in another index, and is empty', async () => {
    const inner = { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [] };
    const nested = { manifest: Buffer.from(JSON.stringify(inner)), index: wrapped(MEDIA_TYPES.index) };
    expect(await rejectionOf(nested)).toContain('has no image for');
    expect(await rejectionOf({ ...nested, index: wrapped(MEDIA_TYPES.manifest) })).toContain(
      'differs from the announced one',
    );
  });

  const wrapped = (mediaType: string) => (manifest: object) => ({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.index,
    manifests: [{ ...manifest, mediaType }],
  });
});
