// Third-party clients copy between the hosted registry and Debian's docker-registry.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DockerRegistry, startDockerRegistry } from '../../test/docker-registry.ts';
import { descriptorOf, digestOf, openTestRegistry, type TestRegistry, testImage } from '../../test/registry.ts';
import { clientOf, type TestClient } from '../../test/registry-client.ts';
import { indexOf, pushRelease } from '../../test/registry-release.ts';
import { type Descriptor, MEDIA_TYPES } from '../oci/descriptor.ts';

const run = promisify(execFile);

let registry: TestRegistry;
let client: TestClient;
let directory: string;
let peer: DockerRegistry;

beforeAll(async () => {
  registry = await openTestRegistry();
  client = clientOf(registry);
  directory = await mkdtemp(join(tmpdir(), 'larder-clients-'));
  peer = await startDockerRegistry();
  await writeLayout(join(directory, 'layout'));
});
afterAll(async () => {
  await peer.stop();
  await registry.close();
  await rm(directory, { recursive: true, force: true });
});

/** Returns a tar with one file. It consists of a header, the file's bytes padded to 512, and two empty blocks. */
function tarOf(name: string, text: string): Buffer {
  const header = Buffer.alloc(512);
  const fields: [number, string][] = [
    [0, name],
    [100, '0000644\0'],
    [108, '0000000\0'],
    [116, '0000000\0'],
    [124, `${text.length.toString(8).padStart(11, '0')}\0`],
    [136, '00000000000\0'],
    [148, ' '.repeat(8)],
    [156, '0'],
    [257, 'ustar\x0000'],
  ];
  for (const [offset, value] of fields) {
    header.write(value, offset, 'latin1');
  }
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([header, Buffer.from(text.padEnd(512, '\0')), Buffer.alloc(1024)]);
}

