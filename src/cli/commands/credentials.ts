// Commands that list the credentials of a hosted registry and show one of them.
import { type Command, Option } from 'commander';
import type { Client } from '../../client/client.ts';
import { CommandFailed, type Io } from '../io.ts';
import { addList, type PageOptions, readAll, readPages, sayRest } from '../list.ts';
import { registryId } from '../lookup.ts';
import { sayTable, shortTime } from '../output.ts';
import { inSession } from '../session.ts';
import { addGet } from './get.ts';

type Where = { registry?: string };

export function addCredentialCommands(program: Command, io: Io): void {
  const group = program.command('credentials').description('list and show the credentials of a hosted registry');
  addGet<Awaited<ReturnType<typeof getCredential>>, Where>(group, io, {
    noun: 'credential',
    load: async ({ client }, credential_id, { registry }) => await getCredential(client, { registry, credential_id }),
    fields: ({ id, name, description, status, ...more }) => ({
      ...{ user: name, description: description || undefined, status, ends: shortTime(more.expires_at) },
      ...{
        used: shortTime(more.last_used_at) || 'never',
        made: shortTime(more.created_at),
        'made by': more.created_by,
      },
      ...{ revoked: more.removed_at && shortTime(more.removed_at), id },
    }),
  }).addOption(registryOption());
  addList(group, 'list credentials, the newest first')
    .addOption(registryOption())
    .option('--removed', 'only credentials that were revoked')
    .action(
      inSession<PageOptions & Where & { removed?: boolean }>(io, async ({ client, show }, options) => {
        const { registry, removed = false, ...pages } = options;
        const registry_id = await hostedRegistryId(client, registry);
        const ask = (at: { page: number; page_size: number }) =>
          client.call('listRegistryCredentials', { registry_id, removed, ...at });
        const page = await readPages(pages, ask);
        show(page, ({ items }) =>
          sayTable(io, items, [
            ['USER', ({ name }) => name],
            ['DESCRIPTION', ({ description }) => description],
            ['STATUS', ({ status }) => status],
            ['ENDS', ({ expires_at }) => shortTime(expires_at)],
            ['USED', ({ last_used_at }) => shortTime(last_used_at) || 'never'],
            ['ID', ({ id }) => id],
          ]),
        );
        sayRest(io, page);
      }),
    );
}

function registryOption(): Option {
  return new Option('--registry <name>', 'the hosted registry, by name or id (default: the only one)');
}

async function getCredential(client: Client, parameters: { registry: string | undefined; credential_id: string }) {
  const { registry, credential_id } = parameters;
  const registry_id = await hostedRegistryId(client, registry);
  return await client.call('getRegistryCredential', { registry_id, credential_id });
}

async function hostedRegistryId(client: Client, name: string | undefined): Promise<string> {
  if (name !== undefined) return await registryId(client, name);
  const all = await readAll((at) => client.call('listRegistries', { removed: false, ...at }));
  const [found, second] = all.filter(({ hosted }) => hosted);
  if (found === undefined) throw new CommandFailed('The organization has no hosted registry.');
  if (second !== undefined) throw new CommandFailed('There are several hosted registries; name one with --registry.');
  return found.id;
}
