// Only the verification, with the same plans, artifacts and number of engine processes as in a worker, but without queue and
// database. It is a separate process, because it gives up root like a worker.
import { join } from 'node:path';
import { leaveRoot } from '../src/bin/entrance.ts';
import { harmlessEnvironment, readConfig } from '../src/config/config.ts';
import { openDiskContent } from '../src/content/disk.ts';
import { openEnginePool } from '../src/engine/pool.ts';
import { prepareControlGroups } from '../src/host/control-groups.ts';
import { openLog } from '../src/log.ts';
import type { ImageConfig, Manifest } from '../src/oci/descriptor.ts';
import { readDocument } from '../src/packaging/image/image.ts';
import { prepareRoots } from '../src/packaging/image/rootfs.ts';
import { type Artifact, soleRoot } from '../src/plan/artifact.ts';
import { readStoredPlan } from '../src/plan/plan.ts';
import { exclusiveBy, keyedLocks } from '../src/sandbox/exclusive.ts';
import { probeSandbox } from '../src/sandbox/sandbox-mode.ts';

export type VerifyMessage = { artifacts: { plan_digest: string; artifact: Artifact }[] };
export type VerifyDone = { images: number; seconds: number; failed: number };

const config = readConfig();
await leaveRoot('worker', config);
prepareControlGroups();
const content = await openDiskContent(config.contentDirectory);
const probe = await probeSandbox();
// The verification has its own folder, so that it does not find layers that the worker has extracted.
const directory = join(config.data, 'work', 'bench');
const workspace = { directory, content, probe, exclusive: exclusiveBy(keyedLocks()) };
const engine = openEnginePool({
  setup: { directory, contentDirectory: config.contentDirectory, probe },
  log: openLog({ level: 'error' }),
  environment: harmlessEnvironment(),
});

/**
 * Extracts all layers of an artifact except the topmost. The worker also has these layers, from earlier releases of the
 * fleet.
 */
async function layOut(artifact: Artifact): Promise<void> {
  const { parts, content: own } = soleRoot(artifact);
  for (const { manifest } of parts) {
    const { layers } = await readDocument<Manifest>(content, manifest.digest);
    const { rootfs } = await readDocument<ImageConfig>(content, own.digest);
    const pins = layers.map((descriptor, at) => ({ descriptor, diff_id: rootfs.diff_ids[at] ?? descriptor.digest }));
    await prepareRoots(workspace, pins.slice(0, -1), { step: 'verification' });
  }
}

type Input = { plan: ReturnType<typeof readStoredPlan>; artifact: Artifact };
let inputs: Input[] = [];

/**
 * Prepares the measurement. Verifies the first images, so that the engine processes are started. For all images, extracts
 * every layer except the topmost.
 */
async function prepare({ artifacts }: VerifyMessage): Promise<VerifyDone> {
  const all = await Promise.all(
    artifacts.map(async ({ plan_digest, artifact }) => ({
      plan: readStoredPlan(await readDocument(content, plan_digest as `sha256:${string}`), plan_digest),
      artifact,
    })),
  );
  for (const { artifact } of artifacts) await layOut(artifact);
  inputs = all.splice(0, config.workerConcurrency);
  const { failed } = await verifyAll();
  inputs = all;
  return { images: inputs.length, seconds: 0, failed };
}

async function verifyAll(): Promise<VerifyDone> {
  const images = inputs.length;
  let failed = 0;
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: config.workerConcurrency }, async () => {
      for (let input = inputs.shift(); input !== undefined; input = inputs.shift()) {
        const report = await engine.run('verify', input);
        if (!report.passed) failed += 1;
      }
    }),
  );
  return { images, seconds: (performance.now() - begun) / 1000, failed };
}

process.on('message', (message) => {
  const done = message === 'verify' ? verifyAll() : prepare(message as VerifyMessage);
  done.then(
    (answer) => process.send?.(answer),
    (error: Error) => process.send?.({ error: error.stack ?? error.message }),
  );
});
process.on('disconnect', () => void engine.close().then(() => process.exit(0)));
process.send?.({ ready: true });
