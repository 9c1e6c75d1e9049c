// Inserts rows of workers, like those of real workers.
import { randomUUID } from 'node:crypto';
import type { Worker } from '../src/catalog/workers.ts';

/** Returns a worker with a sandbox and without helm. */
export function sampleWorker(changes: Partial<Worker> = {}): Worker {
  return {
    id: randomUUID(),
    host: 'vm',
    ...{ sandbox_mode: 'userns', sandbox_reasons: [] },
    ...{ limits: 'cgroup-v2', limits_reasons: [] },
    ...{ helm: null, helm_reasons: ['there is no helm on PATH, and LARDER_HELM is not set'] },
    ...changes,
  };
}
