// The causes that a check of a registered base image reports. The registry is Debian's docker-registry, and skopeo pushes the
// images.
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { DEBIAN_FILES } from '../../test/debian-files.ts';
import { type DockerRegistry, startDockerRegistry } from '../../test/docker-registry.ts';
import { sandboxMode } from '../../test/fixtures/build.ts';
import { entry } from '../../test/fixtures/tar.ts';
import { descriptorOf, digestOf } from '../../test/registry.ts';
import { createEgress, type Egress } from '../egress/egress.ts';
import { engineHere } from '../engine/engine.ts';
import { openLog } from '../log.ts';
import { MEDIA_TYPES } from '../oci/descriptor.ts';
import { type BuiltLayer, writeLayer } from '../oci/layer.ts';
import { hostPlatform } from '../packaging/image/base-image.ts';
import { contentsOfBase } from '../plan/pin.ts';
import { exclusiveBy, keyedLocks } from '../sandbox/exclusive.ts';
import type { SandboxMode } from '../sandbox/sandbox-host.ts';
import type { Workspace } from '../sandbox/workspace.ts';
import { followBaseImage } from './follow-base-image.ts';
import { openRemotes } from './registry-target.ts';
import type { WorkerResources } from './worker-resources.ts';

const run = promisify(execFile);
const credentials = { username: 'larder', password: 'correct horse' };

let api: TestApi;
let peer: DockerRegistry;
let egress: Egress;
let operatingSystem: string;

beforeAll(async () => {
  api = await openTestApi();
  peer = await startDockerRegistry({ htpasswd: credentials });
  egress = createEgress({ allow: ['127.0.0.1'] });
  const system = await api.database.pool.query(
    `insert into operating_systems (key, name, distro, version, codename) values ('debian-12', 'Debian 12', 'debian', '12', 'bookworm') returning id`,
  );
  operatingSystem = system.rows[0].id;
  await pushImages();
}, 60_000);
afterAll(async () => {
  egress.close();
  await peer.stop();
  await api.close();
});

/**
 * Pushes images with skopeo. `foreign` is an index for a platform that no worker has, and `alone` is the manifest of that
 * index. `trixie` is Debian 13. `bookworm` is an image that is accepted. `hostile` has an environment variable with arguments
 * for a sandbox.
 */
async function pushImages(): Promise<void> {
  const layout = join(api.directory, 'layout');
  await mkdir(join(layout, 'blobs', 'sha256'), { recursive: true });
  const write = async (bytes: string | Buffer, mediaType: string) => {
    await writeFile(join(layout, 'blobs', 'sha256', digestOf(bytes).slice(7)), bytes);
    return descriptorOf(bytes, mediaType);
  };
  const writeImage = async (platform: { os: string; architecture: string }, built: BuiltLayer[], settings = {}) => {
    const rootfs = { type: 'layers', diff_ids: built.map(({ diff_id }) => diff_id) };
    const image = { ...platform, config: settings, rootfs, history: [] };
    const config = await write(JSON.stringify(image), MEDIA_TYPES.config);
    const layers = [];
    for (const { descriptor } of built)
      layers.push(await write(await buffer(await api.content.open(descriptor.digest)), descriptor.mediaType));
    const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config, layers };
    return await write(JSON.stringify(manifest), MEDIA_TYPES.manifest);
  };
  const platform = { os: 'linux', architecture: 's390x' };
  const alone = await writeImage(platform, []);
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [{ ...alone, platform }] };
  const release = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n';
  const system = await writeLayer(api.content, [entry('usr/lib/os-release', { content: release })]);
  const database = [await writeLayer(api.content, DEBIAN_FILES)];
  const tags = {
    foreign: await write(JSON.stringify(index), MEDIA_TYPES.index),
    alone,
    trixie: await writeImage(hostPlatform(), [system]),
    bookworm: await writeImage(hostPlatform(), database),
    hostile: await writeImage(hostPlatform(), database, { Env: ['PATH=/bin', 'X=a\0--bind\0/\0/mnt\0'] }),
  };
  const manifests = Object.entries(tags).map(([tag, root]) => ({
    ...root,
    annotations: { 'org.opencontainers.image.ref.name': tag },
  }));
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  const login = ['--dest-creds', `${credentials.username}:${credentials.password}`, '--dest-tls-verify=false'];
  for (const tag of Object.keys(tags))
    await run('skopeo', [
      'copy',
      '--all',
      ...login,
      `oci:${layout}:${tag}`,
      `docker://${peer.host}/golden/debian:${tag}`,
    ]);
}

