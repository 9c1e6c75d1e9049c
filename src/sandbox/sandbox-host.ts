// The programs and settings with which sandboxes are started on this machine.
import type { Account } from '../host/accounts.ts';
import type { ResourceControl } from './resource-control.ts';

/** Programs of this machine that sandboxes use, and the Debian package of each. */
export const TOOLS = {
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  prlimit: 'util-linux',
  bwrap: 'bubblewrap',
  tar: 'tar',
  sh: 'dash',
  rm: 'coreutils',
  du: 'coreutils',
  env: 'coreutils',
  bash: 'bash',
} as const;
type Tool = keyof typeof TOOLS;

/** Maps the names of files in the sandbox's folder to their paths on this machine. The dynamic loader has the name `ld.so`. */
export type BroughtFiles = Record<string, string>;

/** Everything needed to start a sandbox on this machine. */
export type SandboxHost = {
  tools: Record<Tool, string>;
  /** The account of the sandboxes, if this process is root; if absent, sandboxes run as the user of this process. */
  user?: Account;
  /** Whether sandboxes have a user namespace; without one, they run as root of the machine. */
  namespace: boolean;
  /** Where changes are stored: in a tmpfs of limited size, or on the disk if the kernel's tmpfs has no user attributes (before 6.6). */
  upper: 'tmpfs' | 'disk';
  /** Programs of this machine that run in sandboxes, with their loader and libraries. */
  brought: BroughtFiles;
  /** How the memory and the processes of sandboxes are limited. */
  control: ResourceControl;
};

export type SandboxMode =
  | {
      mode: 'userns' | 'root';
      /** Why better modes are not possible; empty for the best mode. */
      reasons: string[];
      host: SandboxHost;
    }
  | { mode: 'files-only'; reasons: string[] };
