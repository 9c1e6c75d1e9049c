// TLS from files. Unusable files are rejected, and changed files are loaded without closing connections.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openTestApi } from '../../test/api.ts';
import { makeSelfSigned } from '../../test/self-signed.ts';
import { openLog } from '../log.ts';
import { buildServer } from './server.ts';
import { followTlsFiles, readTlsFiles } from './tls-files.ts';

let directory: string;
const at = (name: string) => join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'larder-tls-'));
  for (const name of ['one', 'two']) makePair(name);
});
afterAll(() => rmSync(directory, { recursive: true }));

function makePair(name: string): void {
  makeSelfSigned({ key: at(`${name}.key`), cert: at(`${name}.crt`) }, name, 'DNS:localhost');
}

const pairOf = (cert: string, key = cert) => ({ cert: at(`${cert}.crt`), key: at(`${key}.key`) });

function dial(port: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => resolve(socket));
    socket.on('error', reject);
  });
}

const nameOf = (socket: TLSSocket) => String(socket.getPeerCertificate().subject.CN);

/** Sends a request on an open connection, and resolves with the first bytes of the answer. */
function get(socket: TLSSocket): Promise<string> {
  const answered = new Promise<string>((resolve) => socket.once('data', (bytes) => resolve(bytes.toString())));
  socket.write('GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n');
  return answered;
}

describe('files that cannot be used', () => {
  test('are rejected with the name of their setting', async () => {
    await expect(readTlsFiles({ ...pairOf('one'), key: at('none') })).rejects.toThrow(/^LARDER_TLS_KEY names .*ENOENT/);
    await expect(readTlsFiles(pairOf('one', 'two'))).rejects.toThrow(
      /^The certificate in LARDER_TLS_CERT and the key in LARDER_TLS_KEY are not a valid pair: /,
    );
    writeFileSync(at('bad.crt'), 'no certificate');
    await expect(readTlsFiles({ ...pairOf('one'), cert: at('bad.crt') })).rejects.toMatchObject({ code: 'TLS_FILES' });
  });
});

test('the API is served over TLS, with strict-transport-security', async () => {
  const tls = await readTlsFiles(pairOf('one'));
  const api = await openTestApi({ build: (parts) => buildServer({ ...parts, tls }) });
  expect(await api.app.listen({ host: '127.0.0.1', port: 0 })).toMatch(/^https:/);
  const socket = await dial((api.app.server.address() as AddressInfo).port);
  expect(await get(socket)).toMatch(/^HTTP\/1\.1 200 [\s\S]*strict-transport-security: max-age=31536000/);
  socket.destroy();
  await api.close();
});

test('new files are used for new connections, open ones continue, and unusable files change nothing', async () => {
  const live = pairOf('live');
  const turn = (name: string) => {
    copyFileSync(at(`${name}.crt`), live.cert);
    copyFileSync(at(`${name}.key`), live.key);
  };
  turn('one');
  const lines: string[] = [];
  const log = openLog({ level: 'info', destination: { write: (line: string) => lines.push(line) } });
  const server = createServer({ cert: readFileSync(live.cert), key: readFileSync(live.key) }, (_, answer) =>
    answer.end('x'),
  );
  const followed = followTlsFiles(server, live, { log, everyMs: 20 });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const fresh = async () => {
    const socket = await dial(port);
    socket.end();
    return nameOf(socket);
  };
  const kept = await dial(port);
  expect([await get(kept), nameOf(kept)]).toEqual([expect.stringContaining('200 OK'), 'one']);
  turn('two');
  await vi.waitFor(async () => expect(await fresh()).toBe('two'), { timeout: 10_000 });
  expect([await get(kept), nameOf(kept)]).toEqual([expect.stringContaining('200 OK'), 'one']);
  followed.stop();
  writeFileSync(live.key, 'no key');
  await followed.reload();
  expect(await fresh()).toBe('two');
  expect(lines.at(-1)).toContain('the previous ones stay in use');
  turn('one');
  await followed.reload();
  expect(await fresh()).toBe('one');
  kept.destroy();
  server.close();
});
