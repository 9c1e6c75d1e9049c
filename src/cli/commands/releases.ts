// Commands that tell what was built: releases and pipelines.
import type { Command } from 'commander';
import { PAGE_SIZE_DEFAULT } from '../../contract/limits.ts';
import type { Pipeline } from '../../contract/pipeline.ts';
import type { Io } from '../io.ts';
import { say, sayFields, sayTable, shortTime } from '../output.ts';
import { inSession, type Session } from '../session.ts';
import { failureOf, stageOf, waitingOf, watchPipelines } from '../watch.ts';

/** Adds the commands. */
export function addReleaseCommands(program: Command, io: Io): void {
  program
    .command('releases')
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
  program
    .command('release')
    .description('show a release')
    .argument('<id>')
    .action(
      inSession(io, async (session, _options, [release_id = '']) => {
        const wish = { catalog_id: await session.catalogId(), release_id };
        session.show(await session.client.call('getRelease', wish), (release) =>
          sayFields(io, {
            product: release.product?.name,
            version: `${release.version}-r${release.revision}`,
            released: release.released_at,
            pull: release.artifact.url,
            digest: release.artifact.repo_digest,
            verified: release.verified === false ? 'no: no worker could start it' : 'yes',
            'base image': release.base_image?.name,
            customizations: (release.customizations ?? []).map(({ id, version }) => `${id} ${version}`).join(', '),
            pipeline: release.pipeline_id,
          }),
        );
      }),
    );
  addPipelines(program, io);
  addRetry(program, io);
}

type PipelineOptions = { application?: string; status?: Pipeline['status']; watch?: boolean };

function addPipelines(program: Command, io: Io): void {
  program
    .command('pipelines')
    .description('list pipelines, the newest first, or show one')
    .argument('[id]', 'only this pipeline')
    .option('--application <id>', 'only pipelines of this application')
    .option('--status <status>', 'only IN_PROGRESS, SUCCEEDED, FAILED or CANCELLED ones')
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
