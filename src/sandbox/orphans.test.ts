// `unshare` leaves a helper behind if a worker is killed with -9 while a sandbox starts. These tests end such helpers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { sandboxMode, testWorkspace } from '../../test/fixtures/build.ts';
import { processesOf } from '../../test/processes.ts';
import { asOwner, inNewNamespace } from './host-commands.ts';
import { endOrphans } from './orphans.ts';

const TRIES_MAX = 500;
/** How long to wait for the helper. unshare starts it within some milliseconds, or not at all. */
const HELPER_MS_MAX = 1_000;

/**
 * Kills unshare after it has started its helper and before it signals the helper. There is only a fraction of a millisecond
 * between the two.
 */
async function leaveHelper(command: string[], folder: string): Promise<void> {
  const [program = '', ...args] = command;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const child = spawn(program, args, { env: {}, cwd: '/', stdio: 'ignore', detached: true });
    const ended = once(child, 'exit');
    const children = `/proc/${child.pid}/task/${child.pid}/children`;
    const until = performance.now() + HELPER_MS_MAX;
    while (readFileSync(children, 'utf8') === '' && performance.now() < until) {
      // The loop does nothing else, because the kill would then come too late.
    }
    child.kill('SIGKILL');
    await ended;
    // Waits until a process that was already ending has ended.
    await delay(20);
    if (processesOf(folder).length > 0) return;
  }
  throw new Error(`No helper was left after ${TRIES_MAX} kills`);
}

test.skipIf(sandboxMode.mode !== 'userns')(
  'endOrphans ends a helper whose parent was killed, and no running sandbox',
  { timeout: 180_000 },
  async () => {
    await using workspace = await testWorkspace();
    if (sandboxMode.mode !== 'userns') return;
    const { host } = sandboxMode;
    const sleep = (what: string) => asOwner(host, inNewNamespace(host, [host.tools.sh, '-c', 'cat', what]));
    const [program = '', ...args] = sleep(`${workspace.directory}/alive`);
    const alive = spawn(program, args, { env: {}, cwd: '/', stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    const gone = `${workspace.directory}/killed`;
    await leaveHelper(sleep(gone), gone);
    const before = processesOf(`${workspace.directory}/alive`);
    endOrphans(workspace.directory);
    expect(processesOf(gone)).not.toEqual([]);
    endOrphans(workspace.directory, { olderThanSeconds: 0 });
    await expect.poll(() => processesOf(gone), { timeout: 5_000 }).toEqual([]);
    expect(before.length).toBeGreaterThan(0);
    expect(processesOf(`${workspace.directory}/alive`)).toEqual(before);
    alive.stdin?.end();
    await once(alive, 'exit');
  },
);
