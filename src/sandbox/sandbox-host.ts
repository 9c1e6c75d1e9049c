// The programs and settings that starting a sandbox on this machine needs.
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

/** Maps names in the sandbox's folder to paths on this machine; the dynamic loader has the name `ld.so`. */
export type BroughtFiles = Record<string, string>;

/** Everything needed to start a sandbox on this machine. */
export type SandboxHost = {
  tools: Record<Tool, string>;
  /** The account of sandboxes if this process is root; absent if they run as this process's own user. */
  user?: Account;
  /** Whether sandboxes have a user namespace; otherwise they run as the machine's root. */
  namespace: boolean;
  /** The location of changes: a tmpfs of limited size, or the disk on kernels whose tmpfs has no user attributes (before 6.6). */
  upper: 'tmpfs' | 'disk';
  /** Programs of this machine that run inside, with their loader and libraries. */
  brought: BroughtFiles;
  /** How memory and processes are limited. */
  control: ResourceControl;
};

export type SandboxMode =
  | {
      mode: 'userns' | 'root';
      /** The reasons why better modes are not possible; empty for the best mode. */
      reasons: string[];
      host: SandboxHost;
    }
  | { mode: 'files-only'; reasons: string[] };
