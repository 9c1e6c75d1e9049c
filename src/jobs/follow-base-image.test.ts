// What a look at a registered base image says when it cannot be had, with Debian's docker-registry and skopeo as peers.
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { type DockerRegistry, startDockerRegistry } from '../../test/docker-registry.ts';
import { descriptorOf, digestOf } from '../../test/registry.ts';
import { createEgress, type Egress } from '../egress/egress.ts';
import { openLog } from '../log.ts';
import { MEDIA_TYPES } from '../oci/descriptor.ts';
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
  await pushForeignImage();
}, 60_000);
afterAll(async () => {
  egress.close();
  await peer.stop();
  await api.close();
});

/** An index with an image for a platform that no worker has, pushed by skopeo. */
async function pushForeignImage(): Promise<void> {
  const layout = join(api.directory, 'layout');
  await mkdir(join(layout, 'blobs', 'sha256'), { recursive: true });
  const write = async (text: string, mediaType: string) => {
    await writeFile(join(layout, 'blobs', 'sha256', digestOf(text).slice(7)), text);
    return descriptorOf(text, mediaType);
  };
  const platform = { os: 'linux', architecture: 's390x' };
  const image = { ...platform, config: {}, rootfs: { type: 'layers', diff_ids: [] }, history: [] };
  const config = await write(JSON.stringify(image), MEDIA_TYPES.config);
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config, layers: [] };
  const described = { ...(await write(JSON.stringify(manifest), MEDIA_TYPES.manifest)), platform };
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [described] };
  const root = await write(JSON.stringify(index), MEDIA_TYPES.index);
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(
    join(layout, 'index.json'),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{ ...root, annotations: { 'org.opencontainers.image.ref.name': 'foreign' } }],
    }),
  );
  const login = ['--dest-creds', `${credentials.username}:${credentials.password}`, '--dest-tls-verify=false'];
  await run('skopeo', [
    'copy',
    '--all',
    ...login,
    `oci:${layout}:foreign`,
    `docker://${peer.host}/golden/debian:foreign`,
  ]);
}

async function look(container_image: string, registry: object = {}): Promise<Record<string, unknown>> {
  const named = { name: 'peer', description: '', provider: 'OCI', url: peer.url };
  const secrets = { access_key: credentials.username, access_secret: credentials.password };
  const made = await api.ask('POST', '/v1/registries', { body: { ...named, ...secrets, ...registry } });
  const registry_id = String(made.headers['location']).split('/').at(-1);
  const body = { name: 'x', description: '', registry_id, container_image, operating_system_id: operatingSystem };
  const path = String((await api.ask('POST', '/v1/base-images', { body })).headers['location']);
  const log = openLog({ level: 'silent', destination: { write: () => {} } });
  const { database, content, identity, directory } = api;
  const workspace = { directory, content, probe: { mode: 'files-only', reasons: [] } };
  const resources = { db: database.db, pool: database.pool, content, identity, egress, log, workspace };
  const all = { ...resources, remotes: openRemotes() } as unknown as WorkerResources;
  const context = { id: 'x', attempt: 1, isLast: true, signal: new AbortController().signal };
  await followBaseImage(all, { base_image_id: path.split('/').at(-1) ?? '' }, context);
  return (await api.ask('GET', path)).json();
}

test('a tag that is gone', async () => {
  const image = await look('golden/debian:gone');
  expect(image).toMatchObject({ healthy: false, last_checked_at: expect.any(String) });
  expect(image['unhealthy_cause']).toBe(
    `${peer.host}/golden/debian:gone does not exist, or these credentials may not read it.`,
  );
});

test('an image without the platform that is built here', async () => {
  const image = await look('golden/debian:foreign');
  expect(image['unhealthy_cause']).toMatch(/golden\/debian:foreign has no image for linux\/\w+/);
});

test('credentials that are wrong, and an address that is not allowed', async () => {
  const wrong = await look('golden/debian:foreign', { access_secret: 'wrong' });
  expect(wrong['unhealthy_cause']).toMatch(/does not let these credentials read golden\/debian:foreign/);
  const guarded = await look('golden/debian:foreign', { url: peer.url.replace('127.0.0.1', '127.0.0.2') });
  expect(guarded['unhealthy_cause']).toMatch(/127\.0\.0\.2:\d+ is not an address on the public Internet/);
});
