// The embedded PostgreSQL as a process. It is started twice, killed, orphaned and stopped, and its folders have long paths.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { unprivileged } from '../../test/global-setup.ts';
import { type Embedded, type EmbeddedOptions, startEmbedded } from './embedded.ts';
import type { EmbeddedError } from './embedded-error.ts';
import { awaitReaping } from './embedded-process.ts';

/** The time limit of these tests. Creating a cluster takes 1.4 s, or a minute on a busy disk. */
const PATIENCE_MS = 100_000;
vi.setConfig({ testTimeout: 2 * PATIENCE_MS, hookTimeout: PATIENCE_MS });

let root: string;
let running: Embedded[];
let lines: string[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'larder-pg-'));
  chmodSync(root, 0o711);
  running = [];
  lines = [];
});
afterEach(async () => {
  await Promise.all(running.map((server) => server.stop()));
  rmSync(root, { recursive: true, force: true });
});

async function start(options: Partial<EmbeddedOptions> = {}): Promise<Embedded> {
  const say = (line: string) => lines.push(line);
  const server = await startEmbedded({ dataDirectory: join(root, 'pg'), say, ...unprivileged(), ...options });
  running.push(server);
  return server;
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

/**
 * Reads the pid of the postmaster. Throws while the file is empty, because an empty line would be read as 0, and 0 is the
 * process group of the tests.
 */
function postmaster(): number {
  const pid = Number(readFileSync(join(root, 'pg', 'cluster', 'postmaster.pid'), 'utf8').split('\n')[0]);
  if (!(pid > 1)) throw new Error('postmaster.pid is empty');
  return pid;
}

function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

describe('startEmbedded', () => {
  test('makes a cluster once, keeps its rows, and leaves nothing running', async () => {
    const before = performance.now();
    const first = await start();
    const firstMs = performance.now() - before;
    await query(first.url, 'create table kept as select 7 as n');
    const pid = postmaster();
    await first.stop();
    await first.stop();
    expect(isAlive(pid)).toBe(false);
    const again = performance.now();
    const second = await start();
    console.log(`first start ${firstMs.toFixed(0)} ms, second ${(performance.now() - again).toFixed(0)} ms`);
    expect(await query(second.url, 'select n from kept')).toEqual([{ n: 7 }]);
    expect(lines).toEqual([expect.stringContaining('Making the database')]);
  });

  test('is crash-safe, and reachable only through its socket by its own user', async () => {
    const { url } = await start();
    const shown = async (name: string) => (await query(url, `show ${name}`))[0];
    expect(await shown('fsync')).toEqual({ fsync: 'on' });
    expect(await shown('full_page_writes')).toEqual({ full_page_writes: 'on' });
    expect(await shown('synchronous_commit')).toEqual({ synchronous_commit: 'on' });
    expect(await shown('listen_addresses')).toEqual({ listen_addresses: '' });
    expect(await shown('data_checksums')).toEqual({ data_checksums: 'on' });
    expect(lstatSync(join(root, 'pg', 'socket')).mode & 0o777).toBe(0o700);
    expect(lstatSync(join(root, 'pg', 'socket', '.s.PGSQL.5432')).mode & 0o077).toBe(0);
  });

  test('runs in a separate session, so that Ctrl-C in the terminal does not stop it', async () => {
    await start();
    const pid = postmaster();
    const [, , , , , session] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ');
    expect(Number(session)).toBe(pid);
  });

  test('a second start on the directory of a running server is rejected', async () => {
    const { url } = await start();
    await expect(start()).rejects.toMatchObject({ code: 'IN_USE', message: expect.stringContaining('LARDER_DATA') });
    expect(await query(url, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  test('of many concurrent first starts one succeeds', async () => {
    const results = await Promise.allSettled(Array.from({ length: 4 }, () => start()));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('two directories have separate servers', async () => {
    const [one, two] = await Promise.all([start(), start({ dataDirectory: join(root, 'other') })]);
    expect(one.url).not.toBe(two.url);
  });

  test('a directory with a path too long for a socket gets a short folder', async () => {
    const deep = join(root, ...Array.from({ length: 8 }, () => 'a-rather-long-name'), 'pg');
    const { url } = await start({ dataDirectory: deep });
    expect(await query(url, 'select 1 as n')).toEqual([{ n: 1 }]);
    expect(existsSync(join(deep, 'socket'))).toBe(false);
    rmSync(new URL(url).searchParams.get('host') ?? '', { recursive: true });
  });

  test('a cluster of another major version is rejected, and both versions are named', async () => {
    const server = await start();
    await server.stop();
    writeFileSync(join(root, 'pg', 'cluster', 'PG_VERSION'), '17\n');
    await expect(start()).rejects.toMatchObject({ code: 'VERSION', message: expect.stringMatching(/17.*18/) });
  });

  test.runIf(process.getuid?.() === 0)('root is rejected without another user', async () => {
    const asRoot = startEmbedded({ dataDirectory: join(root, 'pg') });
    await expect(asRoot).rejects.toMatchObject({ code: 'ROOT' });
  });

  test('a failed start is reported with the end of the log', async () => {
    const server = await start();
    await server.stop();
    await expect(start({ settings: { shared_buffers: 'lots' } })).rejects.toMatchObject({
      code: 'START',
      message: expect.stringContaining('shared_buffers'),
    });
    expect(await query((await start()).url, 'select 1 as n')).toEqual([{ n: 1 }]);
  });
});

describe('after a kill', () => {
  test('the orphan of a killed Larder is stopped, and its rows are kept', async () => {
    const child = fork(fileURLToPath(new URL('../../test/embedded-victim.ts', import.meta.url)), [join(root, 'pg')]);
    await once(child, 'message');
    const orphan = postmaster();
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isAlive(orphan)).toBe(true);
    const server = await start();
    expect(isAlive(orphan)).toBe(false);
    expect(lines[0]).toContain(String(orphan));
    expect(await query(server.url, 'select n from kept')).toEqual([{ n: 7 }]);
  });

  test('a stale pid file does not prevent the start, even if another process has its pid', async () => {
    const bystander = spawn('sleep', ['60'], { cwd: '/', ...unprivileged() });
    const dead = 2 ** 22;
    try {
      const file = join(root, 'pg', 'cluster', 'postmaster.pid');
      for (const pid of [bystander.pid, dead]) {
        const server = await start();
        await server.stop();
        writeFileSync(file, `${pid}\n${dirname(file)}\n1\n5432\n${join(root, 'pg', 'socket')}\n\n\nready\n`);
      }
      await start();
      expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
    } finally {
      bystander.kill();
    }
  });

  test('the start waits for a killed postmaster that is not reaped, and throws with its parent if it stays', async () => {
    await (await start()).stop();
    // `exec` replaces the shell by a program that does not know the child, so that nobody reaps the child.
    const parent = spawn('/bin/sh', ['-c', 'sleep 1 & echo $!; exec sleep 600'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      const pid = Number(String((await once(parent.stdout, 'data'))[0]));
      await expect.poll(() => readFileSync(`/proc/${pid}/stat`, 'utf8'), { timeout: 10_000 }).toContain(') Z ');
      const file = join(root, 'pg', 'cluster', 'postmaster.pid');
      writeFileSync(file, `${pid}\n${join(root, 'pg', 'cluster')}\n`);
      await expect(awaitReaping(pid, () => {}, 50)).rejects.toThrow(
        new RegExp(`process ${pid} has ended but is a zombie: its parent, process ${parent.pid}, .*docker run --init`),
      );
      const again = start();
      again.catch(() => {});
      await expect.poll(() => lines.join('\n'), { timeout: 5_000 }).toContain(`process ${pid}`);
      parent.kill('SIGKILL');
      expect(await query((await again).url, 'select 1 as n')).toEqual([{ n: 1 }]);
    } finally {
      parent.kill('SIGKILL');
    }
  });

  test('an interrupted first start is repeated', async () => {
    const half = join(root, 'pg', 'cluster.new');
    const server = await start();
    await server.stop();
    rmSync(join(root, 'pg', 'cluster'), { recursive: true });
    lines.length = 0;
    mkdirSync(half, { recursive: true });
    writeFileSync(join(half, 'PG_VERSION'), '18\n');
    await start();
    expect(lines).toEqual([expect.stringContaining('Making the database')]);
    expect(existsSync(half)).toBe(false);
  });

  test('a killed postmaster is restarted, with every committed row', async () => {
    const { url } = await start();
    await query(url, 'create table kept as select 7 as n');
    const before = performance.now();
    process.kill(postmaster(), 'SIGKILL');
    await expect
      .poll(() => query(url, 'select n from kept').catch(() => undefined), { timeout: PATIENCE_MS, interval: 20 })
      .toEqual([{ n: 7 }]);
    console.log(`back after ${(performance.now() - before).toFixed(0)} ms`);
    expect(lines.some((line) => line.includes('SIGKILL'))).toBe(true);
  });

  test('a server that is killed repeatedly is reported as lost, and stops cleanly', async () => {
    const lost = Promise.withResolvers<EmbeddedError>();
    await start({ onLost: lost.resolve });
    const killer = setInterval(() => {
      try {
        process.kill(postmaster(), 'SIGKILL');
      } catch {
        // There is no process to kill, because the server was killed before and the next server has not started.
      }
    }, 20);
    expect(await lost.promise).toMatchObject({ code: 'START' });
    clearInterval(killer);
    await running[0]?.stop();
  });

  test('a stopped server stays stopped', async () => {
    const server = await start();
    const pid = postmaster();
    await server.stop();
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(join(root, 'pg', 'cluster', 'postmaster.pid'))).toBe(false);
    await expect(query(server.url, 'select 1')).rejects.toThrow();
  });
});
