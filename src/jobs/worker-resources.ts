// What every job is given: both planes, a place to build in, the package archives, and registries outside.
import type { NamedLocks } from '../db/named-locks.ts';
import type { Engine } from '../engine/engine.ts';
import type { Resources } from '../resources.ts';
import type { Workspace } from '../sandbox/workspace.ts';
import type { Archives } from './archives.ts';
import type { Remotes } from './registry-target.ts';

export type WorkerResources = Resources & {
  workspace: Workspace;
  engine: Engine;
  archives: Archives;
  remotes: Remotes;
  locks: NamedLocks;
};
