// Commands for waves and for rebuilds of applications.
import type { Command } from 'commander';
import type { Output } from '../../contract/endpoints.ts';
import { PAGE_SIZE_DEFAULT } from '../../contract/limits.ts';
import type { Io } from '../io.ts';
import { addList, type PageOptions, readPages, sayRest } from '../list.ts';
import { say, sayTable, shortTime } from '../output.ts';
import { inSession } from '../session.ts';
import { typedAs } from '../words.ts';
import { addGet } from './get.ts';

export function addWaveCommands(program: Command, io: Io): void {
  const waves = program.command('waves').description('list and show waves: all pipelines that one cause made');
  addGet(waves, io, {
    noun: 'wave',
    load: async ({ client, catalogId }, wave_id) =>
      await client.call('getWave', { catalog_id: await catalogId(), wave_id }),
    fields: (wave) => ({
      ...{ cause: typedAs(wave.cause), by: wave.created_by, status: typedAs(wave.status) },
      ...{ began: shortTime(wave.created_at), pipelines: countsOf(wave), id: wave.id },
    }),
  });
  addList(waves, 'list waves, the newest first').action(
    inSession<PageOptions>(io, async ({ client, catalogId, show }, options) => {
      const catalog_id = await catalogId();
      const page = await readPages(options, (at) => client.call('listWaves', { catalog_id, ...at }), PAGE_SIZE_DEFAULT);
      show(page.items, (items) =>
        sayTable(io, items, [
          ['CAUSE', ({ cause }) => typedAs(cause)],
          ['STATUS', ({ status }) => typedAs(status)],
          ['PIPELINES', countsOf],
          ['BY', ({ created_by }) => created_by],
          ['BEGAN', ({ created_at }) => shortTime(created_at)],
          ['ID', ({ id }) => id],
        ]),
      );
      sayRest(io, page);
    }),
  );
  program
    .command('rebuild')
    .description('rebuild applications, and those that need them, from their current inputs')
    .argument('<application...>', 'ids of applications')
    .option('--force', 'release even if nothing changed')
    .action(
      inSession<{ force?: boolean }>(io, async ({ client, catalogId, show }, { force }, application_ids) => {
        const asked = { catalog_id: await catalogId(), application_ids };
        const made = await client.call('rebuildApplications', { ...asked, ...(force && { force }) });
        show(made, ({ id }) => say(io, id));
      }),
    );
}

/** Returns the counts that are not zero, such as `3 running, 12 succeeded`. */
function countsOf({ counts }: Pick<Output<'getWave'>, 'counts'>): string {
  const { in_progress: running, ...ended } = counts;
  return Object.entries({ running, ...ended })
    .filter(([, count]) => count > 0)
    .map(([word, count]) => `${count} ${word}`)
    .join(', ');
}
