// Checks of base images in a real registry behind a faulty proxy: which causes the API reports, and that nothing is read or
// logged twice.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openTestApi, type TestApi } from '../../test/api.ts';
import { layerOf, ShapeRepository, SYSTEM } from '../../test/base-shapes.ts';
import { type DockerRegistry, startDockerRegistry } from '../../test/docker-registry.ts';
import { entry } from '../../test/fixtures/tar.ts';
import { createEgress, type Egress } from '../egress/egress.ts';
import { engineHere } from '../engine/engine.ts';
import { openLog } from '../log.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { exclusiveBy, keyedLocks } from '../sandbox/exclusive.ts';
import type { Workspace } from '../sandbox/workspace.ts';
import { followBaseImage } from './follow-base-image.ts';
import { openRemotes } from './registry-target.ts';
import type { WorkerResources } from './worker-resources.ts';

type Fault = (request: IncomingMessage, response: ServerResponse) => Promise<boolean> | boolean;

let api: TestApi;
let peer: DockerRegistry;
let egress: Egress;
let proxy: Server;
let host: string;
let registry: string;
let system: string;
let repository: ShapeRepository;
let asked: string[] = [];
let fault: Fault = () => false;
let lines: Record<string, unknown>[] = [];

beforeAll(async () => {
  api = await openTestApi();
  peer = await startDockerRegistry();
  egress = createEgress({ allow: ['127.0.0.1'] });
  proxy = createServer((request, response) => void relay(request, response));
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  host = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  repository = new ShapeRepository(peer.host, 'golden/base');
  const inserted = await api.database.pool.query(
    `insert into operating_systems (key, name, distro, version, codename) values ('debian-12', 'Debian 12', 'debian', '12', 'bookworm') returning id`,
  );
  system = inserted.rows[0].id;
  const body = {
    name: 'peer',
    description: '',
    provider: 'OCI',
    url: `http://${host}`,
    access_key: 'x',
    access_secret: 'x',
  };
  const made = await api.ask('POST', '/v1/registries', { body });
  registry = String(made.headers['location']).split('/').at(-1) ?? '';
}, 60_000);
beforeEach(() => {
  fault = () => false;
  asked = [];
  lines = [];
});
afterEach(() => {
  fault = () => false;
});
afterAll(async () => {
  egress.close();
  proxy.close();
  proxy.closeAllConnections();
  await peer.stop();
  await api.close();
});

async function relay(request: IncomingMessage, response: ServerResponse): Promise<void> {
  asked.push(`${request.method} ${request.url}`);
  if (await fault(request, response)) return;
  const headers = {
    accept: request.headers.accept ?? '*/*',
    ...(request.headers.range && { range: request.headers.range }),
  };
  const answer = await fetch(`http://${peer.host}${request.url}`, { method: request.method ?? 'GET', headers });
  const kept = [...answer.headers].filter(
    ([name]) => !['connection', 'keep-alive', 'transfer-encoding'].includes(name),
  );
  response.writeHead(answer.status, Object.fromEntries(kept));
  response.end(Buffer.from(await answer.arrayBuffer()));
}

/** Returns a fault that answers every request whose address contains `part`. */
function answering(
  part: string,
  status: number,
  body: string | Buffer = '',
  headers: Record<string, string> = {},
): Fault {
  return (request, response) => {
    if (!request.url?.includes(part)) return false;
    response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...headers });
    response.end(request.method === 'HEAD' ? undefined : body);
    return true;
  };
}

async function register(container_image: string): Promise<string> {
  const body = {
    name: container_image.slice(0, 60),
    description: '',
    registry_id: registry,
    container_image,
    operating_system_id: system,
  };
  const made = await api.ask('POST', '/v1/base-images', { body });
  expect(made.statusCode, made.body).toBe(201);
  return String(made.headers['location']).split('/').at(-1) ?? '';
}

async function look(base_image_id: string, { isLast = true } = {}): Promise<Record<string, unknown>> {
  const write = (line: string | Uint8Array) => void lines.push(JSON.parse(String(line)));
  const log = openLog({ level: 'info', destination: { write } });
  const { database, content, identity, directory } = api;
  const exclusive = exclusiveBy(keyedLocks());
  const workspace = { directory, content, probe: { mode: 'files-only', reasons: [] }, exclusive };
  const engine = engineHere(workspace as Workspace);
  const resources = { db: database.db, pool: database.pool, content, identity, egress, log, workspace, engine };
  const all = { ...resources, remotes: openRemotes() } as unknown as WorkerResources;
  const context = { id: 'x', attempt: 1, isLast, signal: new AbortController().signal };
  await followBaseImage(all, { base_image_id }, context);
  return (await api.ask('GET', `/v1/base-images/${base_image_id}`)).json();
}

