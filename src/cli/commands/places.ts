// Commands for base images and registries.
import { type Command, Option } from 'commander';
import type { RegistryDetailed } from '../../contract/registry.ts';
import { REGISTRY_PROVIDERS, type RegistryProvider } from '../../contract/vocabulary.ts';
import { CommandFailed, EXIT, type Io } from '../io.ts';
import { addList, type PageOptions, readPages, sayRest } from '../list.ts';
import { getBaseImage, operatingSystemId, registryId } from '../lookup.ts';
import { say, sayHint, sayTable, shortTime } from '../output.ts';
import { inSession } from '../session.ts';
import { typedAs, wordOf } from '../words.ts';
import { addBaseImageCheck, addRegistryCheck } from './check.ts';
import { addGet, type Fields } from './get.ts';

export function addPlaceCommands(program: Command, io: Io): void {
  addRegistries(program.command('registries').description('list, add, change, check and remove registries'), io);
  addBaseImages(program.command('base-images').description('list, add, check and remove base images'), io);
}

type NewRegistry = {
  provider: RegistryProvider;
  user?: string;
  secret?: string;
  anonymous?: boolean;
  description: string;
  chartsOrganization?: string;
};

function addRegistries(group: Command, io: Io): void {
  addGet(group, io, {
    noun: 'registry',
    by: 'its name or id',
    load: async ({ client }, name) => await client.call('getRegistry', { registry_id: await registryId(client, name) }),
    fields: ({ id, name, url, provider, hosted, description, application_count, charts_index_fault, ...health }) => ({
      ...{ name, url, provider, kept: hosted ? 'by this service' : undefined, description: description || undefined },
      ...{ applications: application_count, ...healthFields(health), 'index of charts': charts_index_fault, id },
    }),
  });
  const secret = new Option('--secret <secret>', 'password or key; prefer the environment variable').env(
    'LARDER_REGISTRY_SECRET',
  );
  addList(group, 'list registries').action(
    inSession<PageOptions>(io, async ({ client, show }, pages) => {
      const page = await readPages(pages, (at) => client.call('listRegistries', { removed: false, ...at }));
      show(page, ({ items }) =>
        sayTable(io, items, [
          ['NAME', ({ name }) => name],
          ['URL', ({ url }) => url],
          ['HEALTHY', ({ healthy }) => yesOrNo(healthy)],
          ['ID', ({ id }) => id],
          ['CAUSE', ({ unhealthy_cause }) => unhealthy_cause],
        ]),
      );
      sayRest(io, page);
    }),
  );
  group
    .command('add')
    .description('register a registry')
    .argument('<name>')
    .argument('<url>', 'its address')
    .addOption(secret)
    .option('--user <name>', 'user name or key id')
    .option('--anonymous', 'a registry without log-in: no credentials are sent')
    .addOption(
      new Option('--provider <provider>', `kind of registry: ${REGISTRY_PROVIDERS.map(typedAs).join(', ')}`)
        .argParser((text) => wordOf(REGISTRY_PROVIDERS, text))
        .default('OCI', 'oci'),
    )
    .option('--description <text>', 'description', '')
    .option('--charts-organization <name>', 'organization on Docker Hub for charts, if it is not that of the images')
    .action(
      inSession<NewRegistry>(
        io,
        async (
          { client, show },
          { provider, description, chartsOrganization: charts_organization, ...logIn },
          [name = '', url = ''],
        ) => {
          const made = await client.call('createRegistry', {
            ...{ name, url, provider, description, ...logInOf(logIn) },
            ...(charts_organization !== undefined && { charts_organization }),
          });
          show(made, ({ id }) => say(io, id));
        },
      ),
    );
  addRegistryUpdate(group, io);
  addRegistryCheck(group, io);
  group
    .command('remove')
    .description('remove a registry')
    .argument('<registry>', 'its name or id')
    .action(
      inSession(io, async ({ client }, _options, [name = '']) => {
        await client.call('deleteRegistry', { registry_id: await registryId(client, name) });
      }),
    );
}

type RegistryChange = { name?: string; description?: string; user?: string; secret?: string; anonymous?: boolean };

function addRegistryUpdate(group: Command, io: Io): void {
  const update = group
    .command('update')
    .description('change a registry: its name, its description or its log-in')
    .argument('<registry>', 'its name or id')
    .option('--name <name>', 'new name')
    .option('--description <text>', 'new description')
    .option('--user <name>', 'new user name or key id')
    .addOption(
      new Option(
        '--secret <secret>',
        'new password or key; prefer the environment variable, which is used with --user or without other options',
      ).env('LARDER_REGISTRY_SECRET'),
    )
    .option('--anonymous', 'remove the log-in: no credentials are sent any more');
  update.action(
    inSession<RegistryChange>(io, async ({ client }, { secret, ...rest }, [named = '']) => {
      const isSet = update.getOptionValueSource('secret') === 'env';
      const change = changeOf({ ...rest, ...(secret !== undefined && (isSet ? { secretSet: secret } : { secret })) });
      await client.call('updateRegistry', { registry_id: await registryId(client, named), ...change });
    }),
  );
}

