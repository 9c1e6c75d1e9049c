// Watches the resources that all programs in an open sandbox use together. The control group or the watchdog watches memory
// and processes. This file also measures the size of changes on a disk.
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { asOwner, inNamespaceOf, runCommand } from './host-commands.ts';
import type { SandboxLimit } from './sandbox-command.ts';
import type { World } from './sandbox-world.ts';
import { watchProcesses } from './watchdog.ts';

/**
 * How often a control group is checked. The kernel enforces the limit. The check ends programs that continue although they
 * did not get the memory or processes that they need.
 */
const GROUP_EVERY_MS = 200;
/** How often changes on a disk are measured. A disk, unlike a tmpfs, does not limit them. */
const MEASURE_EVERY_MS = 1000;

/** Watches until `stop`. Calls `onExceeded` at most once for each limit. */
export function watchResources(
  world: World,
  holder: ChildProcess,
  onExceeded: (limit: SandboxLimit) => void,
): { stop(): void } {
  const watches = [watchMemory(world, holder, onExceeded)];
  if (world.host.upper === 'disk') watches.push(watchDisk(world, onExceeded));
  return {
    stop() {
      for (const watch of watches) watch.stop();
    },
  };
}

function watchMemory(
  { group, limits, children }: World,
  holder: ChildProcess,
  onExceeded: (limit: SandboxLimit) => void,
): { stop(): void } {
  if (group === undefined) {
    const roots = (): number[] => [holder, ...children].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
    return watchProcesses({ roots, limits, onExceeded });
  }
  const timer = setInterval(() => {
    const exceeded = group.exceeded();
    if (exceeded === undefined) return;
    clearInterval(timer);
    onExceeded(exceeded);
  }, GROUP_EVERY_MS);
  return { stop: () => clearInterval(timer) };
}

/** Measures the changes while programs run, because a disk has no size limit for a sandbox. */
function watchDisk(world: World, onExceeded: (limit: SandboxLimit) => void): { stop(): void } {
  const { limits } = world;
  let busy = false;
  const timer = setInterval(() => {
    if (busy || world.pid === 0 || world.children.size === 0) return;
    busy = true;
    Promise.all([measured(world, '--block-size=1'), measured(world, '--inodes')])
      .then(([bytes, files]) => {
        if (bytes > limits.changeBytes) onExceeded('change-size');
        else if (files > limits.changeFiles) onExceeded('change-files');
      })
      // This error is ignored. Either the sandbox is being closed, or the disk fails and the commands fail too.
      .catch(() => undefined)
      .finally(() => {
        busy = false;
      });
  }, MEASURE_EVERY_MS);
  return { stop: () => clearInterval(timer) };
}

async function measured({ host, pid, scratch }: World, unit: string): Promise<number> {
  let text = '';
  const measure = [host.tools.du, '--summarize', unit, join(scratch, 'upper')];
  await runCommand(asOwner(host, inNamespaceOf(host, { pid, offline: true }, measure)), {
    onOutput: (chunk) => (text += chunk.toString()),
  });
  return Number.parseInt(text, 10);
}
