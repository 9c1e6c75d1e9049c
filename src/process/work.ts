// A worker from its start to its stop. It finds out how it can run sandboxes, runs jobs, reports that it is alive, and gives
// back jobs that it cannot finish.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { forgetWorker, recordWorker, SEEN_EVERY_MS, type Worker } from '../catalog/workers.ts';
import { type Config, harmlessEnvironment } from '../config/config.ts';
import { inTransaction } from '../db/database.ts';
import { openNamedLocks } from '../db/named-locks.ts';
import { enqueue } from '../db/queue.ts';
import { openQueue } from '../db/queue-worker.ts';
import { openEnginePool } from '../engine/pool.ts';
import { findHelm, probeHelm, type UsableHelm } from '../helm/run-helm.ts';
import { ensureShared } from '../installation/bootstrap.ts';
import { openArchives } from '../jobs/archives.ts';
import { openRemotes } from '../jobs/registry-target.ts';
import { giveUp, handlersOf } from '../jobs/tasks.ts';
import type { WorkerResources } from '../jobs/worker-resources.ts';
import type { Logger } from '../log.ts';
import { trimRoots } from '../packaging/image/rootfs.ts';
import { openResources } from '../resources.ts';
import { exclusiveBy, keyedLocks } from '../sandbox/exclusive.ts';
import type { SandboxMode } from '../sandbox/sandbox-host.ts';
import { probeSandbox } from '../sandbox/sandbox-mode.ts';

/**
 * How long, in milliseconds, a stopping worker waits for jobs that are almost done. Then the worker gives back all other
 * jobs. The supervisor waits longer before it kills the worker.
 */
const FINISH_MS = 2_000;

export type StartedWorker = { drain(): Promise<void>; stop(): Promise<void> };

/** Starts the worker. Resolves when the worker takes jobs. */
export async function startWorker(config: Config, log: Logger): Promise<StartedWorker> {
  const opened = await openResources(config, log);
  const probe = await probeSandbox();
  if (probe.mode !== 'userns')
    log.warn({ mode: probe.mode, reasons: probe.reasons }, 'sandboxes are not fully isolated on this machine');
  const { limits, limits_reasons } = limitsOf(probe);
  if (limits === 'watchdog')
    log.warn({ reasons: limits_reasons }, 'a watchdog limits memory because there is no control group');
  const work = join(config.data, 'work');
  const withoutHelm = { directory: work, content: opened.content, probe, exclusive: exclusiveBy(keyedLocks()) };
  const helm = await probeHelm(withoutHelm, findHelm({ setting: config.helm, searchPath: config.path }));
  if (helm.path === undefined) log.info({ reason: helm.reason }, 'charts are not rendered here');
  const resources: WorkerResources = {
    ...opened,
    workspace: { ...withoutHelm, helm },
    engine: openEnginePool({
      setup: { directory: work, contentDirectory: config.contentDirectory, probe, helm },
      log,
      environment: harmlessEnvironment(),
      flags: process.execArgv.filter((flag) => flag.startsWith('--max-semi-space-size=')),
    }),
    archives: openArchives(join(work, 'apt'), (line) => log.debug({ line }, 'apt')),
    remotes: openRemotes(),
    locks: openNamedLocks(opened.databaseUrl),
  };
  // Removes files that a killed worker left incomplete, and extracted layers that were not used lately.
  if (probe.mode !== 'files-only') await trimRoots(resources.workspace);
  // Reports before the first job, because a worker leaves a job that it cannot do only to workers whose reports say that they
  // can do it.
  const report = await reportLife(resources, helm);
  const queue = await openQueue({ url: resources.databaseUrl });
  await queue.work(handlersOf(resources), {
    concurrency: config.workerConcurrency,
    onExhausted: (job, error) => giveUp(resources, job, error),
    onPostponed: ({ message, seconds }, job) => log.info({ job, again_after_seconds: seconds }, message),
    onError: (err, job) => log.error({ err, ...(job && { job }) }, job ? 'a job failed' : 'the queue failed'),
  });
  await ensureShared(resources.db);
  await inTransaction(resources.db, async (tx) => {
    await enqueue(tx, 'discover-products', {}, { key: 'start' });
    // This runs at each start, so that an installation that is off at the scheduled hour also sends warnings.
    await enqueue(tx, 'warn-of-ending-ways-in', {}, { key: 'start' });
  });
  log.info({ sandbox: probe.mode, concurrency: config.workerConcurrency }, 'worker started');
  return {
    drain: () => queue.drain(),
    async stop() {
      await report.stop();
      await queue.stop({ finishMs: FINISH_MS });
      await resources.engine.close();
      await resources.locks.close();
      await resources.close();
    },
  };
}

function limitsOf(probe: SandboxMode): Pick<Worker, 'limits' | 'limits_reasons'> {
  if (probe.mode === 'files-only') return { limits: null, limits_reasons: [] };
  const { control } = probe.host;
  return { limits: control.mode, limits_reasons: control.mode === 'watchdog' ? control.reasons : [] };
}

async function reportLife(
  { db, workspace: { probe }, log }: WorkerResources,
  helm: UsableHelm,
): Promise<{ stop(): Promise<void> }> {
  const worker: Worker = {
    id: randomUUID(),
    host: hostname(),
    sandbox_mode: probe.mode,
    sandbox_reasons: probe.reasons,
    ...limitsOf(probe),
    helm: helm.path === undefined ? null : helm.version,
    helm_reasons: helm.path === undefined ? [helm.reason] : [],
  };
  await inTransaction(db, (tx) => recordWorker(tx, worker));
  const timer = setInterval(() => {
    inTransaction(db, (tx) => recordWorker(tx, worker)).catch((err) =>
      log.warn({ err }, 'the worker could not record that it is alive'),
    );
  }, SEEN_EVERY_MS);
  return {
    async stop() {
      clearInterval(timer);
      await inTransaction(db, (tx) => forgetWorker(tx, worker.id)).catch((err) =>
        log.warn({ err }, 'the worker could not remove its record'),
      );
    },
  };
}
