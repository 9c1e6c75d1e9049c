// What it takes to start sandboxes on this machine.
import type { Account } from '../host/accounts.ts';
import type { ResourceControl } from './resource-control.ts';

/** Programs of this machine that sandboxes are made of, and the Debian package that has each. */
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

/** Name in the folder to path on this machine; the dynamic loader is `ld.so`. */
export type BroughtFiles = Record<string, string>;

/** Everything needed to start a sandbox on this machine. */
export type SandboxHost = {
  tools: Record<Tool, string>;
  /** The account that sandboxes run as when this process is root; absent when they run as this process's own user. */
  user?: Account;
  /** In a user namespace of their own; otherwise as the machine's root. */
  namespace: boolean;
  /** Where changes are written: a tmpfs of limited size, or the disk on kernels whose tmpfs has no user attributes (before 6.6). */
  upper: 'tmpfs' | 'disk';
  /** Programs of this machine that run inside, with all that they need. */
  brought: BroughtFiles;
  /** How memory and processes are limited. */
  control: ResourceControl;
};

export type SandboxMode =
  | {
      mode: 'userns' | 'root' /** Why it is not better; empty when nothing is missing. */;
      reasons: string[];
      host: SandboxHost;
    }
  | { mode: 'files-only'; reasons: string[] };