async function look(container_image: string, registry: object = {}): Promise<Record<string, unknown>> {
  const named = { name: 'peer', description: '', provider: 'OCI', url: peer.url };
  const secrets = { access_key: credentials.username, access_secret: credentials.password };
  const made = await api.ask('POST', '/v1/registries', { body: { ...named, ...secrets, ...registry } });
  const registry_id = String(made.headers['location']).split('/').at(-1);
  const body = { name: 'x', description: '', registry_id, container_image, operating_system_id: operatingSystem };
  return await follow(String((await api.ask('POST', '/v1/base-images', { body })).headers['location']));
}

type Follow = {
  requested?: true;
  probe?: SandboxMode;
  attempt?: number;
  /** An error that the engine process throws. */
  engineError?: Error;
};

async function follow(
  path: string,
  { requested, probe = { mode: 'files-only', reasons: [] }, attempt = 1, engineError }: Follow = {},
): Promise<Record<string, unknown>> {
  const log = openLog({ level: 'silent', destination: { write: () => {} } });
  const { database, content, identity, directory } = api;
  const workspace = {
    directory,
    content,
    probe,
    exclusive: exclusiveBy(keyedLocks()),
  };
  const here = engineHere(workspace as Workspace);
  const engine = engineError === undefined ? here : { ...here, run: () => Promise.reject(engineError) };
  const resources = { db: database.db, pool: database.pool, content, identity, egress, log, workspace, engine };
  const all = { ...resources, remotes: openRemotes() } as unknown as WorkerResources;
  const context = { id: 'x', attempt, isLast: true, signal: new AbortController().signal };
  const base_image_id = path.split('/').at(-1) ?? '';
  await followBaseImage(all, { base_image_id, ...(requested && { requested }) }, context);
  return (await api.ask('GET', path)).json();
}

test('an accepted image is healthy and its platform is recorded', async () => {
  const { os, architecture } = hostPlatform();
  const image = await look('golden/debian:bookworm');
  expect(image).toMatchObject({ healthy: true, platforms: [{ os_family: os, architecture }] });
});

test('lost content of a known version is read again even if the tag did not move', async () => {
  const { id } = await look('golden/debian:bookworm');
  const { rows } = await api.database.pool.query(
    'select digest, pin from base_image_versions where base_image_id = $1',
    [id],
  );
  expect(rows).toHaveLength(1);
  const [lost = 'sha256:'] = contentsOfBase(rows[0].pin);
  await api.content.delete(lost);
  expect(await api.content.stat(lost)).toBeUndefined();
  expect(await follow(`/v1/base-images/${id}`)).toMatchObject({ healthy: true });
  expect(await api.content.stat(lost)).toMatchObject({ size: expect.any(Number) });
  const after = await api.database.pool.query('select digest, pin from base_image_versions where base_image_id = $1', [
    id,
  ]);
  expect(after.rows).toEqual(rows);
});

test('a hostile image is rejected with the cause and not retried', async () => {
  const image = await look('golden/debian:hostile');
  expect(image).toMatchObject({
    healthy: false,
    unhealthy_cause: `${peer.host}/golden/debian:hostile cannot be used: the image config: Env[1]: holds a NUL character.`,
  });
});

test('rejects a missing tag', async () => {
  const image = await look('golden/debian:gone');
  expect(image).toMatchObject({ healthy: false, last_checked_at: expect.any(String) });
  expect(image['unhealthy_cause']).toBe(
    `${peer.host}/golden/debian:gone does not exist, or these credentials may not read it.`,
  );
});

test('rejects an index without this machine’s platform', async () => {
  const image = await look('golden/debian:foreign');
  expect(image['unhealthy_cause']).toMatch(/golden\/debian:foreign has no image for linux\/\w+/);
});

test('rejects a manifest without an index for another platform', async () => {
  const image = await look('golden/debian:alone');
  expect(image).toMatchObject({ healthy: false });
  expect(image['unhealthy_cause']).toMatch(
    /golden\/debian:alone is for linux\/s390x, and this installation builds images for/,
  );
});

