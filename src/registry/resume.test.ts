// Interrupted uploads: the client disconnects, the server is killed, or the session expires.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { basic, digestOf, openTestRegistry, type TestRegistry } from '../../test/registry.ts';
import { clientOf, codeOf, type TestClient } from '../../test/registry-client.ts';
import { expireUploads } from './uploads.ts';

let registry: TestRegistry;
let client: TestClient;
const servers: ChildProcess[] = [];

beforeAll(async () => {
  registry = await openTestRegistry();
  client = clientOf(registry);
});
afterAll(async () => {
  for (const server of servers) {
    server.kill('SIGKILL');
  }
  await registry.close();
});

/** Starts a second server with the same database and the same content. */
async function startServer(): Promise<{ url: string; server: ChildProcess }> {
  const script = new URL('../../test/registry-server.ts', import.meta.url).pathname;
  const parameters = [script, registry.database.url, registry.directory, join(registry.directory, 'key')];
  const server = spawn(process.execPath, parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
  servers.push(server);
  const [url] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
  return { url, server };
}

/**
 * Sends `bytes` in a request that stays open. `cut` breaks the connection, and `broken` resolves when the request has ended.
 */
function sendPart(url: string, bytes: Buffer): { cut: () => void; broken: Promise<unknown> } {
  const sending = request(url, {
    method: 'PATCH',
    headers: { ...basic(registry.acme.tokens.EDITOR), 'content-length': bytes.length * 2 },
  });
  sending.on('error', () => {});
  const broken = new Promise((resolve) => sending.on('close', resolve));
  sending.write(bytes);
  return { cut: () => sending.destroy(), broken };
}

async function heldOf(url: string): Promise<number> {
  const response = await client.call('GET', url);
  expect(response.status).toBe(204);
  return Number(/^0-(\d+)$/.exec(response.headers.get('range') ?? '')?.[1]) + 1;
}

/** Sends the bytes that the registry lacks, and closes the session. */
async function resume(url: string, bytes: Buffer): Promise<void> {
  const held = await heldOf(url);
  const headers = { 'content-range': `${held}-${bytes.length - 1}` };
  await expect
    .poll(async () => (await client.call('PATCH', url, { headers, body: bytes.subarray(held) })).status)
    .toBe(202);
  expect((await client.call('PUT', `${url}?digest=${digestOf(bytes)}`)).status).toBe(201);
}

test('a client that disconnected sends the rest later', async () => {
  const bytes = randomBytes(3 * 1024 * 1024);
  const url = registry.url + (await client.begin('acme/resumed'));
  const half = bytes.subarray(0, bytes.length / 2);
  const { cut } = sendPart(url, half);
  await expect.poll(() => heldOf(url)).toBe(half.length);
  cut();
  await resume(url, bytes);
  const blob = await client.call('GET', `/v2/acme/resumed/blobs/${digestOf(bytes)}`);
  expect(Buffer.from(await blob.arrayBuffer()).equals(bytes)).toBe(true);
});

test('a client that retries while its older request hangs takes the upload over', async () => {
  const bytes = randomBytes(3 * 1024 * 1024);
  const url = registry.url + (await client.begin('acme/taken-over'));
  const half = bytes.subarray(0, bytes.length / 2);
  const hanging = sendPart(url, half);
  await expect.poll(() => heldOf(url)).toBe(half.length);
  // A second request sends a quarter of the blob and stays open too. A third request sends the rest and closes the upload
  // before the second has ended.
  const held = await heldOf(url);
  const quarter = bytes.subarray(held, held + bytes.length / 4);
  const hangingToo = sendPart(url, quarter);
  await expect.poll(() => heldOf(url)).toBe(held + quarter.length);
  await hanging.broken;
  const rest = bytes.subarray(held + quarter.length);
  const closed = await client.call('PUT', `${url}?digest=${digestOf(bytes)}`, { body: rest });
  expect(closed.status).toBe(201);
  await hangingToo.broken;
  const blob = await client.call('GET', `/v2/acme/taken-over/blobs/${digestOf(bytes)}`);
  expect(Buffer.from(await blob.arrayBuffer()).equals(bytes)).toBe(true);
});

test('an upload is cancelled while a request hangs, and its late bytes change nothing', async () => {
  const bytes = randomBytes(1024 * 1024);
  const url = registry.url + (await client.begin('acme/given-up'));
  const hanging = sendPart(url, bytes);
  await expect.poll(() => heldOf(url)).toBe(bytes.length);
  expect((await client.call('DELETE', url)).status).toBe(204);
  await hanging.broken;
  expect((await client.call('GET', url)).status).toBe(404);
});

test('only one of many concurrent requests writes to the upload', async () => {
  const url = registry.url + (await client.begin('acme/contested'));
  const bodies = Array.from({ length: 8 }, () => randomBytes(2 * 1024 * 1024));
  const answers = await Promise.allSettled(
    bodies.map((body) => client.call('PATCH', url, { headers: { 'content-range': `0-${body.length - 1}` }, body })),
  );
  // A request that a newer request interrupted gets 409 or a closed connection. A request after a complete upload begins at a
  // wrong offset.
  const statuses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value.status] : []));
  expect(statuses.filter((status) => ![202, 409, 416].includes(status))).toEqual([]);
  const held = await heldOf(url);
  const closing: number[] = [];
  for (const body of bodies) {
    const digest = digestOf(body.subarray(0, held));
    closing.push((await client.call('PUT', `${url}?digest=${digest}`)).status);
  }
  // All received bytes come from the same body, so exactly one digest matches them.
  expect(closing.filter((status) => status === 201).length).toBe(1);
});

test('only one of several concurrent requests closes an upload', async () => {
  const bytes = randomBytes(8 * 1024 * 1024);
  const url = registry.url + (await client.begin('acme/closed-twice'));
  expect((await client.call('PATCH', url, { body: bytes })).status).toBe(202);
  const closing = Array.from({ length: 4 }, () => client.call('PUT', `${url}?digest=${digestOf(bytes)}`));
  const statuses = (await Promise.all(closing)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 201).length).toBe(1);
  expect(statuses.filter((status) => ![201, 404, 409].includes(status))).toEqual([]);
});

test('a killed server keeps the bytes on its disk, and shows no incomplete blob', async () => {
  const bytes = randomBytes(4 * 1024 * 1024);
  const digest = digestOf(bytes);
  const { url, server } = await startServer();
  const path = await client.begin('acme/killed');
  const half = bytes.subarray(0, bytes.length / 2);
  sendPart(url + path, half);
  await expect.poll(() => heldOf(url + path)).toBe(half.length);
  server.kill('SIGKILL');
  await once(server, 'exit');
  expect((await client.call('HEAD', `/v2/acme/killed/blobs/${digest}`)).status).toBe(404);
  const again = await startServer();
  expect(await heldOf(again.url + path)).toBe(half.length);
  await resume(again.url + path, bytes);
  const blob = await client.call('GET', `/v2/acme/killed/blobs/${digest}`);
  expect(digestOf(new Uint8Array(await blob.arrayBuffer()))).toBe(digest);
});

test('a session expires a day after its last request', async () => {
  const path = await client.begin('acme/old');
  const id = path.split('/').at(-1);
  await registry.database.pool.query(
    `update repository_uploads set updated_at = now() - interval '25 hours' where id = $1`,
    [id],
  );
  const late = await client.call('PATCH', path, { body: 'late' });
  expect([late.status, await codeOf(late)]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN']);
  expect(await expireUploads(registry.database.db)).toBe(1);
  expect(await expireUploads(registry.database.db)).toBe(0);
});
