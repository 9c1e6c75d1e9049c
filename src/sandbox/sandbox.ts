// A sandbox: an overlay over a chain of layers, in its own namespaces. Programs run confined in the sandbox. Its changes can
// be read as a tar.
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asOwner, endOf, inNewNamespace, processFile, runCommand } from './host-commands.ts';
import { openResourceGroup } from './resource-control.ts';
import { DEFAULT_LIMITS, type SandboxCommand, type SandboxLimits } from './sandbox-command.ts';
import { readyPid, spawnHolder } from './sandbox-holder.ts';
import type { SandboxHost } from './sandbox-host.ts';
import type { RunningCommand, RunOptions, SandboxExit } from './sandbox-run.ts';
import { captureChanges, startChild, startCommand, stopFor } from './sandbox-run.ts';
import { prepareTools } from './sandbox-tools.ts';
import { watchResources } from './sandbox-watch.ts';
import type { World } from './sandbox-world.ts';
import { countTcpSockets } from './tcp-sockets.ts';
import { ensureFolder, sandboxHost, type Workspace } from './workspace.ts';

export type SandboxOptions = {
  /** Folders with the extracted layers (packaging/image/rootfs.ts), the lowest first. */
  layers: string[];
  /** The step of the build. The error contains it if this machine cannot run sandboxes. */
  step: string;
  /** A folder of this machine. The sandbox sees it read-only at /.larder. It must not change while the sandbox is open. */
  given?: string;
  limits?: Partial<SandboxLimits>;
  signal?: AbortSignal | undefined;
};

export interface Sandbox {
  /** Starts a program. A program that still runs when the sandbox is closed is killed. */
  start(command: SandboxCommand, options?: RunOptions): RunningCommand;
  /**
   * Runs a program to its end and returns its exit, even if the program failed. Throws only if the signal is aborted or the
   * sandbox itself has a fault.
   */
  run(command: SandboxCommand, options?: RunOptions): Promise<SandboxExit>;
  /**
   * Starts a program of this machine with pipes for input and output. It shares the network of a running command, but none of
   * the command's other namespaces.
   */
  connect(beside: RunningCommand, command: string[]): Promise<ChildProcess>;
  /**
   * Returns the number of TCP sockets in the network of a running command, including listening sockets. Returns 0 if the
   * command has ended.
   */
  tcpSockets(beside: RunningCommand): Promise<number>;
  /**
   * Returns the changes so far in the format of GNU tar. Names begin with `./`. Removed files and opaque folders are marked
   * as in overlayfs.
   */
  capture(): AsyncIterable<Uint8Array>;
  /** Ends all programs inside and deletes the changes. */
  close(): Promise<void>;
}

/**
 * Opens a sandbox over these layers. Throws BuildError if this machine has no sandboxes, and CommandFailed if the setup
 * fails.
 */
export async function openSandbox(workspace: Workspace, options: SandboxOptions): Promise<Sandbox> {
  const host = sandboxHost(workspace, options.step);
  const { signal, layers, given } = options;
  signal?.throwIfAborted();
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const tools = await prepareTools(workspace, host.brought);
  const scratch = ensureFolder(workspace, 'sandboxes', randomUUID());
  const group = openResourceGroup(host.control, limits);
  const holder = spawnHolder(host, { limits, scratch, given, tools, layers, group });
  const ended = endOf(holder);
  const stop = (): void => void holder.kill('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  const children = new Set<ChildProcess>();
  const world: World = { host, scratch, pid: 0, limits, group, signal, children };
  const watching = watchResources(world, holder, (limit) => stopFor(world, limit));
  const close = async (): Promise<void> => {
    watching.stop();
    signal?.removeEventListener('abort', stop);
    stop();
    await ended;
    // The kernel ends all programs with the holder's process namespace. This waits until their processes have ended on this
    // machine.
    await Promise.all([...children].map(killed));
    await removeScratch(host, scratch);
    await group?.close();
  };
  try {
    world.pid = await readyPid(holder, ended);
    return sandboxOf(world, close);
  } catch (error) {
    await close();
    signal?.throwIfAborted();
    throw error;
  }
}

/**
 * Deletes the scratch folder. On a disk, its files belong to subordinate ids, so only root of the namespace can delete them.
 */
async function removeScratch(host: SandboxHost, scratch: string): Promise<void> {
  if (host.upper === 'disk') {
    const parts = [join(scratch, 'upper'), join(scratch, 'work'), join(scratch, 'mask')];
    await runCommand(asOwner(host, inNewNamespace(host, [host.tools.rm, '-rf', '--one-file-system', ...parts])));
  }
  await rm(scratch, { recursive: true, force: true });
}

function killed(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
    child.kill('SIGKILL');
  });
}

function sandboxOf(world: World, close: () => Promise<void>): Sandbox {
  const start = (command: SandboxCommand, options: RunOptions = {}): RunningCommand =>
    startCommand(world, command, options);
  return {
    start,
    async run(command, options) {
      const exit = await start(command, options).exited;
      world.signal?.throwIfAborted();
      options?.signal?.throwIfAborted();
      return exit;
    },
    connect: async (beside, command) =>
      startChild(world, command, { stdio: ['pipe', 'pipe', 'pipe'], beside: await beside.pid }),
    tcpSockets: async (beside) => countTcpSockets(processFile(world.pid, await beside.pid, 'net')),
    capture: () => captureChanges(world),
    close,
  };
}
