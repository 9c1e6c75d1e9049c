#!/usr/bin/env node
// `larder`: the commands that talk to a server, and the ones that are a server.
import { createProgram, runProgram } from '../cli/program.ts';
import { addOperatorCommands, operatorTools } from './operator-commands.ts';

const io = { out: process.stdout, err: process.stderr, in: process.stdin };
const program = createProgram(io, operatorTools(io));
program
  .command('server')
  .description('run the API and the hosted registry against LARDER_DATABASE_URL')
  .option('--yes', 'as root: make the account that it becomes without asking')
  .action(() => become(() => import('./server.ts')));
program
  .command('worker')
  .description('run a worker against LARDER_DATABASE_URL')
  .option('--yes', 'as root: make the account that it becomes without asking')
  .action(() => become(() => import('./worker.ts')));
program
  .command('start')
  .description('run everything on this machine')
  .option('--yes', 'install what is missing without asking')
  .action(() => become(() => import('./all-in-one.ts')));
addOperatorCommands(program, io);
process.stdout.on('error', endWithoutOutput);
process.stderr.on('error', () => {});
process.exitCode = await runProgram(program, process.argv.slice(2), io);

/** A reader that has enough (`larder releases | head -1`) is no failure; a full disk behind `>` is one. */
function endWithoutOutput(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0);
  console.error(`larder: The answer cannot be written (${error.code}).`);
  process.exit(1);
}

/** From here on this process is a service: it ends by its own rules (stopping.ts), not with its reader. */
async function become(load: () => Promise<unknown>): Promise<never> {
  process.stdout.off('error', endWithoutOutput);
  await load();
  return new Promise(() => {});
}
