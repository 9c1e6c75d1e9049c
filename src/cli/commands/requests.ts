// Commands that request applications or their removal, and wait for the result.
import { type Command, Option } from 'commander';
import type { CatalogApplicationRequest } from '../../contract/application-request.ts';
import { PACKAGING_TYPES, type PackagingType } from '../../contract/vocabulary.ts';
import { chooseApplications } from '../choice.ts';
import type { Io } from '../io.ts';
import { addList, type PageOptions, readPages, sayRest } from '../list.ts';
import { registryId } from '../lookup.ts';
import { say, sayTable, shortTime } from '../output.ts';
import { inSession, type Session } from '../session.ts';
import { waitingOf, watchPipelines } from '../watch.ts';
import { typedAs, wordOf } from '../words.ts';
import { addGet } from './get.ts';

type RequestOptions = {
  baseImage?: string;
  type: PackagingType;
  registry?: string[];
  name?: string;
  description?: string;
  watch?: boolean;
};

export function addRequestCommands(program: Command, io: Io): void {
  program
    .command('request')
    .description('request applications')
    .argument('<offering...>', 'what to build: product, product:branch, or the id of an offering')
    .option('--base-image <name>', 'base image of all of them, by name or id (default: the only one that fits)')
    .addOption(
      new Option('--type <type>', `packaging type: ${PACKAGING_TYPES.map(typedAs).join(', ')}`)
        .argParser((text) => wordOf(PACKAGING_TYPES, text))
        .default('CONTAINER_IMAGE', 'container-image'),
    )
    .option('--registry <name...>', 'registries they are pushed to, by name or id (default: the hosted one)')
    .option('--name <name>', 'name of the request')
    .option('--description <text>', 'reason for the request')
    .option('--watch', 'follow the pipelines until all applications are released')
    .addHelpText(
      'after',
      '\nExamples:\n  larder request redis:7.0 nginx:1.22 --watch\n  larder request redis --base-image "Debian 12"',
    )
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
  const requests = program.command('requests').description('list and show application requests');
  addGet(requests, io, {
    noun: 'application request',
    load: async ({ client, catalogId }, application_request_id) =>
      await client.call('getApplicationRequest', { catalog_id: await catalogId(), application_request_id }),
    fields: (request) => ({
      ...{ name: request.name, status: request.status, description: request.description || undefined },
      applications: request.applications.map(({ product, branch }) => `${product.key}:${branch}`).join(', '),
      ...{ waiting: waitingOf(request), made: shortTime(request.created_at), by: request.created_by, id: request.id },
    }),
  });
  addList(requests, 'list application requests')
    .option('--remove', 'requests that remove, instead of those that add')
    .action(
      inSession<PageOptions & { remove?: boolean }>(io, async ({ client, catalogId, show }, { remove, ...pages }) => {
        const filters = { catalog_id: await catalogId(), request_type: remove ? 'remove' : 'add' } as const;
        const page = await readPages(pages, (at) => client.call('listApplicationRequests', { ...filters, ...at }));
        show(page, ({ items }) => sayRequests(io, items));
        sayRest(io, page);
      }),
    );
}

function sayRequests(io: Io, requests: readonly CatalogApplicationRequest[]): void {
  sayTable(io, requests, [
    ['NAME', ({ name }) => name],
    ['STATUS', ({ status }) => status],
    ['APPLICATIONS', ({ applications }) => applications.map(({ product }) => product.key).join(', ')],
    ['BASE IMAGE', baseImagesOf],
    ['MADE', ({ created_at }) => shortTime(created_at)],
    ['BY', ({ created_by }) => created_by],
    ['ID', ({ id }) => id],
    ['WAITING', waitingOf],
  ]);
}

/** Returns the base images of a request. A request to add applications has one base image, and a removal may have several. */
function baseImagesOf({ applications }: CatalogApplicationRequest): string {
  return [...new Set(applications.map(({ base_image }) => base_image.name))].join(', ');
}

async function requestApplications(session: Session, options: RequestOptions, offerings: string[]): Promise<void> {
  const { client, io } = session;
  const { baseImage, type } = options;
  const { base, offeringIds } = await chooseApplications(client, { names: offerings, baseImage, type });
  const registry_ids = await Promise.all((options.registry ?? []).map((name) => registryId(client, name)));
  const catalog_id = await session.catalogId();
  const { id } = await client.call('createApplicationRequest', {
    catalog_id,
    kind: 'CREATION',
    name: options.name ?? offerings.join(', '),
    base_image_id: base.id,
    application_offering_ids: offeringIds,
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
    const items = await Promise.all(
      latest.map((pipeline_id) => session.client.call('getPipeline', { catalog_id, pipeline_id })),
    );
    return { items };
  });
}
