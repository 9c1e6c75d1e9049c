// The resources of builds: a folder for temporary files, the content store, and the way to run sandboxes.
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ContentStore } from '../content/content.ts';
import { BuildError } from './build-error.ts';
import type { Exclusive } from './exclusive.ts';
import type { SandboxHost, SandboxMode } from './sandbox-host.ts';

export type Workspace = {
  /**
   * Larder's folder for temporary files, on a disk with enough space. If Larder runs as root, the account of the sandboxes
   * must be able to enter the folders above it.
   */
  directory: string;
  content: ContentStore;
  probe: SandboxMode;
  /** Helm on this machine, or the reason why charts are not rendered here. */
  helm?: { path: string } | { path?: undefined; reason: string };
  /** Mutual exclusion by name among all work in this workspace. */
  exclusive: Exclusive;
};

/**
 * Returns how sandboxes run on this machine. Throws BuildError if they cannot run. Its message is for people whose build
 * needs a sandbox.
 */
export function sandboxHost({ probe }: Workspace, step: string): SandboxHost {
  if (probe.mode !== 'files-only') return probe.host;
  throw new BuildError(
    `This step runs programs (packages, scripts or tests), and this machine cannot run a sandbox for them: ${probe.reasons.join(' ')}`,
    { step, cause_kind: 'UNKNOWN' },
  );
}

/** Creates a folder of the workspace that belongs to the account of the sandboxes, and returns its path. */
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
