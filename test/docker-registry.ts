// Debian's docker-registry on loopback, as a real registry for the registry client. It can require htpasswd or tokens, or no
// log-in.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type DockerRegistry = {
  /** The address, `http://127.0.0.1:PORT`. */
  url: string;
  /** Host and port, `127.0.0.1:PORT`. */
  host: string;
  /** The process id, for measurements. */
  pid: number;
  stop(): Promise<void>;
};

type Options = {
  htpasswd?: { username: string; password: string };
  token?: { realm: string; service: string; issuer: string; certificate: string };
};

/** Starts a registry with its files in a temporary folder, and waits until it answers. */
export async function startDockerRegistry(options: Options = {}): Promise<DockerRegistry> {
  const directory = await mkdtemp(join(tmpdir(), 'larder-docker-registry-'));
  const host = `127.0.0.1:${await freePort()}`;
  const file = join(directory, 'config.json');
  // The registry reads YAML. JSON is valid YAML.
  await writeFile(file, JSON.stringify(await configuration(directory, host, options)));
  const child = spawn('docker-registry', ['serve', file], { stdio: 'ignore' });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await Promise.race([answering(`http://${host}/v2/`), died(child)]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `http://${host}`, host, pid: child.pid ?? 0, stop };
}

async function configuration(directory: string, host: string, options: Options): Promise<object> {
  const auth: Record<string, object> = {};
  if (options.htpasswd !== undefined) {
    const { username, password } = options.htpasswd;
    const path = join(directory, 'htpasswd');
    // The registry computes bcrypt at each request. The lowest cost keeps the tests fast.
    await writeFile(path, execFileSync('htpasswd', ['-Bbn', '-C', '4', username, password]));
    auth['htpasswd'] = { realm: 'larder tests', path };
  }
  if (options.token !== undefined) {
    const rootcertbundle = join(directory, 'token.pem');
    await writeFile(rootcertbundle, options.token.certificate);
    auth['token'] = { ...options.token, certificate: undefined, rootcertbundle };
  }
  return {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, 'data') }, delete: { enabled: true } },
    // The addresses of foreign layers are only stored and never requested.
    validation: { manifests: { urls: { allow: ['^https://example[.]org/'] } } },
    http: { addr: host, secret: 'shared by all registries of the tests' },
    ...(Object.keys(auth).length > 0 && { auth }),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return address !== null && typeof address === 'object' ? address.port : 0;
}

async function died(child: ReturnType<typeof spawn>): Promise<never> {
  const [code] = await once(child, 'exit');
  throw new Error(`docker-registry ended with ${code} before it answered`);
}

async function answering(url: string): Promise<void> {
  while (!(await answers(url))) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = request(url, (response) => {
      response.resume();
      resolve(true);
    });
    asking.on('error', () => resolve(false));
    asking.end();
  });
}
