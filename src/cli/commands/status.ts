// `status`: shows running, waiting and failed pipelines, omitted customizations, and unusable registries and base images on
// one screen.
import type { Command } from 'commander';
import type { CustomizationDetailed } from '../../contract/customization.ts';
import { PAGE_SIZE_MAX } from '../../contract/limits.ts';
import type { Pipeline } from '../../contract/pipeline.ts';
import type { Io } from '../io.ts';
import { readAll } from '../list.ts';
import { clean, say, shortTime } from '../output.ts';
import { inSession, type Session } from '../session.ts';
import { failureOf, stageOf, waitingOf } from '../watch.ts';

/** The most lines of one section, because five sections must fit on a screen. */
const LINES_MAX = 8;

type Line = { what: string; state: string; since?: string };
type Section = {
  name: 'running' | 'waiting' | 'failed' | 'left out' | 'unusable';
  total: number;
  lines: Line[];
  more: string;
};

export function addStatusCommand(program: Command, io: Io): void {
  program
    .command('status')
    .description('show running, waiting, failed, incomplete and unusable parts, with their causes')
    .action(
      inSession(io, async (session) => {
        const catalog_id = await session.catalogId();
        const [open, failed, leftOut, unusable] = await Promise.all([
          openSections(session, catalog_id),
          failedSection(session, catalog_id),
          leftOutSection(session, catalog_id),
          unusableSection(session),
        ]);
        const sections = [...open, failed, leftOut, unusable];
        const answer = Object.fromEntries(
          sections.map(({ name, total, lines }) => [name.replace(' ', '_'), { total, items: lines }]),
        );
        session.show(answer, () => saySections(io, sections));
      }),
    );
}

async function openSections({ client }: Session, catalog_id: string): Promise<Section[]> {
  const filter = { catalog_id, status: 'IN_PROGRESS', page_size: PAGE_SIZE_MAX } as const;
  const { items, total_size } = await client.call('listPipelines', filter);
  const [waiting, running] = [items.filter(waits), items.filter((one) => !waits(one))];
  const lineOf = (pipeline: Pipeline) => ({
    what: nameOf(pipeline),
    state: [stageOf(pipeline), waitingOf(pipeline)].filter((part) => part !== undefined).join(': '),
    since: pipeline.started_at,
  });
  const more = 'larder pipelines --status in-progress';
  // Only one page is read. Pipelines on other pages are counted as waiting, because most pipelines in progress are waiting.
  const rest = total_size - items.length;
  return [
    { name: 'running', total: running.length, lines: running.map(lineOf), more },
    { name: 'waiting', total: waiting.length + rest, lines: waiting.map(lineOf), more },
  ];
}

function waits(pipeline: Pipeline): boolean {
  return waitingOf(pipeline) !== undefined || stageOf(pipeline) === 'waiting';
}

/** Returns the applications whose latest pipeline failed. A failure before a later success is omitted. */
async function failedSection({ client }: Session, catalog_id: string): Promise<Section> {
  const all = await readAll((at) => client.call('listApplications', { catalog_id, ...at }));
  const applications = all.filter(({ latest_pipeline }) => latest_pipeline?.status === 'FAILED');
  const lines = await Promise.all(
    applications.slice(0, LINES_MAX).flatMap(({ latest_pipeline }) => {
      if (latest_pipeline === undefined) return [];
      return [client.call('getPipeline', { catalog_id, pipeline_id: latest_pipeline.id }).then(failedLine)];
    }),
  );
  return { name: 'failed', total: applications.length, lines, more: 'larder pipelines --status failed' };
}

function failedLine(pipeline: Pipeline): Line {
  const [reason = ''] = (failureOf(pipeline) ?? '').split('\n', 1);
  return { what: nameOf(pipeline), state: reason, since: pipeline.ended_at ?? pipeline.started_at };
}

/** Returns the customizations that broke applications. The applications were then released without them. */
async function leftOutSection({ client }: Session, catalog_id: string): Promise<Section> {
  const left = { catalog_id, active: true, left_out: true, page_size: LINES_MAX } as const;
  const { items, total_size } = await client.call('listCustomizations', left);
  return { name: 'left out', total: total_size, lines: items.map(leftOutLine), more: 'larder customizations' };
}

function leftOutLine(customization: CustomizationDetailed): Line {
  const { id, name, version, affected_releasables } = customization;
  const broken = affected_releasables.filter(({ left_out }) => left_out);
  // An application with several registries has several releasables, so its name is counted once.
  const names = new Set(broken.map((one) => `${one.product.key} ${one.branch} on ${one.base_image.name}`));
  const [first = 'an application', ...others] = names;
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  const [{ failure } = {}] = broken;
  const [reason] = (failure?.description ?? 'it broke the build').split('\n', 1);
  const since = failure?.error_date;
  return {
    what: `customization ${name ?? id} ${version} of ${first}${more}`,
    state: reason ?? '',
    ...(since !== undefined && { since }),
  };
}

async function unusableSection({ client }: Session): Promise<Section> {
  const [registries, images, deprecated] = await Promise.all([
    readAll((at) => client.call('listRegistries', { removed: false, ...at })),
    readAll((at) => client.call('listBaseImages', { statuses: ['ACTIVE'], ...at })),
    // Omits deprecated base images without applications, because nothing new is built on them.
    readAll((at) => client.call('listBaseImages', { statuses: ['DEPRECATED'], with_applications: true, ...at })),
  ]);
  const lines = [
    ...registries.map((one) => ({ kind: 'registry', ...one })),
    ...images.map((one) => ({ kind: 'base image', ...one })),
    ...deprecated.map((one) => ({ kind: 'deprecated base image', ...one })),
  ].flatMap(({ kind, name, healthy, unhealthy_cause, unhealthy_since: since, ...more }) => {
    const index = 'charts_index_fault' in more ? more.charts_index_fault : undefined;
    const unlisted = index === undefined ? [] : [{ what: `index of charts in ${name}`, state: index }];
    if (healthy !== false) return unlisted;
    return [
      ...unlisted,
      { what: `${kind} ${name}`, state: unhealthy_cause ?? 'not healthy', ...(since === undefined ? {} : { since }) },
    ];
  });
  return { name: 'unusable', total: lines.length, lines, more: 'larder registries, larder base-images' };
}

function nameOf({ product, version, base_image, packaging_type }: Pipeline): string {
  const type = packaging_type === 'CONTAINER_IMAGE' ? '' : ` (${packaging_type})`;
  return `${product.key} ${version}${type} on ${base_image.name}`;
}

function saySections(io: Io, sections: readonly Section[]): void {
  for (const { name, total, lines, more } of sections) {
    say(io, `${name.padEnd(8)}  ${total}`);
    for (const { what, state, since } of lines.slice(0, LINES_MAX)) {
      const time = since === undefined ? '' : ` (since ${shortTime(since)})`;
      say(io, `  ${clean(what)}: ${clean(state)}${time}`);
    }
    if (total > LINES_MAX) say(io, `  and ${total - Math.min(lines.length, LINES_MAX)} more: ${more}`);
  }
}
