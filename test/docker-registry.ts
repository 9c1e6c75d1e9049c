// Debian's docker-registry as a process on loopback: the peer of tests and benchmarks.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

export type DockerRegistry = { host: string; pid: number; stop(): Promise<void> };

/** It is up within 50 ms; a machine this slow is broken. */
const START_MS_MAX = 20_000;

/** Starts one that keeps everything in `directory`. `htpasswd` is the path of a password file (bcrypt lines). */
export async function startDockerRegistry(
  directory: string,
  options: { htpasswd?: string } = {},
): Promise<DockerRegistry> {
  const host = `127.0.0.1:${await freePort()}`;
  await mkdir(directory, { recursive: true });
  const config = join(directory, 'config.json');
  const { htpasswd } = options;
  const storage = { filesystem: { rootdirectory: join(directory, 'storage') }, delete: { enabled: true } };
  const auth = htpasswd === undefined ? {} : { auth: { htpasswd: { realm: 'test', path: htpasswd } } };
  // YAML is a superset of JSON.
  await writeFile(
    config,
    JSON.stringify({ version: 0.1, log: { level: 'error' }, storage, http: { addr: host }, ...auth }),
  );
  const server = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
  const failed = once(server, 'exit').then(() =>
    Promise.reject(new Error('docker-registry ended at once: is it installed?')),
  );
  await Promise.race([failed, untilUp(host)]);
  failed.catch(() => {});
  return {
    host,
    pid: server.pid ?? 0,
    async stop() {
      if (server.exitCode === null && server.kill()) {
        await once(server, 'exit');
      }
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function untilUp(host: string): Promise<void> {
  for (const end = Date.now() + START_MS_MAX; Date.now() < end; await pause(10)) {
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer !== undefined) {
      return;
    }
  }
  throw new Error('docker-registry does not answer');
}
