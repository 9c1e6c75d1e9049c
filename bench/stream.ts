// Peak memory of the server while one large layer is pushed and pulled: Larder's hosted registry and docker-registry, the same bytes in the same run.
// `npm run bench:stream` (2 GiB), or `npm run bench:stream -- 256` for another number of MiB.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { openDatabase } from '../src/db/database.ts';
import { startEmbedded } from '../src/db/embedded.ts';
import { findAccount } from '../src/host/accounts.ts';
import { PROCESS_FLAGS } from '../src/supervise.ts';
import { startDockerRegistry } from '../test/docker-registry.ts';

const MIB = 1024 * 1024;
const SIZE_MIB = Number(process.argv[2] ?? 2048);

/** What the server may take while the layer passes through: 200 MB. */
const AIM_MIB = 200e6 / MIB;

const seed = randomBytes(MIB);

type Peer = { name: string; url: string; pid: number; repository: string; authorization?: string };

type Figures = {
  name: string;
  restMib: number;
  pushMib: number;
  pullMib: number;
  pushSeconds: number;
  pullSeconds: number;
};

/** The layer's bytes, made again for each use: blocks that no compression and no deduplication makes smaller. */
function layer(): Readable {
  return Readable.from(
    (function* () {
      for (let number = 0; number < SIZE_MIB; number += 1) {
        const bytes = Buffer.from(seed);
        bytes.writeUInt32BE(number);
        yield bytes;
      }
    })(),
    { objectMode: false, highWaterMark: MIB },
  );
}
async function digestOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of bytes) {
    hash.update(chunk);
  }
  return `sha256:${hash.digest('hex')}`;
}

type Sent = { method: string; path: string; headers?: Record<string, string | number>; body?: Readable };

async function send(peer: Peer, { method, path, headers = {}, body }: Sent): Promise<IncomingMessage> {
  const all = { ...headers, ...(peer.authorization !== undefined && { authorization: peer.authorization }) };
  const asking = request(new URL(path, peer.url), { method, headers: all });
  const answering = once(asking, 'response') as Promise<[IncomingMessage]>;
  if (body === undefined) {
    asking.end();
  } else {
    await pipeline(body, asking);
  }
  const [response] = await answering;
  if ((response.statusCode ?? 500) >= 300) {
    throw new Error(`${peer.name}: ${method} ${path} answered ${response.statusCode}`);
  }
  return response;
}

async function push(peer: Peer, digest: string): Promise<void> {
  const begun = await send(peer, { method: 'POST', path: `/v2/${peer.repository}/blobs/uploads/` });
  begun.resume();
  const headers = { 'content-length': SIZE_MIB * MIB, 'content-type': 'application/octet-stream' };
  const path = begun.headers.location ?? '';
  const sent = await send(peer, { method: 'PATCH', path, headers, body: layer() });
  sent.resume();
  const closing = new URL(sent.headers.location ?? path, peer.url);
  closing.searchParams.set('digest', digest);
  (await send(peer, { method: 'PUT', path: closing.href, headers: { 'content-length': 0 } })).resume();
}

async function pull(peer: Peer, digest: string): Promise<void> {
  const pulled = await digestOf(await send(peer, { method: 'GET', path: `/v2/${peer.repository}/blobs/${digest}` }));
  if (pulled !== digest) {
    throw new Error(`${peer.name} gave ${pulled} for ${digest}`);
  }
}

