// Commands that list and show releases and pipelines.
import { type Command, Option } from 'commander';
import type { Output } from '../../contract/endpoints.ts';
import { PAGE_SIZE_DEFAULT } from '../../contract/limits.ts';
import type { Pipeline } from '../../contract/pipeline.ts';
import { PIPELINE_STATUSES } from '../../contract/vocabulary.ts';
import type { Io } from '../io.ts';
import { addList, type PageOptions, readPages, sayRest } from '../list.ts';
import { say, sayFields, sayTable, shortTime } from '../output.ts';
import { inSession, type Session } from '../session.ts';
import { failureOf, stageOf, waitingOf, watchPipelines } from '../watch.ts';
import { typedAs, wordOf } from '../words.ts';
import { addGet, named } from './get.ts';
import { addWaveCommands } from './waves.ts';

export function addReleaseCommands(program: Command, io: Io): void {
  const releases = program.command('releases').description('list and show releases');
  addList(releases, 'list releases, the newest first')
    .option('--application <id>', 'only releases of this application')
    .option('--digest <digest>', 'only the release with this digest in its registry')
    .action(
      inSession<ReleaseOptions>(io, async (session, { application, digest, ...pages }) => {
        const filters = {
          catalog_id: await session.catalogId(),
          ...(application === undefined ? {} : { application_id: application }),
          ...(digest === undefined ? {} : { repo_digest: digest }),
        };
        const ask = (at: { page: number; page_size: number }) =>
          session.client.call('listReleases', { ...filters, ...at });
        const page = await readPages(pages, ask, PAGE_SIZE_DEFAULT);
        session.show(page, ({ items }) =>
          sayTable(io, items, [
            ['PRODUCT', ({ product }) => product?.key],
            ['TYPE', ({ packaging_type }) => packaging_type && typedAs(packaging_type)],
            ['VERSION', ({ version, revision }) => `${version}-r${revision}`],
            ['RELEASED', ({ released_at }) => shortTime(released_at)],
            ['VERIFIED', ({ verified }) => (verified === false ? 'no' : 'yes')],
            ['PULL', ({ artifact }) => artifact.url],
            ['ID', ({ id }) => id],
          ]),
        );
        sayRest(io, page);
      }),
    );
  addGet(releases, io, RELEASE);
  // An older name of `releases get`.
  program
    .command('release', { hidden: true })
    .description('show a release')
    .argument('<id>')
    .action(
      inSession(io, async (session, _options, [id = '']) => {
        session.show(await named('release', id, RELEASE.load(session, id)), (release) =>
          sayFields(io, RELEASE.fields(release)),
        );
      }),
    );
  addPipelines(program, io);
  addRetry(program, io);
  addWaveCommands(program, io);
}

type ReleaseOptions = PageOptions & { application?: string; digest?: `sha256:${string}` };

const RELEASE = {
  noun: 'release',
  load: async ({ client, catalogId }: Session, release_id: string) =>
    await client.call('getRelease', { catalog_id: await catalogId(), release_id }),
  fields: (release: Output<'getRelease'>) => ({
    product: release.product?.name,
    version: `${release.version}-r${release.revision}`,
    released: release.released_at,
    pull: release.artifact.url,
    'moved from': release.moved_from,
    digest: release.artifact.repo_digest,
    'signed by': release.signing_keys?.map(({ public_key_url }) => public_key_url).join(', '),
    verified: release.verified === false ? 'no: no worker could start or render it' : 'yes',
    'base image': release.base_image?.name,
    customizations: (release.customizations ?? []).map(({ id, version }) => `${id} ${version}`).join(', '),
    pipeline: release.pipeline_id,
  }),
};

type PipelineOptions = PageOptions & { application?: string; status?: Pipeline['status']; watch?: boolean };

