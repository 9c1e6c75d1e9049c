// Commands that list notification providers and the deliveries to them.
import type { Command } from 'commander';
import type { NotificationProvider } from '../../contract/notification-provider.ts';
import type { Io } from '../io.ts';
import { addList, type PageOptions, readPages, sayRest, withPages } from '../list.ts';
import { sayTable, shortTime } from '../output.ts';
import { inSession } from '../session.ts';
import { addGet, named } from './get.ts';

export function addNotificationCommands(program: Command, io: Io): void {
  const group = program
    .command('notification-providers')
    .description('list and show the destinations of notifications');
  addGet(group, io, {
    noun: 'notification provider',
    load: async ({ client }, provider_id) => await client.call('getNotificationProvider', { provider_id }),
    fields: (provider) => ({
      ...{ name: provider.name, type: provider.type, enabled: yesNo(provider.enabled), to: destinationOf(provider) },
      ...{ notifications: (provider.notification_types ?? []).join(', '), made: shortTime(provider.created_at) },
      ...{ removed: provider.removed_at && shortTime(provider.removed_at), id: provider.id },
    }),
  });
  addList(group, 'list notification providers')
    .option('--removed', 'only providers that were removed')
    .action(
      inSession<PageOptions & { removed?: boolean }>(io, async ({ client, show }, { removed = false, ...pages }) => {
        const page = await readPages(pages, (at) => client.call('listNotificationProviders', { removed, ...at }));
        show(page, ({ items }) =>
          sayTable(io, items, [
            ['NAME', ({ name }) => name],
            ['TYPE', ({ type }) => type],
            ['ENABLED', ({ enabled }) => yesNo(enabled)],
            ['TO', destinationOf],
            ['ID', ({ id }) => id],
          ]),
        );
        sayRest(io, page);
      }),
    );
  withPages(group.command('deliveries').description('list the messages to a provider, the newest first'))
    .argument('<notification provider>', 'its id')
    .action(
      inSession<PageOptions>(io, async ({ client, show }, pages, [provider_id = '']) => {
        const ask = (at: { page: number; page_size: number }) =>
          client.call('listNotificationDeliveries', { provider_id, ...at });
        const page = await named('notification provider', provider_id, readPages(pages, ask));
        show(page, ({ items }) =>
          sayTable(io, items, [
            ['TYPE', ({ type }) => type],
            ['STATUS', ({ status }) => status],
            ['ATTEMPTS', ({ attempts }) => attempts],
            ['MADE', ({ created_at }) => shortTime(created_at)],
            ['DELIVERED', ({ delivered_at }) => shortTime(delivered_at)],
            ['ERROR', ({ last_error }) => last_error],
          ]),
        );
        sayRest(io, page);
      }),
    );
}

/** Returns the destination of messages. For a chat, this is the part of its identifier that the server shows. */
function destinationOf(provider: NotificationProvider): string {
  if (provider.type === 'SLACK') return `channel ${provider.masked_channel_id}`;
  if (provider.type === 'GOOGLE_CHAT') return `space ${provider.masked_space_id}`;
  return provider.recipients?.join(', ') ?? 'the owners';
}

function yesNo(value: boolean): string {
  return value ? 'yes' : 'no';
}
