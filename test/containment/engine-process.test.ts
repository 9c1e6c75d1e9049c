// Attacks of an image on its engine process. If the process dies, one task ends and reports the cause. The worker, other
// tasks and locks continue.
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { harmlessEnvironment } from '../../src/config/config.ts';
import type { ContentStore } from '../../src/content/content.ts';
import { openDiskContent } from '../../src/content/disk.ts';
import { ENGINE_MEMORY_BYTES, startEngineChild } from '../../src/engine/child.ts';
import { type Engine, EngineProcessDied } from '../../src/engine/engine.ts';
import { openEnginePool } from '../../src/engine/pool.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { once } from '../../src/oci/manifest.ts';
import { hostPlatform } from '../../src/packaging/image/base-image.ts';
import { writeImage } from '../../src/packaging/image/image.ts';
import type { Artifact } from '../../src/plan/artifact.ts';
import type { ImagePlan, ProductTest } from '../../src/plan/image-plan.ts';
import { DEBIAN_12 } from '../debian-files.ts';
import { programsLayer, sandboxMode } from '../fixtures/build.ts';
import { imageArtifact, samplePlan } from '../stored-values.ts';

let directory: string;
let content: ContentStore;
let engine: Engine;
const warnings: object[] = [];
const setup = () => ({
  directory: join(directory, 'work'),
  contentDirectory: join(directory, 'content'),
  probe: sandboxMode,
});

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'larder-engine-'));
  // The account of the sandboxes must be able to enter the folder.
  await chmod(directory, 0o755);
  content = await openDiskContent(join(directory, 'content'));
  engine = openEnginePool({
    setup: setup(),
    environment: harmlessEnvironment(),
    log: { warn: (what: object) => void warnings.push(what) } as never,
  });
});
afterAll(async () => {
  await engine?.close();
  await rm(directory, { recursive: true, force: true }).catch(() => undefined);
});

/** Stores a document that is not an image. */
async function strangeRoot(bytes: Buffer): Promise<Descriptor> {
  const { digest, size } = await content.put(once(bytes));
  return { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size };
}

const pinning = async (bytes: Buffer) =>
  engine.run('pin-base-image', { root: await strangeRoot(bytes), name: 'x', system: DEBIAN_12 });

/** Returns the ids of the engine processes of this process. */
function engines(): number[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
    .split(' ')
    .filter(Boolean)
    .map(Number);
  return children.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('engine-process'));
}

test('passes on an error whose message is for the image’s owner', async () => {
  await expect(pinning(Buffer.from('{"schemaVersion": 1}'))).rejects.toMatchObject({
    name: 'BuildError',
    cause_kind: 'BUILD_ERROR',
  });
});

test('a process that failed at an image gets no other task', async () => {
  const before = new Set(engines());
  const task = pinning(Buffer.from('1'));
  task.catch(() => undefined);
  await expect.poll(() => engines().filter((pid) => !before.has(pid)).length).toBe(1);
  await expect(task).rejects.toMatchObject({ name: 'BuildError' });
  await expect.poll(() => engines().filter((pid) => !before.has(pid))).toEqual([]);
});

test('has none of the installation’s secrets', async () => {
  process.env['LARDER_DATABASE_URL'] = 'postgres://larder:hidden-word@/larder';
  try {
    const own = openEnginePool({
      setup: setup(),
      environment: harmlessEnvironment(),
      log: { warn: () => undefined } as never,
    });
    const before = new Set(engines());
    const task = own.run('verify', await slowVerification());
    task.catch(() => undefined);
    await expect.poll(() => engines().filter((pid) => !before.has(pid)).length).toBe(1);
    for (const pid of engines()) expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('hidden-word');
    await own.close();
  } finally {
    delete process.env['LARDER_DATABASE_URL'];
  }
});

test('unlimited memory ends the process and not the worker; another process does the next task', async () => {
  const flags = [
    '--import',
    `data:text/javascript,${encodeURIComponent('const kept = []; setInterval(() => kept.push(Buffer.alloc(64e6, 1)), 5)')}`,
  ];
  const child = startEngineChild({ setup: setup(), environment: harmlessEnvironment(), flags });
  const root = await strangeRoot(Buffer.from('4'));
  const task = child.run('verify', await slowVerification(), { onCall: () => new Promise(() => undefined) });
  await expect(task).rejects.toThrow(`used more than ${ENGINE_MEMORY_BYTES / 1024 ** 2} MiB of memory`);
  await expect(task).rejects.toBeInstanceOf(EngineProcessDied);
  expect(child.alive).toBe(false);
  // A task that is sent after the process has ended must be rejected too, and must not wait for a result.
  await expect(
    child.run('verify', await slowVerification(), { onCall: () => new Promise(() => undefined) }),
  ).rejects.toBeInstanceOf(EngineProcessDied);
  await expect(engine.run('pin-base-image', { root, name: 'x', system: DEBIAN_12 })).rejects.toMatchObject({
    name: 'BuildError',
  });
});

