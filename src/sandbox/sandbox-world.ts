// The type of an open sandbox's state, which the files of this folder share.
import type { ChildProcess } from 'node:child_process';
import type { ResourceGroup } from './resource-control.ts';
import type { SandboxLimit, SandboxLimits } from './sandbox-command.ts';
import type { SandboxHost } from './sandbox-host.ts';

/** The state of an open sandbox. */
export type World = {
  host: SandboxHost;
  scratch: string;
  /** The pid, on this machine, of the process that created the namespaces. */
  pid: number;
  limits: SandboxLimits;
  group: ResourceGroup | undefined;
  signal: AbortSignal | undefined;
  /** All programs in the sandbox that are still running. */
  children: Set<ChildProcess>;
  /** The limit that the programs of the sandbox have reached together. */
  exceeded?: SandboxLimit;
};