test('rejects an image of another operating system than the registered one', async () => {
  const image = await look('golden/debian:trixie');
  expect(image).toMatchObject({ healthy: false });
  expect(image['unhealthy_cause']).toBe(
    `${peer.host}/golden/debian:trixie is Debian GNU/Linux 13 (trixie), not Debian 12: its os-release says ID=debian, VERSION_ID=13, and Debian 12 is ID=debian, VERSION_ID=12.`,
  );
});

test('the rejection of an image stays in the cause while its registry is unavailable', async () => {
  const image = await look('golden/debian:trixie');
  const { id, unhealthy_since } = image;
  const refusal = String(image['unhealthy_cause']);
  expect(refusal).toMatch(/is Debian GNU\/Linux 13/);
  const move = async (url: string) =>
    await api.database.pool.query(
      'update registries set url = $1 from base_images b where b.registry_id = registries.id and b.id = $2',
      [url, id],
    );
  await move('http://127.0.0.1:9');
  for (let count = 0; count < 2; count++) {
    const away = await follow(`/v1/base-images/${id}`);
    expect(away['unhealthy_cause']).toMatch(
      /^\S+ is Debian GNU\/Linux 13 .* The last attempt to read it failed: .* 127\.0\.0\.1:9 refuses/,
    );
    expect(String(away['unhealthy_cause']).split('The last attempt')).toHaveLength(2);
    expect(away).toMatchObject({ healthy: false, unhealthy_since });
  }
  await move(peer.url);
  expect(await follow(`/v1/base-images/${id}`)).toMatchObject({ unhealthy_cause: refusal, unhealthy_since });
});

test('a rejected digest is read again only if a user requests a check', async () => {
  const { id } = await look('golden/debian:bookworm');
  const path = `/v1/base-images/${id}`;
  await api.database.pool.query(`update base_images set refusal = 'It took too long.' where id = $1`, [id]);
  expect(await follow(path)).toMatchObject({ healthy: false, unhealthy_cause: 'It took too long.' });
  expect(await follow(path, { requested: true })).toMatchObject({ healthy: true });
});

test('a trial that exceeds its time is repeated once, then the digest is rejected', async () => {
  const { id } = await look('golden/debian:bookworm');
  const path = `/v1/base-images/${id}`;
  await api.database.pool.query('update base_images set inspector_version = 0 where id = $1', [id]);
  const engineError = Object.assign(new Error('its perl does not start (it ran too long).'), { name: 'TrialTimeout' });
  await expect(follow(path, { engineError })).rejects.toBe(engineError);
  expect((await api.ask('GET', path)).json()).toMatchObject({ healthy: true });
  const unhealthy = { healthy: false, unhealthy_cause: engineError.message };
  expect(await follow(path, { engineError, attempt: 2 })).toMatchObject(unhealthy);
  expect(await follow(path)).toMatchObject(unhealthy);
  expect(await follow(path, { requested: true })).toMatchObject({ healthy: true });
});

test.skipIf(sandboxMode.mode === 'files-only')(
  'an image that was read without a sandbox is run by the first worker that has one',
  async () => {
    // All programs of this image are empty files. Only an attempt to run the image shows this.
    const image = await look('golden/debian:bookworm');
    expect(image).toMatchObject({ healthy: true });
    const path = `/v1/base-images/${image['id']}`;
    const run = await follow(path, { probe: sandboxMode });
    expect(run).toMatchObject({ healthy: false, unhealthy_cause: expect.stringContaining('does not start') });
    // A check by a worker without a sandbox must not change the result, even if a user requests it.
    const { unhealthy_cause } = run;
    expect(await follow(path)).toMatchObject({ healthy: false, unhealthy_cause });
    expect(await follow(path, { requested: true })).toMatchObject({ healthy: false, unhealthy_cause });
  },
);

test('reports wrong credentials and an address that is not allowed', async () => {
  const wrong = await look('golden/debian:foreign', { access_secret: 'wrong' });
  expect(wrong['unhealthy_cause']).toMatch(
    /does not let these credentials read the manifest of 127\.0\.0\.1:\d+\/golden\/debian:foreign \(401\)/,
  );
  const guarded = await look('golden/debian:foreign', { url: peer.url.replace('127.0.0.1', '127.0.0.2') });
  expect(guarded['unhealthy_cause']).toMatch(/127\.0\.0\.2:\d+ is not an address on the public Internet/);
});
