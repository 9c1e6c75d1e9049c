// The resources of all jobs: the database, content, a workspace for builds, the package archives, and outside registries.
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
