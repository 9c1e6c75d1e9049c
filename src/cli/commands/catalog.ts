// Commands for offerings, applications, catalogs and their settings, and operating systems.
import { type Command, Option } from 'commander';
import type { CatalogSettings } from '../../contract/catalog-settings.ts';
import { UNVERIFIED_IMAGES } from '../../contract/vocabulary.ts';
import type { Io } from '../io.ts';
import { addList, type PageOptions, readPages, sayRest, withPages } from '../list.ts';
import { sayFields, sayTable, shortTime } from '../output.ts';
import { inSession } from '../session.ts';
import { typedAs } from '../words.ts';
import { addGet } from './get.ts';

export function addCatalogCommands(program: Command, io: Io): void {
  const offerings = program.command('offerings').description('list and show what can be requested');
  addGet(offerings, io, {
    noun: 'offering',
    load: async ({ client }, offering_id) => await client.call('getOffering', { offering_id }),
    fields: ({ id, product, branch, packaging_type, status, operating_systems }) => ({
      ...{ product: product.name, key: product.key, branch, type: packaging_type, status },
      ...{ for: operating_systems.map(({ name }) => name).join(', '), id },
    }),
  });
  addList(offerings, 'list what can be requested')
    .option('--product <key>', 'only this product')
    .option('--branch <branch>', 'only this branch')
    .option('--os <name>', 'only for this operating system, by name')
    .action(
      inSession<PageOptions & { product?: string; branch?: string; os?: string }>(
        io,
        async ({ client, show }, options) => {
          const filters = {
            ...(options.product === undefined ? {} : { product_key: options.product }),
            ...(options.branch === undefined ? {} : { branch: options.branch }),
            ...(options.os === undefined ? {} : { operating_system_name: options.os }),
          };
          const page = await readPages(options, (at) => client.call('listOfferings', { ...filters, ...at }));
          show(page, ({ items }) =>
            sayTable(io, items, [
              ['PRODUCT', ({ product }) => product.key],
              ['BRANCH', ({ branch }) => branch],
              ['TYPE', ({ packaging_type }) => typedAs(packaging_type)],
              ['STATUS', ({ status }) => status],
              ['FOR', ({ operating_systems }) => operating_systems.map(({ name }) => name).join(', ')],
              ['ID', ({ id }) => id],
            ]),
          );
          sayRest(io, page);
        },
      ),
    );
  const applications = program.command('applications').description('list and show the applications of the catalog');
  addGet(applications, io, {
    noun: 'application',
    load: async ({ client, catalogId }, application_id) =>
      await client.call('getApplication', { catalog_id: await catalogId(), application_id }),
    fields: ({ id, product, branch, base_image, latest_release: last, latest_pipeline, status }) => ({
      ...{ product: product.name, key: product.key, branch, 'base image': base_image.name, status },
      ...{ release: last && `${last.version}-r${last.revision}`, pipeline: latest_pipeline?.status, id },
    }),
  });
  addList(applications, 'list the applications of the catalog')
    .option('--product <key>', 'only this product')
    .action(
      inSession<PageOptions & { product?: string }>(io, async ({ client, catalogId, show }, { product, ...pages }) => {
        const filters = {
          catalog_id: await catalogId(),
          ...(product === undefined ? {} : { product_key: product }),
        };
        const page = await readPages(pages, (at) => client.call('listApplications', { ...filters, ...at }));
        show(page, ({ items }) =>
          sayTable(io, items, [
            ['PRODUCT', (application) => application.product.key],
            ['TYPE', ({ packaging_type }) => typedAs(packaging_type)],
            ['BRANCH', ({ branch }) => branch],
            ['BASE IMAGE', ({ base_image }) => base_image.name],
            ['RELEASE', ({ latest_release: last }) => last && `${last.version}-r${last.revision}`],
            ['PIPELINE', ({ latest_pipeline }) => latest_pipeline?.status],
            ['STATUS', ({ status }) => status],
            ['ID', ({ id }) => id],
          ]),
        );
        sayRest(io, page);
      }),
    );
  withPages(program.command('catalogs').description('list the catalogs of the organization')).action(
    inSession<PageOptions>(io, async ({ client, show }, pages) => {
      const page = await readPages(pages, (at) => client.call('listCatalogs', at));
      show(page, ({ items }) =>
        sayTable(io, items, [
          ['NAME', ({ name }) => name],
          ['CREATED', ({ created_at }) => shortTime(created_at)],
          ['ID', ({ id }) => id],
        ]),
      );
      sayRest(io, page);
    }),
  );
  addCatalogSettings(program, io);
  withPages(program.command('operating-systems').description('list the operating systems of base images')).action(
    inSession<PageOptions>(io, async ({ client, show }, pages) => {
      const page = await readPages(pages, (at) => client.call('listOperatingSystems', at));
      show(page, ({ items }) =>
        sayTable(io, items, [
          ['NAME', ({ name }) => name],
          ['STATUS', ({ status }) => status],
          ['ID', ({ id }) => id],
        ]),
      );
      sayRest(io, page);
    }),
  );
}

type Settings = { unverifiedImages?: CatalogSettings['unverified_images'] };

function addCatalogSettings(program: Command, io: Io): void {
  program
    .command('settings')
    .description('show or change the settings of the catalog')
    .addOption(
      new Option('--unverified-images <word>', 'release images that no worker could start and test').choices(
        UNVERIFIED_IMAGES,
      ),
    )
    .action(
      inSession<Settings>(io, async ({ client, catalogId, show }, { unverifiedImages }) => {
        const catalog_id = await catalogId();
        if (unverifiedImages !== undefined) {
          await client.call('updateCatalogSettings', { catalog_id, unverified_images: unverifiedImages });
        }
        show(await client.call('getCatalogSettings', { catalog_id }), (settings) =>
          sayFields(io, {
            'unverified images': settings.unverified_images,
            'are released': settings.unverified_images_allowed ? 'yes' : 'no',
          }),
        );
      }),
    );
}
