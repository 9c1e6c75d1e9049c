// The command line: its commands, its options, and its error messages.
import { Command, CommanderError, Option } from 'commander';
import { ProblemError, UnexpectedAnswerError, UnreachableError } from '../client/problem-error.ts';
import { VERSION } from '../version.ts';
import { addAccessCommands } from './commands/access.ts';
import { addAuditCommands } from './commands/audit.ts';
import { addCatalogCommands } from './commands/catalog.ts';
import { addChartCommands } from './commands/charts.ts';
import { addCredentialCommands } from './commands/credentials.ts';
import { addCustomizationCommands } from './commands/customizations.ts';
import { addNotificationCommands } from './commands/notifications.ts';
import { addPeopleCommands } from './commands/people.ts';
import { addPlaceCommands } from './commands/places.ts';
import { addProductCommands } from './commands/products.ts';
import { addReleaseCommands } from './commands/releases.ts';
import { addRequestCommands } from './commands/requests.ts';
import { addSigningKeyCommands } from './commands/signing-keys.ts';
import { addStatusCommand } from './commands/status.ts';
import { CommandFailed, EXIT, type Io } from './io.ts';
import type { OperatorTools } from './operate.ts';
import { clean, violationLines } from './output.ts';

const DEFAULT_URL = 'http://127.0.0.1:8080';

/**
 * Creates the program with all commands that call a server. The caller may add more. `operator` has the operations for a
 * machine that can connect to the database.
 */
export function createProgram(io: Io, operator?: OperatorTools): Command {
  const program = new Command('larder')
    .description('An organization’s own application catalog.')
    .version(VERSION, '-V, --version', 'print the version')
    .addOption(new Option('--url <url>', 'the server').env('LARDER_URL').default(DEFAULT_URL))
    .addOption(new Option('--token <token>', 'an API token; prefer the environment variable').env('LARDER_TOKEN'))
    .addOption(new Option('--catalog <id>', 'the catalog (default: the organization’s first)').env('LARDER_CATALOG'))
    .option('--json', 'answer in JSON')
    .option('--debug', 'show the stack trace of a fault of this program')
    .configureOutput({ writeOut: (text) => io.out.write(text), writeErr: (text) => io.err.write(legible(text)) })
    .exitOverride()
    .showHelpAfterError('(see larder --help)')
    .addHelpText(
      'after',
      '\nExit statuses: 0 success; 1 rejected or failed; 2 invalid arguments, or a file cannot be read; 3 no answer, or not from Larder; 70 a fault of this program.',
    );
  // A command copies the settings of the program when it is added, so the settings above must come first.
  addAccessCommands(program, io);
  addStatusCommand(program, io);
  addProductCommands(program, io);
  addCatalogCommands(program, io);
  addRequestCommands(program, io);
  addCustomizationCommands(program, io);
  addReleaseCommands(program, io);
  addPlaceCommands(program, io);
  addCredentialCommands(program, io);
  addNotificationCommands(program, io);
  addPeopleCommands(program, io, operator);
  addSigningKeyCommands(program, io);
  addAuditCommands(program, io);
  addChartCommands(program, io);
  return program;
}

/**
 * The longest error line, in characters. No message of this program is longer, so this limits only the arguments and names in
 * it.
 */
const ERROR_LINE_LENGTH_MAX = 900;

function legible(text: string): string {
  const lines = text.split('\n').map((line) => clean(line));
  return lines
    .map((line) => (line.length > ERROR_LINE_LENGTH_MAX ? `${line.slice(0, ERROR_LINE_LENGTH_MAX)}…` : line))
    .join('\n');
}

/** Runs the program with the arguments that a person typed. Returns the exit status. */
export async function runProgram(program: Command, args: readonly string[], io: Io): Promise<number> {
  try {
    await program.parseAsync([...args], { from: 'user' });
    return EXIT.done;
  } catch (error) {
    return explain(error, io, program.opts<{ debug?: boolean }>().debug === true);
  }
}

function explain(error: unknown, io: Io, debug: boolean): number {
  // Commander has already printed the error. `--help` is not an error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  const { lines, exitCode } = explanationOf(error, debug);
  io.err.write(legible(`${lines.join('\n')}\n`));
  return exitCode;
}

function explanationOf(error: unknown, debug: boolean): { lines: string[]; exitCode: number } {
  if (error instanceof ProblemError) return { lines: problemLines(error), exitCode: EXIT.rejected };
  if (error instanceof CommandFailed) return { lines: error.message.split('\n').map(clean), exitCode: error.exitCode };
  if (error instanceof UnreachableError || error instanceof UnexpectedAnswerError) {
    const advice = error instanceof UnreachableError ? 'Start Larder there, or name' : 'Name';
    const line = `${clean(error.message)}. ${advice} another server by --url or LARDER_URL.`;
    return { lines: [line], exitCode: EXIT.unreachable };
  }
  const stack = debug && error instanceof Error ? (error.stack ?? '') : '';
  const message = clean(error instanceof Error ? error.message : String(error));
  const line = `This is a fault of the larder command: ${message} (--debug shows where).`;
  return { lines: [line, ...stack.split('\n').filter(Boolean)], exitCode: EXIT.fault };
}

function problemLines({ message, problem }: ProblemError): string[] {
  const id = problem.request_id === undefined ? [] : [`  (request ${clean(problem.request_id)})`];
  return [clean(message), ...violationLines(problem.violations), ...id];
}
