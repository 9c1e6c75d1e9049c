// Commands for customizations: upload, show, change, delete.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CustomizationDetailed } from '../../contract/customization.ts';
import type { UploadSource } from '../../contract/endpoint.ts';
import type { Pipeline } from '../../contract/pipeline.ts';
import { withArchive } from '../archive.ts';
import type { Io } from '../io.ts';
import { addList, type PageOptions, readPages, sayRest } from '../list.ts';
import { getBaseImage } from '../lookup.ts';
import { sayTable } from '../output.ts';
import { inSession, type Session } from '../session.ts';
import { sayWarnings } from '../warnings.ts';
import { watchPipelines } from '../watch.ts';
import { named } from './get.ts';

type Naming = { name?: string; description?: string };
type Packing = { timeMax?: number };
type CustomizeOptions = Naming & Packing & { product?: string; branch?: string; baseImage?: string; watch?: boolean };

export function addCustomizationCommands(program: Command, io: Io): void {
  program
    .command('customize')
    .description('upload a customization; the applications that match it are rebuilt')
    .argument(
      '<folder or archive>',
      'a folder with customization.yaml, rootfs/, scripts/ and chart/, or a tar.gz of them',
    )
    .option('--product <key>', 'only applications of this product (default: all)')
    .option('--branch <branch>', 'only this branch of the product')
    .option('--base-image <name>', 'only applications on this base image, by name or id')
    .option('--name <name>', 'name of the customization')
    .option('--description <text>', 'description')
    .option('--watch', 'follow the pipelines until all its applications are rebuilt')
    .addOption(timeOption())
    .action(inSession<CustomizeOptions>(io, customize));
  const group = program.command('customizations').description('list and change customizations');
  addList(group, 'list customizations')
    .option('--deleted', 'also deleted customizations')
    .action(
      inSession<PageOptions & { deleted?: boolean }>(io, async ({ client, catalogId, show }, options) => {
        const { deleted, ...pages } = options;
        const filters = { catalog_id: await catalogId(), active: !deleted };
        const page = await readPages(pages, (at) => client.call('listCustomizations', { ...filters, ...at }));
        show(page, ({ items }) => sayCustomizations(io, items));
        sayRest(io, page);
      }),
    );
  group
    .command('get')
    .description('show a customization')
    .argument('<id>')
    .action(
      inSession(io, async (session, _options, [id = '']) => {
        const parameters = { catalog_id: await session.catalogId(), customization_id: id };
        const got = named('customization', id, session.client.call('getCustomization', parameters));
        session.show(await got, (one) => sayCustomization(io, one));
      }),
    );
  group
    .command('update')
    .description('change a customization; a folder or an archive makes a new version')
    .argument('<id>')
    .argument('[folder or archive]')
    .option('--name <name>', 'new name')
    .option('--description <text>', 'new description')
    .addOption(timeOption())
    .action(
      inSession<Naming & Packing>(io, async (session, { timeMax, ...naming }, [customization_id = '', archive]) => {
        const { client } = session;
        const parameters = { catalog_id: await session.catalogId(), customization_id };
        const update = async (file?: UploadSource): Promise<void> => {
          await client.call('updateCustomization', {
            ...parameters,
            ...naming,
            ...(file === undefined ? {} : { file }),
          });
        };
        if (archive === undefined) return await update();
        await withArchive({ io, path: archive, timeMax }, update);
        session.show(await client.call('getCustomization', parameters), (changed) => sayCustomization(io, changed));
      }),
    );
  group
    .command('delete')
    .description('delete a customization; its applications are rebuilt without it')
    .argument('<id>')
    .action(
      inSession(io, async ({ client, catalogId }, _options, [customization_id = '']) => {
        const parameters = { catalog_id: await catalogId(), customization_id };
        await named('customization', customization_id, client.call('deleteCustomization', parameters));
      }),
    );
}

function sayCustomizations(io: Io, customizations: readonly CustomizationDetailed[]): void {
  sayTable(io, customizations, [
    ['NAME', ({ name }) => name],
    ['VERSION', ({ version }) => version],
    ['FOR', scopeOf],
    ['STATUS', ({ status }) => status],
    ['TOUCHES', ({ affected_releasables }) => affected_releasables.length],
    ['FAILED', ({ affected_releasables: all }) => all.filter(({ status }) => status === 'FAILED').length],
    ['ID', ({ id }) => id],
  ]);
}

function sayCustomization(io: Io, customization: CustomizationDetailed): void {
  sayCustomizations(io, [customization]);
  sayWarnings(io, customization);
}

function scopeOf({ global, filter }: CustomizationDetailed): string {
  if (global) return 'everything';
  const product = [filter?.product_key, filter?.branch].filter((part) => part !== undefined).join(' ');
  const base = filter?.base_image?.name ?? filter?.base_image_id;
  return [product, base === undefined ? '' : `on ${base}`].filter((part) => part !== '').join(' ');
}

async function customize(session: Session, options: CustomizeOptions, [archive = '']: string[]): Promise<void> {
  const { client, io } = session;
  const { product, branch, baseImage: base, name, description, timeMax } = options;
  const filter = {
    ...(product === undefined ? {} : { product_key: product }),
    ...(branch === undefined ? {} : { branch }),
    ...(base === undefined ? {} : { base_image_id: (await getBaseImage(client, base)).id }),
  };
  const catalog_id = await session.catalogId();
  const parameters = {
    catalog_id,
    ...(Object.keys(filter).length > 0 ? { filter } : {}),
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
  };
  const create = async (file: UploadSource): Promise<string> => {
    const { id } = await client.call('createCustomization', { ...parameters, file });
    return id;
  };
  const id = await withArchive({ io, path: archive, timeMax }, create);
  const get = async (): Promise<CustomizationDetailed> =>
    await client.call('getCustomization', { catalog_id, customization_id: id });
  if (options.watch)
    await watchPipelines(session, async () => ({ items: await pipelinesOf(session, catalog_id, await get()) }));
  session.show(await get(), (made) => sayCustomization(io, made));
}

function pipelinesOf(
  { client }: Session,
  catalog_id: string,
  { affected_releasables }: CustomizationDetailed,
): Promise<Pipeline[]> {
  const ids = new Set(affected_releasables.flatMap(({ latest_pipeline_id }) => latest_pipeline_id ?? []));
  return Promise.all([...ids].map((pipeline_id) => client.call('getPipeline', { catalog_id, pipeline_id })));
}

/**
 * Returns the option for the time of entries. Its default is SOURCE_DATE_EPOCH
 * (https://reproducible-builds.org/specs/source-date-epoch/).
 */
function timeOption(): Option {
  return new Option('--time-max <seconds>', 'seconds since 1970: no file of a packed folder gets a later time')
    .env('SOURCE_DATE_EPOCH')
    .argParser((text) => {
      if (!/^\d{1,11}$/.test(text)) throw new InvalidArgumentError('It should be a number of seconds since 1970.');
      return Number(text);
    });
}
