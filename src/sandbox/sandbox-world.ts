// An open sandbox as its parts see it.
import type { ChildProcess } from 'node:child_process';
import type { ResourceGroup } from './resource-control.ts';
import type { SandboxLimit, SandboxLimits } from './sandbox-command.ts';
import type { SandboxHost } from './sandbox-host.ts';

/** An open sandbox as its parts see it. */
export type World = {
  host: SandboxHost;
  scratch: string;
  /** The process that made the namespaces, by its number on this machine. */
  pid: number;
  limits: SandboxLimits;
  group: ResourceGroup | undefined;
  signal: AbortSignal | undefined;
  /** Everything that was started in it and runs still. */
  children: Set<ChildProcess>;
  /** The limit that all of it together ran into. */
  exceeded?: SandboxLimit;
};
