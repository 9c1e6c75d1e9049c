// Where builds work: a folder of Larder's own, the content store, and how sandboxes may run here.
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ContentStore } from '../content/content.ts';
import { BuildError } from './build-error.ts';
import type { Exclusive } from './exclusive.ts';
import type { SandboxHost, SandboxMode } from './sandbox-host.ts';

export type Workspace = {
  /** Larder's own folder for work files, on a disk with space. Under root the account that runs sandboxes must be able to enter its parents. */
  directory: string;
  content: ContentStore;
  probe: SandboxMode;
  /** One at a time by name, over all that works in this workspace. */
  exclusive: Exclusive;
};

/** How sandboxes run here. Throws BuildError where there are none, in words for the person whose build needs one. */
export function sandboxHost({ probe }: Workspace, step: string): SandboxHost {
  if (probe.mode !== 'files-only') return probe.host;
  throw new BuildError(
    `This needs to run programs (packages, scripts or tests), and this machine has no sandbox to run them in: ${probe.reasons.join(' ')}`,
    { step, cause_kind: 'UNKNOWN' },
  );
}

/** Makes a folder of the workspace that belongs to whoever runs the sandboxes, and answers its path. */
export function ensureFolder(workspace: Workspace, ...names: string[]): string {
  const owner = workspace.probe.mode === 'files-only' ? undefined : workspace.probe.host.user;
  let path = workspace.directory;
  for (const name of ['', ...names]) {
    path = join(path, name);
    mkdirSync(path, { recursive: true, mode: 0o755 });
    if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
  }
  return path;
}