type Image = { root: Descriptor; layer: string; config: string };

/** Pushes an image whose content no other test pushes. A check would not read a layer that is already stored. */
async function push(tag: string, text = tag): Promise<Image> {
  const blob = await layerOf([...SYSTEM, entry('etc/own', { content: text.padEnd(50_000, text) })]);
  const root = await repository.image([blob], { tag });
  const manifest = await (
    await fetch(`http://${peer.host}/v2/golden/base/manifests/${root.digest}`, { headers: { accept: root.mediaType } })
  ).json();
  const { config, layers } = manifest as { config: Descriptor; layers: Descriptor[] };
  return { root, config: config.digest, layer: layers[0]?.digest ?? '' };
}

describe('the cause names the image, the registry and the part:', () => {
  const problem = (code: string) => JSON.stringify({ errors: [{ code, message: 'no' }] });
  type Case = [
    name: string,
    part: 'layer' | 'manifest',
    fault: (at: string) => Fault,
    cause: (what: string, image: string) => string,
  ];
  const cases: Case[] = [
    [
      'a missing blob',
      'layer',
      (at) => answering(at, 404, problem('BLOB_UNKNOWN')),
      (what, image) => `${host} does not have ${what} of ${image} (404): push the image again.`,
    ],
    [
      'a missing manifest',
      'manifest',
      (at) => answering(at, 404, problem('MANIFEST_UNKNOWN')),
      (what, image) => `${host} does not have ${what} of ${image} (404): push the image again.`,
    ],
    [
      'a blob that is forbidden',
      'layer',
      (at) => answering(at, 403, problem('DENIED')),
      (what, image) =>
        `${host} does not let these credentials read ${what} of ${image} (403): give them this right, or send other credentials.`,
    ],
    [
      'a blob that requires a log-in',
      'layer',
      (at) => answering(at, 401),
      (what, image) =>
        `${host} does not let these credentials read ${what} of ${image} (401): give them this right, or send other credentials.`,
    ],
    [
      'a blob with other bytes',
      'layer',
      (at) => (request, response) => answering(at, 200, Buffer.alloc(sizes.get(at) ?? 1))(request, response),
      (what, image) =>
        `${host} answers with other content than ${what} of ${image}: the bytes do not match the digest.`,
    ],
    [
      'a truncated blob',
      'layer',
      (at) => answering(at, 200, 'short'),
      (what, image) =>
        `${host} answers with other content than ${what} of ${image}: the content has fewer bytes than its descriptor says.`,
    ],
    [
      'a manifest of another type',
      'manifest',
      (at) => answering(at, 200, '<html>', { 'content-type': 'text/html' }),
      (what, image) =>
        `${host} answers with other content than ${what} of ${image}: the content has fewer bytes than its descriptor says.`,
    ],
  ];
  const sizes = new Map<string, number>();

  test.each(cases)('%s', async (name, part, faultAt, cause) => {
    const tag = name.replaceAll(' ', '-');
    const image = await push(tag);
    const at = part === 'layer' ? image.layer : image.root.digest;
    const head = await fetch(`http://${peer.host}/v2/golden/base/blobs/${image.layer}`, { method: 'HEAD' });
    sizes.set(at, Number(head.headers.get('content-length')));
    fault = faultAt(at);
    const found = await look(await register(`golden/base:${tag}`), { isLast: false });
    expect(found).toMatchObject({ healthy: false });
    expect(found['unhealthy_cause']).toBe(
      cause(`the ${part} ${at}`, `${host}/golden/base:${tag}@${image.root.digest}`),
    );
  });

  test('a page instead of a manifest', async () => {
    fault = answering('manifests/page', 200, '<html>hello</html>', { 'content-type': 'text/html' });
    const found = await look(await register('golden/base:page'), { isLast: false });
    expect(found['unhealthy_cause']).toMatch(
      new RegExp(`^${host} answers with other content than the manifest of ${host}/golden/base:page: .*JSON`),
    );
  });

  test('a temporary error, with the word that it is tried again', async () => {
    await push('busy');
    fault = answering('manifests/busy', 503, '', { 'retry-after': '0' });
    const id = await register('golden/base:busy');
    await expect(look(id, { isLast: false })).rejects.toMatchObject({ temporary: true });
    const { unhealthy_cause } = (await api.ask('GET', `/v1/base-images/${id}`)).json();
    expect(unhealthy_cause).toBe(
      `The manifest of ${host}/golden/base:busy cannot be read at the moment and is tried again: ${host} has an internal error (503). Ask the administrator of the registry.`,
    );
    fault = () => false;
    expect(await look(id)).toMatchObject({ healthy: true });
  });
});

