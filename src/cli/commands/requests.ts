// Commands that ask for applications and for their removal, and follow what becomes of it.
import type { Command } from 'commander';
import type { CatalogApplicationRequest } from '../../contract/application-request.ts';
import { PAGE_SIZE_MAX } from '../../contract/limits.ts';
import type { Io } from '../io.ts';
import { baseImage, offeringId, registryId } from '../lookup.ts';
import { say, sayTable, shortTime } from '../output.ts';
import { inSession, type Session } from '../session.ts';
import { waitingOf, watchPipelines } from '../watch.ts';

type RequestOptions = {
  baseImage: string;
  registry?: string[];
  name?: string;
  description?: string;
  watch?: boolean;
};

/** Adds the commands. */
export function addRequestCommands(program: Command, io: Io): void {
  program
    .command('request')
    .description('ask for applications')
    .argument('<offering...>', 'what to build: product, product:branch, or the id of an offering')
    .requiredOption('--base-image <name>', 'base image of all of them, by name or id')
    .option('--registry <name...>', 'registries they are pushed to, by name or id (default: the hosted one)')
    .option('--name <name>', 'name of the request')
    .option('--description <text>', 'why it is made')
    .option('--watch', 'follow it until everything is released')
    .addHelpText('after', '\nExample:\n  larder request redis:7.0 nginx --base-image "Debian 12" --watch')
    .action(inSession<RequestOptions>(io, requestApplications));
  program
    .command('remove')
    .description('remove applications from the catalog')
    .argument('<application...>', 'ids of the applications')
    .option('--name <name>', 'name of the request')
    .action(
      inSession<{ name?: string }>(io, async (session, { name = 'Removal' }, application_ids) => {
        const { client, catalogId, show } = session;
        const catalog_id = await catalogId();
        const made = await client.call('createApplicationRequest', {
          ...{ catalog_id, kind: 'DELETION', name, application_ids },
        });
        show(made, ({ id }) => say(io, id));
      }),
    );
  program
    .command('requests')
    .description('list application requests')
    .option('--remove', 'requests that remove, instead of those that add')
    .action(
      inSession<{ remove?: boolean }>(io, async ({ client, catalogId, show }, { remove }) => {
        const page = await client.call('listApplicationRequests', {
          catalog_id: await catalogId(),
          request_type: remove ? 'remove' : 'add',
          page_size: PAGE_SIZE_MAX,
        });
        show(page, ({ items }) => sayRequests(io, items));
      }),
    );
}

function sayRequests(io: Io, requests: readonly CatalogApplicationRequest[]): void {
  sayTable(io, requests, [
    ['NAME', ({ name }) => name],
    ['STATUS', ({ status }) => status],
    ['APPLICATIONS', ({ applications }) => applications.map(({ product }) => product.key).join(', ')],
    ['MADE', ({ created_at }) => shortTime(created_at)],
    ['BY', ({ created_by }) => created_by],
    ['ID', ({ id }) => id],
    ['WAITING', waitingOf],
  ]);
}

async function requestApplications(session: Session, options: RequestOptions, offerings: string[]): Promise<void> {
  const { client, io } = session;
  const base = await baseImage(client, options.baseImage);
  const registry_ids = await Promise.all((options.registry ?? []).map((name) => registryId(client, name)));
  const catalog_id = await session.catalogId();
  const { id } = await client.call('createApplicationRequest', {
    catalog_id,
    kind: 'CREATION',
    name: options.name ?? offerings.join(', '),
    base_image_id: base.id,
    application_offering_ids: await Promise.all(
      offerings.map((name) => offeringId(client, name, base.operatingSystemId)),
    ),
    ...(options.description === undefined ? {} : { description: options.description }),
    ...(registry_ids.length > 0 ? { registry_ids } : {}),
  });
  if (options.watch) await watchRequest(session, { catalog_id, id });
  const made = await client.call('getApplicationRequest', { catalog_id, application_request_id: id });
  session.show(made, (request) => sayRequests(io, [request]));
}

async function watchRequest(session: Session, { catalog_id, id }: { catalog_id: string; id: string }): Promise<void> {
  await watchPipelines(session, async () => {
    const request = await session.client.call('getApplicationRequest', { catalog_id, application_request_id: id });
    const latest = request.applications.flatMap(({ latest_pipeline }) => latest_pipeline?.id ?? []);
    return await Promise.all(
      latest.map((pipeline_id) => session.client.call('getPipeline', { catalog_id, pipeline_id })),
    );
  });
}
