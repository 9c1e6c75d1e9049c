// The operator's commands for the content folder. They run on a machine that can access the folder and the database.
import type { Command } from 'commander';
import { CommandFailed, type Io } from '../cli/io.ts';
import { operate } from '../cli/operate.ts';
import { clean } from '../cli/output.ts';
import type { BadContent, ContentReport } from './content-check.ts';

/** Adds the commands to a group of `larder`. */
export function addContentCommands(group: Command, io: Io): void {
  group
    .command('check')
    .description('list each content of the database that is missing in the folder, and the releases that need it')
    .option('--bytes', 'also read every content and compare it with its digest')
    .action(async ({ bytes = false }: { bytes?: boolean }, command: Command) => {
      let bad = 0;
      await operate(async () => {
        const report = await (await import('./content-check.ts')).checkContent({ bytes });
        bad = report.bad.length;
        return command.optsWithGlobals<{ json?: boolean }>().json
          ? JSON.stringify(report, null, 2)
          : reportText(report, bytes);
      }, io);
      if (bad > 0) throw new CommandFailed(`Contents that cannot be served: ${bad}.`);
    });
  group
    .command('adopt')
    .description('accept LARDER_CONTENT as this installation’s folder although its content is lost')
    .action(() =>
      operate(async () => {
        const directory = await (await import('./content-check.ts')).adoptContent();
        return `${directory} is this installation’s content folder now. «larder content check» lists the missing contents.`;
      }, io),
    );
}

function reportText({ directory, known, bad, releases }: ContentReport, bytes: boolean): string {
  const how = bytes ? 'undamaged in' : 'in';
  const summary = `Of ${known} contents of the database, ${known - bad.length} are ${how} ${directory}.`;
  const needing = releases.map(({ product, tag, url }) => `  ${clean(product)} ${clean(tag)}  ${clean(url)}`);
  return [
    ...bad.flatMap(linesOf),
    ...(needing.length > 0 ? ['Releases that need them:', ...needing] : []),
    summary,
  ].join('\n');
}

function linesOf({ digest, state, releases, others }: BadContent): string[] {
  return [
    `${state === 'MISSING' ? 'missing' : 'damaged'} ${digest}`,
    ...releases.map(({ product, tag, url }) => `  release ${clean(product)} ${clean(tag)} (${clean(url)})`),
    ...others.map(({ kind, name }) => `  ${kind.replace('_', ' ')}${name === undefined ? '' : ` ${clean(name)}`}`),
  ];
}