/** Returns the changes of a registry. `secretSet` is a secret in the environment, which may be meant for another command. */
function changeOf({ user, secret, secretSet, anonymous, ...texts }: RegistryChange & { secretSet?: string }) {
  if (anonymous) {
    if (user === undefined && secret === undefined) return { ...texts, access_secret: null };
    const advice = 'leave --user and --secret or --anonymous out.';
    throw new CommandFailed(`A registry without log-in has no user and no secret: ${advice}`, EXIT.usage);
  }
  const access_secret = secret ?? (user !== undefined || Object.keys(texts).length === 0 ? secretSet : undefined);
  const change = {
    ...texts,
    ...(user !== undefined && { access_key: user }),
    ...(access_secret !== undefined && { access_secret }),
  };
  if (Object.keys(change).length > 0) return change;
  throw new CommandFailed(
    'Give at least one change: --name, --description, --user, --secret or LARDER_REGISTRY_SECRET, --anonymous.',
    EXIT.usage,
  );
}

/**
 * Returns the log-in fields of a new registry. Throws if the secret is missing, because a forgotten secret must not create a
 * registry without a log-in.
 */
function logInOf({ user, secret, anonymous }: Pick<NewRegistry, 'user' | 'secret' | 'anonymous'>) {
  if (anonymous && user === undefined) return {};
  if (anonymous)
    throw new CommandFailed('A registry without log-in has no user: omit --user or --anonymous.', EXIT.usage);
  if (secret === undefined) {
    throw new CommandFailed(
      'Give the secret with LARDER_REGISTRY_SECRET or --secret, or --anonymous for a registry without log-in.',
      EXIT.usage,
    );
  }
  return { access_secret: secret, ...(user !== undefined && { access_key: user }) };
}

type Health = Pick<RegistryDetailed, 'healthy' | 'unhealthy_cause' | 'unhealthy_since' | 'last_checked_at'>;

function healthFields(health: Health): Fields {
  return {
    healthy: healthOf(health),
    since: health.unhealthy_since && shortTime(health.unhealthy_since),
    checked: shortTime(health.last_checked_at) || 'never',
  };
}

/** Returns `yes`, or `no` with the cause. */
function healthOf({ healthy, unhealthy_cause }: Health): string {
  return yesOrNo(healthy) + (healthy === false && unhealthy_cause !== undefined ? `: ${unhealthy_cause}` : '');
}

function yesOrNo(healthy: boolean | undefined): string {
  if (healthy === undefined) return 'not checked';
  return healthy ? 'yes' : 'no';
}

type NewBaseImage = { registry: string; image: string; os: string; key?: string; description: string };

function addBaseImages(group: Command, io: Io): void {
  addBaseImageCheck(group, io);
  addGet(group, io, {
    noun: 'base image',
    by: 'its name or id',
    load: async ({ client }, name) =>
      await client.call('getBaseImage', { base_image_id: (await getBaseImage(client, name)).id }),
    fields: ({ id, name, container_image, operating_system, packaging_type, status, ...more }) => ({
      ...{ name, image: container_image, 'operating system': operating_system?.name, for: packaging_type, status },
      ...{
        description: more.description || undefined,
        applications: more.application_count,
        ...healthFields(more),
        id,
      },
    }),
  });
  addList(group, 'list base images').action(
    inSession<PageOptions>(io, async ({ client, show }, pages) => {
      const page = await readPages(pages, (at) =>
        client.call('listBaseImages', { statuses: ['ACTIVE', 'DEPRECATED'], ...at }),
      );
      show(page, ({ items }) =>
        sayTable(io, items, [
          ['NAME', ({ name }) => name],
          ['IMAGE', ({ container_image }) => container_image],
          ['OS', ({ operating_system }) => operating_system?.name],
          ['STATUS', ({ status }) => status],
          ['HEALTHY', ({ healthy }) => yesOrNo(healthy)],
          ['ID', ({ id }) => id],
          ['CAUSE', ({ unhealthy_cause }) => unhealthy_cause],
        ]),
      );
      sayRest(io, page);
    }),
  );
  group
    .command('add')
    .description('register an image of a registry as a base image')
    .argument('<name>')
    .requiredOption('--registry <name>', 'the registry that holds it, by name or id')
    .requiredOption(
      '--image <repository:tag>',
      'the image, relative to the registry; repository@sha256:… pins one digest',
    )
    .requiredOption('--os <name>', 'the operating system that it holds: "Debian 12", debian-12 or its id')
    .option('--key <key>', 'key in the names of its repositories (default: made from the name)')
    .option('--description <text>', 'description', '')
    .action(
      inSession<NewBaseImage>(io, async ({ client, show }, { registry, image, os, key, description }, [name = '']) => {
        const registry_id = await registryId(client, registry);
        const operating_system_id = await operatingSystemId(client, os);
        const body = {
          ...{ name, description, registry_id, container_image: image, operating_system_id },
          ...(key !== undefined && { key }),
        };
        show(await client.call('createBaseImage', body), ({ id }) => {
          say(io, id);
          sayHint(io, `Larder reads it now; «larder base-images check ${id}» shows whether it can be used.`);
        });
      }),
    );
  group
    .command('remove')
    .description('remove a base image')
    .argument('<base image>', 'its name or id')
    .action(
      inSession(io, async ({ client }, _options, [name = '']) => {
        await client.call('deleteBaseImage', { base_image_id: (await getBaseImage(client, name)).id });
      }),
    );
}
