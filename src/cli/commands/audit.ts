// The commands that list the audit trail.
import type { Command } from 'commander';
import type { Output } from '../../contract/endpoints.ts';
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../../contract/limits.ts';
import type { Io } from '../io.ts';
import { sayTable, shortTime } from '../output.ts';
import { inSession } from '../session.ts';

type Filters = { actor?: string; action?: string; subject?: string; from?: string; to?: string };

export function addAuditCommands(program: Command, io: Io): void {
  const audit = program
    .command('audit')
    .description('list and export changes: who made them, when, and from which address (for owners)');
  withFilters(audit.command('list').description('the newest changes')).action(
    inSession<Filters>(io, async ({ client, show }, filters) => {
      const page: Output<'listAuditEvents'> = await client.call('listAuditEvents', {
        ...queryOf(filters),
        page_size: PAGE_SIZE_DEFAULT,
      });
      show(page, ({ items }) =>
        sayTable(io, items, [
          ['WHEN', ({ happened_at }) => shortTime(happened_at)],
          ['WHO', ({ actor_name }) => actor_name],
          ['FROM', ({ address }) => address ?? ''],
          ['DID', ({ action, outcome }) => (outcome === 'REFUSED' ? `${action} (rejected)` : action)],
          ['TO', ({ subject_kind, subject_id }) => [subject_kind, subject_id].filter(Boolean).join(' ')],
        ]),
      );
      if (page.next_cursor !== undefined) {
        io.err.write(`Showing the newest ${page.items.length}; «larder audit export» writes all of them.\n`);
      }
    }),
  );
  withFilters(audit.command('export').description('all changes as JSON lines, the newest first')).action(
    inSession<Filters>(io, async ({ client }, filters) => {
      for (let at: { cursor?: string } | undefined = {}; at !== undefined; ) {
        const page: Output<'listAuditEvents'> = await client.call('listAuditEvents', {
          ...queryOf(filters),
          ...at,
          page_size: PAGE_SIZE_MAX,
        });
        io.out.write(page.items.map((event) => `${JSON.stringify(event)}\n`).join(''));
        at = page.next_cursor === undefined ? undefined : { cursor: page.next_cursor };
      }
    }),
  );
}

function withFilters(command: Command): Command {
  return command
    .option('--actor <id>', 'only changes by this user')
    .option('--action <name>', 'only this operation')
    .option('--subject <id>', 'only changes of the resource with this id')
    .option('--from <time>', 'only changes at this time or later, for example 2026-03-03T00:00:00Z')
    .option('--to <time>', 'only changes before this time');
}

function queryOf({ actor, action, subject, from, to }: Filters) {
  return {
    ...(actor !== undefined && { actor_id: actor }),
    ...(action !== undefined && { action }),
    ...(subject !== undefined && { subject_id: subject }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  };
}
