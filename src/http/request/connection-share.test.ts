// The limit of connections from one address. test/containment/shares.test.ts tests attacks.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { openTestApi, type TestApi } from '../../../test/api.ts';
import { closeAll, headOf, openMany, openRaw, type RawConnection } from '../../../test/raw-connection.ts';
import { makeSelfSigned } from '../../../test/self-signed.ts';
import { CONNECTIONS_PER_ADDRESS_MAX, PENDING_PER_ADDRESS_MAX } from '../limits.ts';
import { buildServer } from '../server.ts';
import type { ServerParts } from '../server-parts.ts';
import { readTlsFiles } from '../tls-files.ts';

const PROXY = '127.0.0.2';
const CLIENT = '127.0.0.3';
const OTHER = '127.0.0.4';
const MORE = CONNECTIONS_PER_ADDRESS_MAX + 50;
const PATIENCE = { timeout: 20_000 };

let api: TestApi;
let connections: RawConnection[] = [];
afterEach(() => closeAll(connections));

async function listen(more: Partial<ServerParts>): Promise<number> {
  api = await openTestApi({ build: (parts) => buildServer({ ...parts, ...more }) });
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  return (api.app.server.address() as AddressInfo).port;
}

const countOpen = () => connections.filter((one) => !one.isEnded()).length;

function warnings(): unknown[] {
  return api.lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg?.startsWith('connections closed'));
}

describe('with trusted proxies', () => {
  let port: number;
  beforeAll(async () => {
    port = await listen({ trustedProxies: [`${PROXY}/32`] });
  });
  afterAll(() => api.close());

  const ask = async () => expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);

  test('a proxy has no limit', async () => {
    connections = await openMany(MORE, {
      open: () => openRaw(port, { from: PROXY, first: headOf('GET', '/livez') }),
      ask,
    });
    await vi.waitFor(() => expect(connections.every((one) => one.received().includes(' 200 OK'))).toBe(true), PATIENCE);
    expect(countOpen()).toBe(MORE);
    expect(warnings()).toEqual([]);
  });

  test('another address has a limit, and the log has one line about it', async () => {
    connections = await openMany(MORE, {
      open: () => openRaw(port, { from: CLIENT, first: headOf('GET', '/livez') }),
      ask,
    });
    await vi.waitFor(() => expect(countOpen()).toBe(CONNECTIONS_PER_ADDRESS_MAX), PATIENCE);
    expect(warnings()).toMatchObject([{ address: CLIENT, limit: CONNECTIONS_PER_ADDRESS_MAX }]);
  });

  test('closed connections do not count', async () => {
    for (const part of [1, 2, 3]) {
      const count = CONNECTIONS_PER_ADDRESS_MAX / 2;
      connections = await openMany(count, { open: () => openRaw(port, { from: CLIENT, first: `GET /${part}` }), ask });
      closeAll(connections);
    }
    await vi.waitFor(async () => expect(await askFrom(CLIENT)).toContain(' 200 OK'), PATIENCE);
  });

  async function askFrom(from: string): Promise<string> {
    const one = openRaw(port, { from, first: headOf('GET', '/livez', { connection: 'close' }) });
    await vi.waitFor(() => expect(one.isEnded()).toBe(true), PATIENCE);
    closeAll([one]);
    return one.received();
  }
});

describe('under TLS', () => {
  let port: number;
  let directory: string;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'larder-tls-'));
    const [key, cert] = ['key', 'crt'].map((end) => join(directory, `pair.${end}`)) as [string, string];
    makeSelfSigned({ key, cert }, 'x');
    port = await listen({ tls: await readTlsFiles({ cert, key }) });
  });
  afterAll(async () => {
    await api.close();
    rmSync(directory, { recursive: true });
  });

  /** Resolves with a connection after its TLS handshake. */
  function dial(from: string): Promise<TLSSocket> {
    const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
    const socket = connectTls(
      { socket: connect({ port, host: '127.0.0.1', localAddress: from }), rejectUnauthorized: false },
      () => resolve(socket),
    ).on('error', reject);
    return promise;
  }

  async function ask(socket: TLSSocket): Promise<string> {
    socket.write(headOf('GET', '/livez'));
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    return bytes.toString();
  }

  async function askOnce(from = PROXY): Promise<void> {
    const socket = await dial(from);
    expect(await ask(socket)).toContain(' 200 OK');
    socket.destroy();
  }

  test('connections count before their handshake', async () => {
    connections = await openMany(MORE, { open: () => openRaw(port, { from: CLIENT }), ask: askOnce });
    await askOnce();
    await vi.waitFor(() => expect(countOpen()).toBeLessThanOrEqual(CONNECTIONS_PER_ADDRESS_MAX), PATIENCE);
    expect(warnings()[0]).toMatchObject({ address: CLIENT });
  });

  test('connections without a request have their own limit, and those with a request stay open', async () => {
    const more = PENDING_PER_ADDRESS_MAX + 10;
    const kept = await Promise.all(Array.from({ length: more }, () => dial(OTHER)));
    for (const socket of kept) expect(await ask(socket)).toContain(' 200 OK');
    // These connections open last. So once the server closes some of them as late, it will not close any earlier connection
    // as late.
    connections = await openMany(more, { open: () => openRaw(port, { from: OTHER }), ask: askOnce });
    await vi.waitFor(() => expect(countOpen()).toBe(PENDING_PER_ADDRESS_MAX), PATIENCE);
    expect(kept.filter(({ readableEnded, destroyed }) => readableEnded || destroyed)).toEqual([]);
    for (const socket of kept) socket.destroy();
  });

  test('closed connections do not count', async () => {
    for (let count = 0; count < MORE; count++) await askOnce();
  });
});
