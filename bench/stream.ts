// The peak memory of the server while one large layer is pushed and pulled. Compares Larder's hosted registry and
// docker-registry, with the same bytes in the same run.
// `npm run bench:stream` uses 2 GiB. `npm run bench:stream -- 256` uses another number of MiB.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { startDockerRegistry } from '../test/docker-registry.ts';
import { prepareBench } from './host.ts';
import { ratio, startLarder } from './larder.ts';

const MIB = 1024 * 1024;
const SIZE_MIB = Number(process.argv.slice(2).find((arg) => /^\d+$/.test(arg)) ?? 2048);

/** The aim for the peak memory of the server during a push or pull of the layer: 200 MB. */
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

/**
 * Returns the layer's bytes, which are made anew for each use. Neither compression nor deduplication can make its blocks
 * smaller.
 */
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

/** Returns the resident memory by the kernel's count: the current value (VmRSS), or the peak since the last reset (VmHWM). */
function memoryMib(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const [, kib] = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

/**
 * Runs `act`. Returns its duration, and the peak memory of the process during the run. Writing 5 to clear_refs resets VmHWM
 * (proc(5)).
 */
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

function report(figures: Figures[]): void {
  const rate = (seconds: number) => `${(SIZE_MIB / seconds).toFixed(0)} MiB/s`;
  for (const { name, restMib, pushMib, pullMib, pushSeconds, pullSeconds } of figures) {
    console.log(
      `${name.padEnd(16)} at rest ${restMib.toFixed(0)} MiB, peak while pushed ${pushMib.toFixed(0)} MiB (${rate(pushSeconds)}), peak while pulled ${pullMib.toFixed(0)} MiB (${rate(pullSeconds)})`,
    );
  }
}

/** Prints the ratios, one on each line. Later runs are compared by these lines. */
function reportRatios(ours: Figures, theirs: Figures): void {
  const peak = ({ pushMib, pullMib }: Figures) => Math.max(pushMib, pullMib);
  ratio('peak memory, Larder / the aim of 200 MB', peak(ours) / AIM_MIB);
  ratio('peak memory, Larder / docker-registry', peak(ours) / peak(theirs));
  ratio('memory grown over rest, Larder / size of the layer', (peak(ours) - ours.restMib) / SIZE_MIB);
  ratio('push rate, Larder / docker-registry', theirs.pushSeconds / ours.pushSeconds);
  ratio('pull rate, Larder / docker-registry', theirs.pullSeconds / ours.pullSeconds);
}

await prepareBench();
const directory = mkdtempSync(join(tmpdir(), 'larder-bench-stream-'));
// PostgreSQL's own user must be able to enter the folder.
chmodSync(directory, 0o711);
try {
  console.log(`one layer of ${SIZE_MIB} MiB, pushed in one PATCH and pulled back`);
  const digest = await digestOf(layer());
  const larder = await startLarder(directory);
  const peer = await startDockerRegistry();
  try {
    const authorization = `Basic ${Buffer.from(`bench:${larder.apiToken}`).toString('base64')}`;
    const { url, pid } = larder;
    const ours = await measure(
      { name: 'Larder', url, pid, repository: `${larder.namespace}/bench`, authorization },
      digest,
    );
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
