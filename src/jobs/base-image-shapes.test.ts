// Base images in many formats in Debian's docker-registry. Common formats are accepted. The first check rejects the others.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { READ_SHAPES, REJECTED_SHAPES, ShapeRepository } from '../../test/base-shapes.ts';
import { type DockerRegistry, startDockerRegistry } from '../../test/docker-registry.ts';
import { createEgress, type Egress } from '../egress/egress.ts';
import { engineHere } from '../engine/engine.ts';
import { openLog } from '../log.ts';
import { readImageFile } from '../packaging/image/image-file.ts';
import { findNewestPin } from '../pipelines/base-image-versions.ts';
import { exclusiveBy, keyedLocks } from '../sandbox/exclusive.ts';
import type { Workspace } from '../sandbox/workspace.ts';
import { followBaseImage } from './follow-base-image.ts';
import { openRemotes } from './registry-target.ts';
import type { WorkerResources } from './worker-resources.ts';

let api: TestApi;
let peer: DockerRegistry;
let egress: Egress;
let system: string;
let registry: string;
let repository: ShapeRepository;

beforeAll(async () => {
  api = await openTestApi();
  peer = await startDockerRegistry();
  egress = createEgress({ allow: ['127.0.0.1'] });
  repository = new ShapeRepository(peer.host, 'golden/shapes');
  const inserted = await api.database.pool.query(
    `insert into operating_systems (key, name, distro, version, codename) values ('debian-12', 'Debian 12', 'debian', '12', 'bookworm') returning id`,
  );
  system = inserted.rows[0].id;
  const body = { name: 'peer', description: '', provider: 'OCI', url: peer.url, access_key: 'x', access_secret: 'x' };
  const made = await api.ask('POST', '/v1/registries', { body });
  registry = String(made.headers['location']).split('/').at(-1) ?? '';
});
afterAll(async () => {
  egress.close();
  await peer.stop();
  await api.close();
});

/** Registers a tag as a base image and returns its id. */
async function register(tag: string): Promise<string> {
  const container_image = `golden/shapes:${tag}`;
  const body = { name: tag, description: '', registry_id: registry, container_image, operating_system_id: system };
  const made = await api.ask('POST', '/v1/base-images', { body });
  return String(made.headers['location']).split('/').at(-1) ?? '';
}

/**
 * Checks the base image. This is a first attempt, and the queue may retry it, so errors that a retry may avoid are thrown.
 */
async function look(base_image_id: string): Promise<Record<string, unknown>> {
  const log = openLog({ level: 'silent', destination: { write: () => {} } });
  const { database, content, identity, directory } = api;
  const exclusive = exclusiveBy(keyedLocks());
  const workspace = { directory, content, probe: { mode: 'files-only', reasons: [] }, exclusive };
  const engine = engineHere(workspace as Workspace);
  const resources = { db: database.db, pool: database.pool, content, identity, egress, log, workspace, engine };
  const all = { ...resources, remotes: openRemotes() } as unknown as WorkerResources;
  await followBaseImage(
    all,
    { base_image_id },
    { id: 'x', attempt: 1, isLast: false, signal: new AbortController().signal },
  );
  return (await api.ask('GET', `/v1/base-images/${base_image_id}`)).json();
}

describe('accepts:', () => {
  test.each(Object.keys(READ_SHAPES))('%s', async (shape) => {
    await READ_SHAPES[shape]?.(repository, shape);
    const id = await register(shape);
    const found = await look(id);
    expect(found['unhealthy_cause']).toBeUndefined();
    expect(found['healthy']).toBe(true);
    const pin = await findNewestPin(api.database.db, id);
    if (pin === undefined) throw new Error('the base image has no version');
    expect((await readImageFile(api.content, { layers: pin.layers, path: 'etc/shape' }))?.toString()).toBe('shape');
    expect(pin.layers.map(({ descriptor }) => descriptor.mediaType).join()).toMatch(
      /^(?:application\/vnd\.oci\.image\.layer\.v1\.tar(?:\+gzip|\+zstd)?,?)+$/,
    );
  });
});

describe('rejects in the first check, without a retry:', () => {
  test.each(Object.keys(REJECTED_SHAPES))('%s', async (shape) => {
    const { push, cause } = REJECTED_SHAPES[shape] ?? { push: async () => undefined, cause: /./ };
    await push(repository, shape);
    const found = await look(await register(shape));
    expect(found).toMatchObject({ healthy: false, last_checked_at: expect.any(String) });
    expect(found['unhealthy_cause']).toMatch(cause);
  });
});

test('the check of an unavailable registry is retried, and the base image without a version shows the cause', async () => {
  await READ_SHAPES['plain-tar']?.(repository, 'late');
  const id = await register('late');
  const port = Number(peer.host.split(':')[1]);
  await peer.stop();
  await expect(look(id)).rejects.toThrow();
  const waiting = (await api.ask('GET', `/v1/base-images/${id}`)).json();
  expect(waiting).toMatchObject({ healthy: false });
  expect(waiting.unhealthy_cause).toMatch(new RegExp(`127.0.0.1:${port} refuses connections`));
});
