// `check`: asks the server to check a registry or a base image now, waits for the result, and shows it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { RegistryDetailed } from '../../contract/registry.ts';
import { CommandFailed, type Io } from '../io.ts';
import { getBaseImage, registryId } from '../lookup.ts';
import { clean, say } from '../output.ts';
import { inSession, type Session } from '../session.ts';

/** The pause between two questions. It is short enough for a person, and the server answers in a millisecond. */
const POLL_MS = 500;
/**
 * How long the command waits. This is enough to read a base image of several GB for the first time. A check of a registry
 * ends within 20 seconds.
 */
const CHECK_MS_MAX = 10 * 60_000;

type Checked = Pick<RegistryDetailed, 'name' | 'healthy' | 'unhealthy_cause' | 'last_checked_at'>;

type Check = {
  /** The noun of the resource, such as `base image`. */
  noun: string;
  find(session: Session, name: string): Promise<string>;
  ask(session: Session, id: string): Promise<unknown>;
  read(session: Session, id: string): Promise<Checked>;
};

/** Adds `check` to the commands for registries. */
export function addRegistryCheck(group: Command, io: Io): void {
  addCheck(group, io, {
    noun: 'registry',
    find: async ({ client }, name) => await registryId(client, name),
    ask: async ({ client }, registry_id) => await client.call('checkRegistry', { registry_id }),
    read: async ({ client }, registry_id) => await client.call('getRegistry', { registry_id }),
  });
}

/** Adds `check` to the commands for base images. */
export function addBaseImageCheck(group: Command, io: Io): void {
  addCheck(group, io, {
    noun: 'base image',
    find: async ({ client }, name) => (await getBaseImage(client, name)).id,
    ask: async ({ client }, base_image_id) => await client.call('checkBaseImage', { base_image_id }),
    read: async ({ client }, base_image_id) => await client.call('getBaseImage', { base_image_id }),
  });
}

function addCheck(group: Command, io: Io, check: Check): void {
  group
    .command('check')
    .description(`check a ${check.noun} now and show the result`)
    .argument(`<${check.noun}>`, 'its name or id')
    .option('--no-wait', 'enqueue the check and do not wait for the result')
    .action(
      inSession<{ wait: boolean }>(io, async (session, { wait }, [name = '']) => {
        const id = await check.find(session, name);
        const before = await check.read(session, id);
        await check.ask(session, id);
        if (!wait) return;
        const found = await waitForCheck(session, { check, id, before });
        const isUsable = found.healthy === true;
        session.show(found, (one) => (isUsable ? say(io, `${clean(one.name)} can be used.`) : undefined));
        if (!isUsable)
          throw new CommandFailed(`${found.name} cannot be used: ${found.unhealthy_cause ?? 'no cause given'}`);
      }),
    );
}

/** Returns the resource after `last_checked_at` has changed. Throws CommandFailed if this takes longer than CHECK_MS_MAX. */
async function waitForCheck(
  session: Session,
  { check, id, before }: { check: Check; id: string; before: Checked },
): Promise<Checked> {
  const end = performance.now() + CHECK_MS_MAX;
  while (performance.now() < end) {
    const now = await check.read(session, id);
    if (now.last_checked_at !== undefined && now.last_checked_at !== before.last_checked_at) return now;
    await sleep(POLL_MS);
  }
  throw new CommandFailed(
    `The ${check.noun} ${before.name} was not checked within ${CHECK_MS_MAX / 60_000} minutes. The check stays in the queue: see whether a worker runs.`,
  );
}