/** Returns the requests for blobs since `asked` was last cleared. */
const blobReads = () => asked.filter((line) => line.startsWith('GET') && line.includes('/blobs/'));

test('a rejected digest is not read again until the tag moves or the inspector has a new version', async () => {
  const release = entry('usr/lib/os-release', { content: 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n' });
  await repository.image([await layerOf([...SYSTEM, release])], { tag: 'rejected' });
  const id = await register('golden/base:rejected');
  const first = await look(id);
  expect(first['unhealthy_cause']).toContain('is ubuntu 24.04, not Debian 12');
  expect(blobReads().length).toBeGreaterThan(0);
  asked = [];
  const second = await look(id);
  expect(second).toMatchObject({ healthy: false, unhealthy_cause: first['unhealthy_cause'] });
  expect(second['last_checked_at']).not.toBe(first['last_checked_at']);
  expect(asked).toEqual(['HEAD /v2/golden/base/manifests/rejected']);
  await api.database.pool.query('update base_images set inspector_version = inspector_version - 1 where id = $1', [id]);
  await look(id);
  expect(asked.length).toBeGreaterThan(2);
  await push('rejected', 'mended');
  expect(await look(id)).toMatchObject({ healthy: true });
  await repository.image([await layerOf([...SYSTEM, release])], { tag: 'rejected' });
  expect(await look(id)).toMatchObject({ healthy: false, unhealthy_cause: first['unhealthy_cause'] });
});

test('a healthy digest is inspected again for a new version of the inspector, once', async () => {
  await push('checked');
  const id = await register('golden/base:checked');
  expect(await look(id)).toMatchObject({ healthy: true });
  asked = [];
  await look(id);
  expect(asked).toEqual(['HEAD /v2/golden/base/manifests/checked']);
  await api.database.pool.query('update base_images set inspector_version = 0 where id = $1', [id]);
  expect(await look(id)).toMatchObject({ healthy: true });
  const { rows } = await api.database.pool.query('select inspector_version from base_images where id = $1', [id]);
  expect(rows[0].inspector_version).toBeGreaterThan(0);
});

test('the log has one line when a base image becomes unhealthy and one when it recovers', async () => {
  const told = () =>
    lines
      .filter(({ base_image_id }) => base_image_id === id)
      .map(({ level, msg, base_image, cause }) => ({ level, msg, base_image, cause }));
  await push('logged');
  const id = await register('golden/base:logged');
  await look(id);
  expect(told()).toEqual([]);
  fault = answering('manifests/logged', 404);
  await look(id);
  await look(id);
  const cause = `${host}/golden/base:logged does not exist, or these credentials may not read it.`;
  const unhealthy = { level: 'warn', msg: 'a base image became unhealthy', base_image: 'golden/base:logged', cause };
  expect(told()).toEqual([unhealthy]);
  fault = () => false;
  await look(id);
  await look(id);
  expect(told()).toEqual([
    unhealthy,
    { level: 'info', msg: 'a base image is healthy again', base_image: 'golden/base:logged' },
  ]);
});

test('a base image named by digest does not change when the tag moves', async () => {
  const { root } = await push('pinned');
  const digest = await register(`golden/base@${root.digest}`);
  const both = await register(`golden/base:pinned@${root.digest}`);
  await push('pinned', 'moved');
  for (const id of [digest, both]) {
    expect(await look(id)).toMatchObject({ healthy: true });
    const { rows } = await api.database.pool.query('select digest from base_image_versions where base_image_id = $1', [
      id,
    ]);
    expect(rows).toEqual([{ digest: root.digest }]);
  }
  const gone = `golden/base@sha256:${'0'.repeat(64)}`;
  expect(await look(await register(gone))).toMatchObject({
    healthy: false,
    unhealthy_cause: `${host}/${gone} does not exist, or these credentials may not read it.`,
  });
});

test.each([
  'golden/base',
  'golden/base@sha256:12',
  'golden/base@sha512:x',
  '@sha256:',
  'golden/base:tag@',
  'Golden/base:1',
])('rejects the reference of a base image: %s', async (container_image) => {
  const body = { name: 'x', description: '', registry_id: registry, container_image, operating_system_id: system };
  const answer = await api.ask('POST', '/v1/base-images', { body });
  expect(answer.statusCode).toBe(400);
  expect(answer.json().violations).toMatchObject([{ field: 'container_image' }]);
});
