// The resources of a worker, for tests of jobs that build: the database of a test catalog, and an engine in this process.
import { engineHere } from '../src/engine/engine.ts';
import type { WorkerResources } from '../src/jobs/worker-resources.ts';
import { openLog } from '../src/log.ts';
import type { TestCatalog } from './catalog.ts';
import type { RedisBuilds } from './redis-builds.ts';

export function buildWorker({ debian, workspace }: RedisBuilds, { db }: TestCatalog): WorkerResources {
  const log = openLog({ level: 'silent', name: 'worker' });
  const parts = { db, content: debian.content, workspace, engine: engineHere(workspace), log };
  return parts as unknown as WorkerResources;
}