/** Resident memory as the kernel counts it: now (VmRSS), or the most since the last reset (VmHWM). */
function memoryMib(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const [, kib] = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

/** proc(5): 5 resets the high-water mark. */
async function peakDuring(pid: number, act: () => Promise<void>): Promise<{ mib: number; seconds: number }> {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  const begun = performance.now();
  await act();
  return { seconds: (performance.now() - begun) / 1000, mib: memoryMib(pid, 'VmHWM') };
}

async function measure(peer: Peer, digest: string): Promise<Figures> {
  const restMib = memoryMib(peer.pid, 'VmRSS');
  const pushed = await peakDuring(peer.pid, () => push(peer, digest));
  const pulled = await peakDuring(peer.pid, () => pull(peer, digest));
  const { name } = peer;
  return {
    name,
    restMib,
    pushMib: pushed.mib,
    pullMib: pulled.mib,
    pushSeconds: pushed.seconds,
    pullSeconds: pulled.seconds,
  };
}

/** The server as an operator runs it beside a PostgreSQL: API, files and registry in one process. */
async function startLarder(directory: string): Promise<{ peer: Peer; stop: () => Promise<void> }> {
  const account = process.getuid?.() === 0 ? (findAccount('larder') ?? findAccount('nobody')) : undefined;
  const dataDirectory = join(directory, 'postgresql');
  const database = await startEmbedded({ dataDirectory, ...(account && { uid: account.uid, gid: account.gid }) });
  const port = await freePort();
  const server = spawn(
    process.execPath,
    [...PROCESS_FLAGS, join(import.meta.dirname, '..', 'src', 'bin', 'server.ts')],
    {
      env: {
        ...process.env,
        LARDER_DATA: directory,
        LARDER_DATABASE_URL: database.url,
        LARDER_PORT: String(port),
        LARDER_LOG_LEVEL: 'error',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const stop = async () => {
    // Nothing of it is needed any more, and without a worker it never becomes ready to drain.
    if (server.exitCode === null && server.kill('SIGKILL')) {
      await once(server, 'exit');
    }
    await database.stop();
  };
  try {
    const token = await printedToken(server);
    const { db, close } = openDatabase(database.url);
    const { namespace } = await db.selectFrom('organizations').select('namespace').executeTakeFirstOrThrow();
    await close();
    const authorization = `Basic ${Buffer.from(`bench:${token}`).toString('base64')}`;
    const url = `http://127.0.0.1:${port}`;
    return {
      peer: { name: 'Larder', url, pid: server.pid ?? 0, repository: `${namespace}/bench`, authorization },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A first start prints it once everything that it opens is committed; the server listens by then. */
async function printedToken(server: ChildProcessByStdio<null, Readable, null>): Promise<string> {
  for await (const line of createInterface({ input: server.stdout })) {
    const [, token] = /^API token: (\S+)$/.exec(line) ?? [];
    if (token !== undefined) {
      return token;
    }
  }
  throw new Error('the server ended before it printed an API token');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function report(figures: Figures[]): void {
  const rate = (seconds: number) => `${(SIZE_MIB / seconds).toFixed(0)} MiB/s`;
  for (const { name, restMib, pushMib, pullMib, pushSeconds, pullSeconds } of figures) {
    console.log(
      `${name.padEnd(16)} at rest ${restMib.toFixed(0)} MiB, peak while pushed ${pushMib.toFixed(0)} MiB (${rate(pushSeconds)}), peak while pulled ${pullMib.toFixed(0)} MiB (${rate(pullSeconds)})`,
    );
  }
}

/** The ratios, a line each: what a later run is compared by. */
function reportRatios(ours: Figures, theirs: Figures): void {
  const peak = ({ pushMib, pullMib }: Figures) => Math.max(pushMib, pullMib);
  const ratio = (label: string, value: number) => console.log(`ratio ${label}: ${value.toFixed(2)}`);
  ratio('peak memory, Larder / the aim of 200 MB', peak(ours) / AIM_MIB);
  ratio('peak memory, Larder / docker-registry', peak(ours) / peak(theirs));
  ratio('memory grown over rest, Larder / size of the layer', (peak(ours) - ours.restMib) / SIZE_MIB);
  ratio('push rate, Larder / docker-registry', theirs.pushSeconds / ours.pushSeconds);
  ratio('pull rate, Larder / docker-registry', theirs.pullSeconds / ours.pullSeconds);
}

const directory = mkdtempSync(join(tmpdir(), 'larder-bench-stream-'));
// PostgreSQL's own user must be able to enter.
chmodSync(directory, 0o711);
try {
  console.log(`one layer of ${SIZE_MIB} MiB, pushed in one PATCH and pulled back`);
  const digest = await digestOf(layer());
  const larder = await startLarder(directory);
  const peer = await startDockerRegistry();
  try {
    const ours = await measure(larder.peer, digest);
    const theirs = await measure(
      { name: 'docker-registry', url: peer.url, pid: peer.pid, repository: 'bench' },
      digest,
    );
    report([ours, theirs]);
    reportRatios(ours, theirs);
  } finally {
    await peer.stop();
    await larder.stop();
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