/** Writes an OCI layout with an image for two architectures. */
async function writeLayout(layout: string): Promise<void> {
  await mkdir(join(layout, 'blobs', 'sha256'), { recursive: true });
  const write = async (bytes: string | Buffer, mediaType: string): Promise<Descriptor> => {
    await writeFile(join(layout, 'blobs', 'sha256', digestOf(bytes).slice(7)), bytes);
    return descriptorOf(bytes, mediaType);
  };
  const manifests: Descriptor[] = [];
  for (const architecture of ['amd64', 'arm64']) {
    const tar = tarOf('etc/architecture', architecture);
    const layer = await write(gzipSync(tar), MEDIA_TYPES.layer);
    const rootfs = { type: 'layers', diff_ids: [digestOf(tar)] };
    const config = await write(
      JSON.stringify({ architecture, os: 'linux', config: {}, rootfs, history: [{ created_by: 'test' }] }),
      MEDIA_TYPES.config,
    );
    const manifest = await write(
      JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config, layers: [layer] }),
      MEDIA_TYPES.manifest,
    );
    manifests.push({ ...manifest, platform: { os: 'linux', architecture } });
  }
  const index = await write(
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests }),
    MEDIA_TYPES.index,
  );
  const named = { ...index, annotations: { 'org.opencontainers.image.ref.name': 'v1' } };
  await writeFile(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

function ours(name: string): string {
  return `docker://${new URL(registry.url).host}/${name}`;
}

async function skopeo(...parameters: string[]): Promise<string> {
  const { stdout } = await run('skopeo', ['--insecure-policy', ...parameters]);
  return stdout;
}

const IN = () => ['--dest-tls-verify=false', '--dest-creds', `anyone:${registry.acme.tokens.EDITOR}`];
const OUT = () => ['--src-tls-verify=false', '--src-creds', `anyone:${registry.acme.tokens.VIEWER}`];

test('skopeo pushes an image of two architectures, and pulls the same bytes', async () => {
  const layout = `oci:${join(directory, 'layout')}:v1`;
  await skopeo('copy', '--all', ...IN(), layout, ours('acme/multi:v1'));
  await skopeo('copy', '--all', ...OUT(), ours('acme/multi:v1'), `oci:${join(directory, 'out')}:v1`);
  const digests = await Promise.all(
    ['layout', 'out'].map(
      async (name) => JSON.parse(await readFile(join(directory, name, 'index.json'), 'utf8')).manifests[0].digest,
    ),
  );
  expect(digests[1]).toBe(digests[0]);
  const creds = ['--tls-verify=false', '--creds', `x:${registry.acme.tokens.VIEWER}`];
  const tags = JSON.parse(await skopeo('list-tags', ...creds, ours('acme/multi')));
  expect(tags.Tags).toEqual(['v1']);
  const config = JSON.parse(await skopeo('inspect', ...creds, '--override-arch', 'arm64', ours('acme/multi:v1')));
  expect(config.Architecture).toBe('arm64');
});

test('skopeo copies an image to docker-registry and back', async () => {
  const there = `docker://${peer.host}/multi:v1`;
  await skopeo('copy', '--all', ...OUT(), '--dest-tls-verify=false', ours('acme/multi:v1'), there);
  await skopeo('copy', '--all', '--src-tls-verify=false', ...IN(), there, ours('acme/returned:v1'));
  const [sent, returned] = await Promise.all(
    ['acme/multi', 'acme/returned'].map(async (name) =>
      (await client.call('HEAD', `/v2/${name}/manifests/v1`)).headers.get('docker-content-digest'),
    ),
  );
  expect(returned).toBe(sent);
});

test('skopeo writes docker manifests too, and mounts between repositories', async () => {
  await skopeo('copy', ...OUT(), ...IN(), '--format', 'v2s2', ours('acme/multi:v1'), ours('acme/docker:v1'));
  const pulled = await client.call('GET', '/v2/acme/docker/manifests/v1');
  expect(pulled.headers.get('content-type')).toBe(MEDIA_TYPES.dockerManifest);
  await skopeo('delete', '--tls-verify=false', '--creds', `x:${registry.acme.tokens.EDITOR}`, ours('acme/docker:v1'));
  expect((await client.call('GET', '/v2/acme/docker/manifests/v1')).status).toBe(404);
});

// Tests with umoci are skipped on machines without umoci, because only the benchmarks require it.
test.skipIf(!existsSync('/usr/bin/umoci'))(
  'umoci adds a layer to a pulled image, and skopeo pushes the result',
  async () => {
    const layout = join(directory, 'umoci');
    await skopeo('copy', ...OUT(), ours('acme/multi:v1'), `oci:${layout}:v1`);
    await writeFile(join(directory, 'motd'), 'customized');
    await run('umoci', [
      'insert',
      '--rootless',
      '--image',
      `${layout}:v1`,
      '--tag',
      'v2',
      join(directory, 'motd'),
      '/etc/motd',
    ]);
    await skopeo('copy', ...IN(), `oci:${layout}:v2`, ours('acme/customized:v2'));
    const manifest = await (await client.call('GET', '/v2/acme/customized/manifests/v2')).json();
    expect(manifest).toMatchObject({ layers: [{}, {}] });
  },
);

test('skopeo shows the error for a repository of Larder, and copies a release to another repository', async () => {
  const [name, tag] = ['acme/containers/debian-12/redis', '7.0.15-debian-12-r0'];
  const image = testImage('released');
  await pushRelease(registry, { name, image, tags: [tag, 'latest'] });
  const layout = `oci:${join(directory, 'layout')}:v1`;
  for (const over of [tag, 'latest', '7.0.15-debian-12-r1'])
    await expect(skopeo('copy', '--all', ...IN(), layout, ours(`${name}:${over}`))).rejects.toThrow(
      /belongs to Larder.*such as acme\/own\/redis/s,
    );
  const creds = ['--tls-verify=false', '--creds', `x:${registry.acme.tokens.OWNER}`];
  await expect(skopeo('delete', ...creds, ours(`${name}:${tag}`))).rejects.toThrow(/belongs to Larder|Forbidden/);
  const mirror = ours('acme/own/redis:mirror');
  await skopeo('copy', '--all', '--preserve-digests', ...OUT(), ...IN(), ours(`${name}:${tag}`), mirror);
  const mirrored = await client.call('GET', '/v2/acme/own/redis/manifests/mirror');
  expect(await mirrored.text()).toBe(indexOf(image));
});

test('skopeo shows the errors for wrong credentials and foreign repositories', async () => {
  const pull = (creds: string) => skopeo('inspect', '--tls-verify=false', '--creds', creds, ours('acme/multi:v1'));
  await expect(pull('x:wrong')).rejects.toThrow(/authentication required|unauthorized/);
  await expect(pull(`x:${registry.rival.tokens.OWNER}`)).rejects.toThrow(/name unknown|repository name not known/);
  const push = ['--dest-tls-verify=false', '--dest-creds', `x:${registry.acme.tokens.VIEWER}`];
  const layout = `oci:${join(directory, 'layout')}:v1`;
  await expect(skopeo('copy', '--all', ...push, layout, ours('acme/viewer:v1'))).rejects.toThrow(/denied/);
});
