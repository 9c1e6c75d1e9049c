// The programs and settings with which sandboxes are started on this machine.
import type { Account } from '../host/accounts.ts';
import type { ResourceControl } from './resource-control.ts';

/** The programs of this machine that sandboxes use, each with its Debian package. */
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

/** Paths on this machine, by the names of the files in the sandbox's folder. The dynamic loader has the name `ld.so`. */
export type BroughtFiles = Record<string, string>;

/** The programs and settings that are needed to start a sandbox on this machine. */
export type SandboxHost = {
  tools: Record<Tool, string>;
  /** The account of the sandboxes, if this process is root. If absent, sandboxes run as the user of this process. */
  user?: Account;
  /** Whether sandboxes have a user namespace. Without one, they run as root of the machine. */
  namespace: boolean;
  /**
   * Where changes are stored. A tmpfs has a limited size. The disk is used if the kernel's tmpfs has no user attributes
   * (before 6.6).
   */
  upper: 'tmpfs' | 'disk';
  /** Programs of this machine that run in sandboxes, and their loader and libraries. */
  brought: BroughtFiles;
  /** How the memory and the processes of sandboxes are limited. */
  control: ResourceControl;
};

export type SandboxMode =
  | {
      mode: 'userns' | 'root';
      /** Why better modes are not possible. Empty for the best mode. */
      reasons: string[];
      host: SandboxHost;
    }
  | { mode: 'files-only'; reasons: string[] };
