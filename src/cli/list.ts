// Lists: read one page or all pages, report how many items are omitted, and reject unknown sub-commands.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PAGE_MAX, PAGE_SIZE_MAX } from '../contract/limits.ts';
import { nearestWord } from '../nearest-word.ts';
import type { Io } from './io.ts';
import { UUID } from './words.ts';

export type PageOptions = { page?: number; all?: boolean };

type Page<T> = { page: number; page_size: number; total_size: number; total_pages: number; items: T[] };
type AskPage<T> = (at: { page: number; page_size: number }) => Promise<Page<T>>;

/** Adds the command `list`. The group runs it if no sub-command is given. */
export function addList(group: Command, description: string): Command {
  const list = withPages(group.command('list', { isDefault: true }).description(description));
  return list.allowExcessArguments().hook('preAction', () => requireKnownWords(group, list));
}

/** Adds the options `--page` and `--all`. */
export function withPages(command: Command): Command {
  return command
    .addOption(new Option('--page <number>', 'number of the page, from 1').argParser(pageOf).conflicts('all'))
    .option('--all', 'all pages');
}

function pageOf(text: string): number {
  const page = Number(text);
  if (/^\d{1,9}$/.test(text) && page >= 1 && page <= PAGE_MAX) return page;
  throw new InvalidArgumentError(`It should be a whole number from 1 to ${PAGE_MAX}.`);
}

/** Ends the command with an error if the first argument is neither a sub-command of the group nor an id. */
function requireKnownWords(group: Command, list: Command): void {
  const { args, registeredArguments } = list;
  const [word] = args;
  if (word === undefined) return;
  if (group.args[0] !== list.name() && !(registeredArguments.length > 0 && UUID.test(word))) {
    const nearest = nearestWord(
      word,
      group.commands.map((one) => one.name()),
    );
    group.error(`error: unknown command '${word}' of ${group.name()} (the nearest is '${nearest}')`);
  }
  if (args.length > registeredArguments.length) {
    group.error(
      `error: too many arguments for '${list.name()}': at most ${registeredArguments.length}, not ${args.length}`,
    );
  }
}

/** Reads one page. With `all`, reads all pages and returns them as one. */
export async function readPages<T>(
  { page = 1, all = false }: PageOptions,
  ask: AskPage<T>,
  pageSize = PAGE_SIZE_MAX,
): Promise<Page<T>> {
  if (!all) return await ask({ page, page_size: pageSize });
  const items: T[] = [];
  for (let number = 1; ; number++) {
    const answer = await ask({ page: number, page_size: PAGE_SIZE_MAX });
    items.push(...answer.items);
    // An empty page also ends the list, because items may have been removed since the first page was read.
    if (number >= answer.total_pages || answer.items.length === 0) {
      return { page: 1, page_size: items.length, total_size: items.length, total_pages: 1, items };
    }
  }
}

/** Returns every item of a list. */
export async function readAll<T>(ask: AskPage<T>): Promise<T[]> {
  return (await readPages({ all: true }, ask)).items;
}

/** Writes to standard error how many of all items are shown. Writes nothing if all are shown. */
export function sayRest(io: Io, { page, total_pages, total_size, items }: Omit<Page<unknown>, 'page_size'>): void {
  if (items.length >= total_size) return;
  const next = page < total_pages ? `--page ${page + 1} shows the next page` : `this is page ${page} of ${total_pages}`;
  io.err.write(`Showing ${items.length} of ${total_size}; ${next}, --all shows everything.\n`);
}