function addPipelines(program: Command, io: Io): void {
  const pipelines = program.command('pipelines').description('list and show pipelines');
  addGet(pipelines, io, {
    noun: 'pipeline',
    load: async ({ client, catalogId }, pipeline_id) =>
      await client.call('getPipeline', { catalog_id: await catalogId(), pipeline_id }),
    fields: (pipeline) => ({
      ...{ product: pipeline.product.key, version: pipeline.version, 'base image': pipeline.base_image.name },
      why: pipeline.triggers.map(({ type, context }) => context ?? type).join(', '),
      ...{ stage: stageOf(pipeline), waiting: waitingOf(pipeline), failure: failureOf(pipeline) },
      ...{ started: shortTime(pipeline.started_at), ended: pipeline.ended_at && shortTime(pipeline.ended_at) },
      ...{ application: pipeline.application_id, release: pipeline.release_id, id: pipeline.id },
    }),
  });
  addList(pipelines, 'list pipelines, the newest first, or show one')
    .argument('[id]', 'only this pipeline')
    .option('--application <id>', 'only pipelines of this application')
    .addOption(
      new Option('--status <status>', `only these: ${PIPELINE_STATUSES.map(typedAs).join(', ')}`).argParser((text) =>
        wordOf(PIPELINE_STATUSES, text),
      ),
    )
    .option('--watch', 'follow them until they end')
    .action(
      inSession<PipelineOptions>(io, async (session, options, [id]) => {
        const ask = await pipelinePageReader(session, options, id);
        const page = options.watch ? await watchPipelines(session, ask) : await ask();
        session.show(page.items, (all) =>
          sayTable(io, all, [
            ['PRODUCT', ({ product }) => product.key],
            ['TYPE', ({ packaging_type }) => typedAs(packaging_type)],
            ['VERSION', ({ version }) => version],
            ['BASE IMAGE', ({ base_image }) => base_image.name],
            ['WHY', ({ triggers }) => triggers.map(({ type, context }) => context ?? type).join(', ')],
            ['STAGE', stageOf],
            ['STARTED', ({ started_at }) => shortTime(started_at)],
            ['ID', (pipeline) => pipeline.id],
            ['REASON', (pipeline) => waitingOf(pipeline) ?? failureOf(pipeline)?.split('\n', 1)[0]],
          ]),
        );
        sayRest(io, page);
      }),
    );
}

function addRetry(program: Command, io: Io): void {
  program
    .command('retry')
    .description('retry a failed pipeline with the same plan')
    .argument('<pipeline>', 'its id')
    .option('--watch', 'follow the new pipeline until it ends')
    .action(
      inSession<{ watch?: boolean }>(io, async (session, { watch }, [pipeline_id = '']) => {
        const catalog_id = await session.catalogId();
        const made = await session.client.call('retryPipeline', { catalog_id, pipeline_id });
        if (watch) await watchPipelines(session, await pipelinePageReader(session, {}, made.id));
        session.show(made, ({ id }) => say(io, id));
      }),
    );
}

/**
 * Returns a function that reads a page of the pipelines that the options select. With `id`, the page contains only this
 * pipeline.
 */
async function pipelinePageReader(
  { client, catalogId }: Session,
  { application, status, ...pages }: PipelineOptions,
  id?: string,
): Promise<() => Promise<Output<'listPipelines'>>> {
  const catalog_id = await catalogId();
  if (id !== undefined) {
    return async () => {
      const items = [await named('pipeline', id, client.call('getPipeline', { catalog_id, pipeline_id: id }))];
      return { page: 1, page_size: 1, total_size: 1, total_pages: 1, items };
    };
  }
  const filters = {
    catalog_id,
    ...(application === undefined ? {} : { application_id: application }),
    ...(status === undefined ? {} : { status }),
  };
  const ask = (at: { page: number; page_size: number }) => client.call('listPipelines', { ...filters, ...at });
  return async () => await readPages(pages, ask, PAGE_SIZE_DEFAULT);
}