test('Ctrl-C in the worker’s terminal does not reach it, because it has its own process group', async () => {
  const before = new Set(engines());
  const controller = new AbortController();
  const task = engine.run('verify', await slowVerification(), { signal: controller.signal });
  task.catch(() => undefined);
  await expect.poll(() => engines().filter((pid) => !before.has(pid)).length).toBe(1);
  const [pid = 0] = engines().filter((one) => !before.has(one));
  // The fields after the name are state, parent and process group (proc_pid_stat(5)).
  const group = (of: number | 'self') => readFileSync(`/proc/${of}/stat`, 'utf8').split(') ')[1]?.split(' ')[2];
  expect(group(pid)).toBe(String(pid));
  expect(group('self')).not.toBe(String(pid));
  controller.abort(new Error('enough'));
  await expect(task).rejects.toThrow('enough');
});

test('a killed process fails its task with the signal, in the error and in the log', async () => {
  const before = new Set(engines());
  const task = engine.run('verify', await slowVerification());
  task.catch(() => undefined);
  await expect.poll(() => engines().filter((pid) => !before.has(pid)).length).toBe(1);
  const [victim = process.pid] = engines().filter((pid) => !before.has(pid));
  process.kill(victim, 'SIGKILL');
  await expect(task).rejects.toThrow('ended unexpectedly (SIGKILL)');
  expect(warnings.length).toBeGreaterThan(0);
});

describe.skipIf(sandboxMode.mode === 'files-only')('cancelling', () => {
  test('ends a running verification and its sandbox within two seconds', async () => {
    const controller = new AbortController();
    let printed = '';
    const log = {
      write(bytes: Buffer) {
        printed += bytes.toString();
      },
    };
    const task = engine.run('verify', await slowVerification(), { signal: controller.signal, log });
    await expect.poll(() => printed, { timeout: 20_000 }).toContain('service is up');
    const begin = performance.now();
    controller.abort(new Error('the application was removed'));
    await expect(task).rejects.toThrow('the application was removed');
    expect(performance.now() - begin).toBeLessThan(2000);
    expect(processesWith('sleep 7919191')).toEqual([]);
  });

  test('ends a process that computes without a pause', async () => {
    const controller = new AbortController();
    const busy = `data:text/javascript,${encodeURIComponent('process.on("message", (m) => { if ("run" in m) for (;;); })')}`;
    const child = startEngineChild({ setup: setup(), environment: harmlessEnvironment(), flags: ['--import', busy] });
    const task = child.run('verify', await slowVerification(), {
      signal: controller.signal,
      onCall: async () => undefined,
    });
    controller.abort(new Error('enough'));
    await expect(task).rejects.toThrow('enough');
    await expect.poll(() => child.alive).toBe(false);
  });
});

test('the locks of a dead task are free for other tasks', async () => {
  const pool = openEnginePool({
    setup: setup(),
    environment: harmlessEnvironment(),
    log: { warn: () => undefined } as never,
  });
  const before = new Set(engines());
  const first = pool.run('verify', await slowVerification('one'));
  first.catch(() => undefined);
  await expect.poll(() => engines().filter((pid) => !before.has(pid)).length).toBe(1);
  const second = pool.run('verify', await slowVerification('one'));
  second.catch(() => undefined);
  await expect.poll(() => engines().filter((pid) => !before.has(pid)).length).toBe(2);
  const [victim = 0] = engines().filter((pid) => !before.has(pid));
  process.kill(victim, 'SIGKILL');
  await expect(Promise.race([first, second])).rejects.toBeInstanceOf(EngineProcessDied);
  if (sandboxMode.mode !== 'files-only')
    await expect.poll(() => processesWith('sleep 7919191').length, { timeout: 20_000 }).toBeGreaterThan(0);
  await pool.close();
  await expect(second).rejects.toBeInstanceOf(EngineProcessDied);
});

test('ends when the channel to a dead worker breaks', async () => {
  const child = startEngineChild({ setup: setup(), environment: harmlessEnvironment() });
  const task = child.run(
    'pin-base-image',
    { root: await strangeRoot(gzipSync('x')), name: 'x', system: DEBIAN_12 },
    { onCall: async () => undefined },
  );
  await expect(task).rejects.toBeInstanceOf(Error);
  await child.end();
  expect(child.alive).toBe(false);
});

const MINUTES: ProductTest = { name: 'waits', kind: 'exec', command: ['sleep', '7919191'], timeout_seconds: 600 };

/** Returns an image whose verification runs for minutes. */
async function slowVerification(word = 'image'): Promise<{ plan: ImagePlan; artifact: Artifact }> {
  const layer = await programsLayer(content);
  const image = await writeImage(content, {
    platform: hostPlatform(),
    layers: [{ ...layer, created_by: word }],
    config: { Entrypoint: ['sh', '-c', 'echo service is up; exec sleep 7919191'] },
    epoch: 1_760_000_000,
  });
  return { plan: samplePlan({ tests: [MINUTES] }), artifact: imageArtifact(image, [layer.descriptor]) };
}

function processesWith(line: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => commandOf(pid))
    .filter((command) => command.startsWith(line));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
