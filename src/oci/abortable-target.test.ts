// Cancels a push in two cases: while the registry does not answer, and while a body is being sent. If nothing is cancelled,
// the target passes the suite of all targets.
import { randomBytes } from 'node:crypto';
import { once as event } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { testTarget } from '../../test/suites/target-conformance.ts';
import { openDiskContent } from '../content/disk.ts';
import { memoryContent } from '../content/memory.ts';
import { createEgress, type Egress } from '../egress/egress.ts';
import { abortableTarget } from './abortable-target.ts';
import { contentTarget } from './content-target.ts';
import { copyArtifact } from './copy.ts';
import { type Descriptor, MEDIA_TYPES } from './descriptor.ts';
import { writeLayer } from './layer.ts';
import { putDocument } from './manifest.ts';
import { openRemote } from './remote/remote-repository.ts';

testTarget('abortable', async () => ({
  target: abortableTarget(contentTarget(memoryContent()), new AbortController().signal),
}));

/**
 * Far more bytes than the buffers of a connection can hold, so that the client is still sending when the push is cancelled.
 */
const LARGE_BYTES = 32 * 1024 * 1024;

let server: Server | undefined;
let egress: Egress | undefined;
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'larder-abortable-'));
});
afterEach(async () => {
  server?.close();
  server?.closeAllConnections();
  egress?.close();
  await rm(directory, { recursive: true });
});

/**
 * Starts a registry that answers every request of a push except one. This request is HEAD or, with `silentAt` PUT, the upload
 * of a large blob. The registry emits `silent` when the request arrives, and neither reads nor answers it.
 */
async function startSilentRegistry(silentAt: 'HEAD' | 'PUT'): Promise<Server> {
  const silent = createServer((request, response) => {
    const isSmall = request.method === 'PUT' && Number(request.headers['content-length']) < 10_000;
    if (isSmall) request.resume().once('end', () => response.writeHead(201).end());
    else if (request.method === silentAt || request.method === 'PATCH') silent.emit('silent', request);
    else if (request.method === 'HEAD') response.writeHead(404).end();
    else if (request.method === 'POST') response.writeHead(202, { location: `${request.url}session` }).end();
    else response.writeHead(200).end('{}');
  });
  silent.listen(0, '127.0.0.1');
  await event(silent, 'listening');
  return silent;
}

async function image(directory: string) {
  const store = await openDiskContent(directory);
  const size = LARGE_BYTES;
  const header = { path: 'data', type: 'file', mode: 0o644, uid: 0, gid: 0, size, mtime: 0 } as const;
  const layer = await writeLayer(store, [{ header, body: [randomBytes(size)] }]);
  const config = await putDocument(store, MEDIA_TYPES.config, {
    os: 'linux',
    architecture: 'amd64',
    rootfs: { type: 'layers', diff_ids: [layer.diff_id] },
  });
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config, layers: [layer.descriptor] } as const;
  const root: Descriptor = await putDocument(store, MEDIA_TYPES.manifest, { ...manifest });
  return { store, root };
}

test.each([['HEAD'], ['PUT']] as const)(
  'ends a cancelled copy at once while the registry is silent at %s',
  async (silentAt) => {
    server = await startSilentRegistry(silentAt);
    egress = createEgress({ allow: ['127.0.0.1'] });
    const { port } = server.address() as AddressInfo;
    const remote = openRemote({ url: `http://127.0.0.1:${port}`, egress, repository: 'a/b' });
    const { store, root } = await image(directory);
    const cancel = new AbortController();
    const silent = event(server, 'silent');
    const copied = copyArtifact(contentTarget(store), abortableTarget(remote, cancel.signal), root, { tags: ['1'] });
    copied.catch(() => {});
    const [request] = (await silent) as [IncomingMessage];
    const since = performance.now();
    cancel.abort(new Error('The pipeline was cancelled'));
    await expect(copied).rejects.toThrow();
    expect(performance.now() - since).toBeLessThan(1_000);
    if (silentAt === 'HEAD') return;
    // The client must also close the connection of the upload. The server notices this only while it reads.
    request.resume();
    const [error] = await event(request, 'error');
    expect((error as Error).message).toBe('aborted');
  },
);
