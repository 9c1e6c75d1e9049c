// The whole service, started like by a person: one process tree with a free port and its own folder. Tests use it through its
// API.
import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, openClient } from '../src/client/client.ts';

/**
 * How long to wait. Tests already send requests while two base images are built. The builds take a minute on an idle machine,
 * and five minutes next to other tests.
 */
export const PATIENCE_MS = 600_000;
const POLL_MS = 200;

type Part = 'server' | 'worker' | 'postgres';

export type Service = {
  url: string;
  data: string;
  apiToken: string;
  client: Client;
  catalog_id: string;
  /** Returns the current process id of this kind of process. */
  pidOf(what: Part): number;
  stop(): Promise<void>;
};

type ServiceOptions = {
  /** If the signal is aborted during the start, all started processes are ended and the start throws. */
  signal?: AbortSignal;
};

/** Starts the service and waits until it is ready. If it does not become ready, no process and no folder is left. */
export async function startTestService(
  env: Record<string, string> = {},
  { signal }: ServiceOptions = {},
): Promise<Service> {
  const data = await mkdtemp(join(tmpdir(), 'larder-service-'));
  const port = await freePort();
  const child = spawn(process.execPath, [new URL('../src/bin/all-in-one.ts', import.meta.url).pathname, '--yes'], {
    env: { ...process.env, ...env, LARDER_DATA: data, LARDER_PORT: String(port), LARDER_LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    await removeData(data);
  };
  signal?.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
  const url = `http://127.0.0.1:${port}`;
  try {
    const apiToken = await readToken(child);
    await until('the service is ready', async () => {
      signal?.throwIfAborted();
      return (await fetch(`${url}/readyz`).catch(() => undefined))?.ok;
    });
    const client = openClient({ url, apiToken });
    const catalog_id = (await client.call('listCatalogs', {})).items[0]?.id ?? '';
    const pidOf = (what: Part) => (what === 'postgres' ? postmaster(data) : childOf(child.pid ?? 0, what));
    return { url, data, apiToken, client, catalog_id, pidOf, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts another worker of a service, with its own data folder. Resolves when it takes jobs. */
export async function startTestWorker(
  service: Service,
  env: Record<string, string>,
): Promise<{ stop(): Promise<void> }> {
  const data = await mkdtemp(join(tmpdir(), 'larder-worker-'));
  const worker = fork(new URL('../src/bin/worker.ts', import.meta.url).pathname, {
    env: {
      ...environmentOf(service.pidOf('worker')),
      ...{ LARDER_DATA: data, LARDER_CONTENT: join(service.data, 'content') },
      ...{ LARDER_KEY_FILE: join(service.data, 'installation.key') },
      ...env,
    },
  });
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  await Promise.race([
    new Promise((resolve) => worker.once('message', resolve)),
    ended.then((code) => Promise.reject(new Error(`The worker ended with exit code ${code}`))),
  ]);
  return {
    async stop() {
      worker.kill('SIGTERM');
      await ended;
      await removeData(data);
    },
  };
}

/** Returns the environment with which a process was started. */
function environmentOf(pid: number): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

/** Calls `ask` until it returns a truthy value. Returns this value. */
export async function until<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
  const started = Date.now();
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() - started > PATIENCE_MS) throw new Error(`Timed out waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function readToken(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk;
      const token = /^API token: (\S+)$/m.exec(text)?.[1];
      if (token) resolve(token);
    });
    child.once('exit', (code) => reject(new Error(`The service ended with exit code ${code}:\n${text}`)));
  });
}

function childOf(parent: number, what: string): number {
  const lines = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(parent)], { encoding: 'utf8' }).split('\n');
  const line = lines.find((one) => one.includes(`/bin/${what}.`));
  if (!line) throw new Error(`There is no process ${what}`);
  return Number.parseInt(line, 10);
}

function postmaster(data: string): number {
  return Number.parseInt(readFileSync(join(data, 'postgresql', 'cluster', 'postmaster.pid'), 'utf8'), 10);
}

/**
 * Removes a data folder. Extracted layers belong to subordinate ids, so they can be removed only in the user namespace of
 * their owner.
 */
export async function removeData(data: string): Promise<void> {
  await rm(data, { recursive: true, force: true }).catch(() =>
    execFileSync('unshare', ['--map-auto', '--map-root-user', 'rm', '-rf', data]),
  );
}

/** Returns a port on which nothing listens. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
