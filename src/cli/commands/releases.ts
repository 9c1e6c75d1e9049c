// Commands that tell what was built: releases and pipelines.
import { type Command, Option } from 'commander';
import type { Output } from '../../contract/endpoints.ts';
import { PAGE_SIZE_DEFAULT } from '../../contract/limits.ts';
import type { Pipeline } from '../../contract/pipeline.ts';
import { PIPELINE_STATUSES } from '../../contract/vocabulary.ts';
import type { Io } from '../io.ts';
import { say, sayFields, sayTable, shortTime } from '../output.ts';
import { inSession, type Session } from '../session.ts';
import { failureOf, stageOf, waitingOf, watchPipelines } from '../watch.ts';
import { typedAs, wordOf } from '../words.ts';
import { addGet, named } from './get.ts';

/** Adds the commands. */
export function addReleaseCommands(program: Command, io: Io): void {
  const releases = program.command('releases').description('list and show releases');
  releases
    .command('list', { isDefault: true })
    .description('list releases, the newest first')
    .option('--application <id>', 'only releases of this application')
    .option('--digest <digest>', 'only the release that this digest names in its registry')
    .action(
      inSession<{ application?: string; digest?: `sha256:${string}` }>(io, async (session, { application, digest }) => {
        const page = await session.client.call('listReleases', {
          catalog_id: await session.catalogId(),
          page_size: PAGE_SIZE_DEFAULT,
          ...(application === undefined ? {} : { application_id: application }),
          ...(digest === undefined ? {} : { repo_digest: digest }),
        });
        session.show(page, ({ items }) =>
          sayTable(io, items, [
            ['PRODUCT', ({ product }) => product?.key],
            ['VERSION', ({ version, revision }) => `${version}-r${revision}`],
            ['RELEASED', ({ released_at }) => shortTime(released_at)],
            ['VERIFIED', ({ verified }) => (verified === false ? 'no' : 'yes')],
            ['PULL', ({ artifact }) => artifact.url],
            ['ID', ({ id }) => id],
          ]),
        );
      }),
    );
  addGet(releases, io, RELEASE);
  // The older way to say `releases get`.
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
}

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
    verified: release.verified === false ? 'no: no worker could start it' : 'yes',
    'base image': release.base_image?.name,
    customizations: (release.customizations ?? []).map(({ id, version }) => `${id} ${version}`).join(', '),
    pipeline: release.pipeline_id,
  }),
};

type PipelineOptions = { application?: string; status?: Pipeline['status']; watch?: boolean };

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
  pipelines
    .command('list', { isDefault: true })
    .description('list pipelines, the newest first, or show one')
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
        const ask = await pipelineQuestion(session, options, id);
        const pipelines = options.watch ? await watchPipelines(session, ask) : await ask();
        session.show(pipelines, (all) =>
          sayTable(io, all, [
            ['PRODUCT', ({ product }) => product.key],
            ['VERSION', ({ version }) => version],
            ['WHY', ({ triggers }) => triggers.map(({ type, context }) => context ?? type).join(', ')],
            ['STAGE', stageOf],
            ['STARTED', ({ started_at }) => shortTime(started_at)],
            ['ID', (pipeline) => pipeline.id],
            ['REASON', (pipeline) => waitingOf(pipeline) ?? failureOf(pipeline)?.split('\n', 1)[0]],
          ]),
        );
      }),
    );
}

function addRetry(program: Command, io: Io): void {
  program
    .command('retry')
    .description('try a failed pipeline again, with the same plan')
    .argument('<pipeline>', 'its id')
    .option('--watch', 'follow the new pipeline until it ends')
    .action(
      inSession<{ watch?: boolean }>(io, async (session, { watch }, [pipeline_id = '']) => {
        const catalog_id = await session.catalogId();
        const made = await session.client.call('retryPipeline', { catalog_id, pipeline_id });
        if (watch) await watchPipelines(session, await pipelineQuestion(session, {}, made.id));
        session.show(made, ({ id }) => say(io, id));
      }),
    );
}

async function pipelineQuestion(
  session: Session,
  options: PipelineOptions,
  id?: string,
): Promise<() => Promise<Pipeline[]>> {
  const { client } = session;
  const catalog_id = await session.catalogId();
  if (id !== undefined) return async () => [await client.call('getPipeline', { catalog_id, pipeline_id: id })];
  const { application: application_id, status } = options;
  const filters = {
    ...(application_id === undefined ? {} : { application_id }),
    ...(status === undefined ? {} : { status }),
  };
  return async () => (await client.call('listPipelines', { catalog_id, ...filters })).items;
}
