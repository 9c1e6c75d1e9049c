// `check`: asks the server to look at a registry or a base image now, waits for the look, and shows what it found.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { RegistryDetailed } from '../../contract/registry.ts';
import { CommandFailed, type Io } from '../io.ts';
import { getBaseImage, registryId } from '../lookup.ts';
import { clean, say } from '../output.ts';
import { inSession, type Session } from '../session.ts';

/** People do not read faster, and the server answers this in a millisecond. */
const POLL_MS = 500;
/** A base image of several GB is read for the first time; a look at a registry ends within 20 seconds. */
const CHECK_MS_MAX = 10 * 60_000;

type Checked = Pick<RegistryDetailed, 'name' | 'healthy' | 'unhealthy_cause' | 'last_checked_at'>;

type Check = {
  /** The noun: `base image`. */
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
    .description(`look at a ${check.noun} now and show what was found`)
    .argument(`<${check.noun}>`, 'its name or id')
    .option('--no-wait', 'ask for the look and do not wait for it')
    .action(
      inSession<{ wait: boolean }>(io, async (session, { wait }, [name = '']) => {
        const id = await check.find(session, name);
        const before = await check.read(session, id);
        await check.ask(session, id);
        if (!wait) return;
        const found = await waitForLook(session, { check, id, before });
        const isWell = found.healthy === true;
        session.show(found, (one) => (isWell ? say(io, `${clean(one.name)} can be used.`) : undefined));
        if (!isWell)
          throw new CommandFailed(`${found.name} cannot be used: ${found.unhealthy_cause ?? 'no cause given'}`);
      }),
    );
}

/** Returns the thing once `last_checked_at` has moved. Throws CommandFailed when that takes too long. */
async function waitForLook(
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
    `The ${check.noun} ${before.name} was not looked at within ${CHECK_MS_MAX / 60_000} minutes. The look stays on the list: see whether a worker runs.`,
  );
}
