// All ways to stop Larder, with the real programs: normally, during the start, twice, without a terminal, and after the death
// of a process.
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { endEntrances, type StartedEntrance, startEntrance } from '../../test/entrance.ts';
import { processesOf } from '../../test/processes.ts';
import { until } from '../../test/service.ts';

const PATIENCE_MS = 180_000;

afterEach(endEntrances, PATIENCE_MS);

/** The time within which Larder must stop (README, operator guide). */
const DRAIN_MS = 20_000;

async function endsWithin(service: StartedEntrance, ms: number): Promise<number | string> {
  return await Promise.race([service.ended, delay(ms, 'too late', { ref: false })]);
}

function pidOf(service: StartedEntrance, part: 'server' | 'worker'): number {
  const line = processesOf(service.data).find((one) => one.includes(`/bin/${part}.`));
  return line === undefined ? 0 : Number.parseInt(line, 10);
}

test('SIGTERM to «npm start» reaches Larder through npm, without a shell in between', {
  timeout: PATIENCE_MS,
}, async () => {
  const service = await startEntrance('all-in-one', { command: ['npm', 'start', '--'] });
  await service.says(/Making the database/);
  service.child.kill('SIGTERM');
  await service.nobodyLeft();
});

describe('before it is ready', () => {
  test('SIGTERM while the database is made leaves nothing running', { timeout: PATIENCE_MS }, async () => {
    const service = await startEntrance('all-in-one');
    await service.says(/Making the database/);
    service.child.kill('SIGTERM');
    expect(await endsWithin(service, DRAIN_MS)).toBe(143);
    await service.nobodyLeft();
    expect(service.said()).not.toMatch(/Error|initdb/);
    // The database that the interrupted start left incomplete must not be used.
    const again = await startEntrance('all-in-one', { data: service.data });
    await again.ready();
  });

  test('SIGINT while PostgreSQL and the processes start leaves nothing running', { timeout: PATIENCE_MS }, async () => {
    const service = await startEntrance('all-in-one');
    const file = join(service.data, 'postgresql', 'cluster', 'postmaster.pid');
    await until('PostgreSQL was started', async () => existsSync(file) && readFileSync(file, 'utf8').includes('\n'));
    service.child.kill('SIGINT');
    expect(await endsWithin(service, DRAIN_MS)).toBe(130);
    await service.nobodyLeft();
    expect(service.said()).not.toMatch(/Error/);
  });

  test('a server that waits for its database stops at once', { timeout: PATIENCE_MS }, async () => {
    // This server accepts connections and sends nothing, like a broken proxy in front of a database.
    const silent = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const env = { LARDER_DATABASE_URL: `postgresql://larder@127.0.0.1:${port}/larder` };
    const server = await startEntrance('server', { env });
    await until('it listens to signals', async () => {
      const caught = /^SigCgt:\s*(\S+)$/m.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))?.[1] ?? '0';
      return BigInt(`0x${caught}`) & 1n;
    });
    server.child.kill('SIGTERM');
    expect(await endsWithin(server, DRAIN_MS)).toBe(143);
    silent.close();
  });
});

describe('when it is up', () => {
  test('a closed terminal stops it in order', { timeout: PATIENCE_MS }, async () => {
    const service = await startEntrance('all-in-one');
    await service.says(/Larder is ready/);
    service.child.kill('SIGHUP');
    expect(await endsWithin(service, DRAIN_MS)).toBe(0);
    await service.nobodyLeft();
  });

  test('a signal that npm repeats counts once; a second request forces the end', { timeout: PATIENCE_MS }, async () => {
    const service = await startEntrance('all-in-one');
    await service.says(/Larder is ready/);
    // This upload never ends. A normal stop waits five seconds for it.
    const { hostname, port } = new URL(service.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write('POST /csp/gateway/am/api/auth/api-tokens/authorize HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n');
    service.child.kill('SIGINT');
    service.child.kill('SIGINT');
    await until('it drains', async () => (await fetch(`${service.url}/readyz`).catch(() => undefined))?.status !== 200);
    await delay(1_100);
    expect(service.child.exitCode).toBe(null);
    service.child.kill('SIGINT');
    expect(await endsWithin(service, 1_000)).toBe(130);
    await service.nobodyLeft();
    socket.destroy();
    const again = await startEntrance('all-in-one', { data: service.data });
    await again.ready();
  });

  test('it continues without readers of its output, and stops in order', { timeout: PATIENCE_MS }, async () => {
    const service = await startEntrance('all-in-one', { env: { LARDER_LOG_LEVEL: 'debug' } });
    await service.says(/Making the database/);
    service.child.stdout?.destroy();
    service.child.stderr?.destroy();
    await service.ready();
    expect((await fetch(`${service.url}/v1/api.yml`)).status).toBe(200);
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
    service.child.kill('SIGTERM');
    // The server may answer before its parent has received the message that the start is complete. So the exit code may be 0
    // or 143.
    expect([0, 143]).toContain(await endsWithin(service, DRAIN_MS));
    await service.nobodyLeft();
  });

  test('a part that dies is restarted at once, and a server that keeps dying ends Larder', {
    timeout: PATIENCE_MS,
  }, async () => {
    const service = await startEntrance('all-in-one');
    await service.says(/Larder is ready/);
    const worker = pidOf(service, 'worker');
    process.kill(worker, 'SIGKILL');
    await until('another worker', async () => ![0, worker].includes(pidOf(service, 'worker')));
    const server = pidOf(service, 'server');
    // If other users can read the key file, every start fails.
    chmodSync(join(service.data, 'installation.key'), 0o644);
    process.kill(server, 'SIGKILL');
    expect(await endsWithin(service, PATIENCE_MS)).toBe(1);
    expect(service.said()).toMatch(/^larder: The server was started again 10 times and never stayed up/m);
    await service.nobodyLeft();
  });
});
