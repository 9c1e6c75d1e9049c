// The command line: its commands, its options, and what it says when something goes wrong.
import { Command, CommanderError, Option } from 'commander';
import { ProblemError, UnreachableError } from '../client/problem-error.ts';
import { VERSION } from '../version.ts';
import { addAccessCommands } from './commands/access.ts';
import { addAuditCommands } from './commands/audit.ts';
import { addCatalogCommands } from './commands/catalog.ts';
import { addCustomizationCommands } from './commands/customizations.ts';
import { addPeopleCommands } from './commands/people.ts';
import { addPlaceCommands } from './commands/places.ts';
import { addReleaseCommands } from './commands/releases.ts';
import { addRequestCommands } from './commands/requests.ts';
import { CommandFailed, EXIT, type Io } from './io.ts';
import type { OperatorTools } from './operate.ts';
import { clean, violationLines } from './output.ts';

const DEFAULT_URL = 'http://127.0.0.1:8080';

/** Makes the program with all commands that talk to a server; the caller may add others. `operator`: for a machine that reaches the database. */
export function createProgram(io: Io, operator?: OperatorTools): Command {
  const program = new Command('larder')
    .description('An organization’s own application catalog.')
    .version(VERSION, '-V, --version', 'say the version')
    .addOption(new Option('--url <url>', 'the server').env('LARDER_URL').default(DEFAULT_URL))
    .addOption(new Option('--token <token>', 'an API token; better by the environment').env('LARDER_TOKEN'))
    .addOption(new Option('--catalog <id>', 'the catalog (default: the organization’s first)').env('LARDER_CATALOG'))
    .option('--json', 'answer in JSON')
    .configureOutput({ writeOut: (text) => io.out.write(text), writeErr: (text) => io.err.write(text) })
    .exitOverride()
    .showHelpAfterError('(larder --help tells more)')
    .addHelpText('after', `\nExit codes: 0 done, 1 refused or failed, 2 not understood, 3 no answer from the server.`);
  // Before the commands, which take these settings over.
  addAccessCommands(program, io);
  addCatalogCommands(program, io);
  addRequestCommands(program, io);
  addCustomizationCommands(program, io);
  addReleaseCommands(program, io);
  addPlaceCommands(program, io);
  addPeopleCommands(program, io, operator);
  addAuditCommands(program, io);
  return program;
}

/** Runs the program with the arguments a person typed, and answers the exit code. */
export async function runProgram(program: Command, args: readonly string[], io: Io): Promise<number> {
  try {
    await program.parseAsync([...args], { from: 'user' });
    return EXIT.done;
  } catch (error) {
    return explain(error, io);
  }
}

function explain(error: unknown, io: Io): number {
  // Commander has said it already; asking for help is no mistake.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (error instanceof ProblemError) {
    const { problem } = error;
    const id = problem.request_id === undefined ? [] : [`  (request ${clean(problem.request_id)})`];
    const lines = [clean(error.message), ...violationLines(problem.violations), ...id];
    io.err.write(`${lines.join('\n')}\n`);
    return EXIT.refused;
  }
  if (error instanceof UnreachableError) {
    io.err.write(`${error.message}. Start Larder there, or name another server by --url or LARDER_URL.\n`);
    return EXIT.unreachable;
  }
  if (!(error instanceof CommandFailed)) throw error;
  io.err.write(`${error.message}\n`);
  return error.exitCode;
}
