// All commands of `larder`: clients of a server, services, and operator commands that use the database.
import type { Command } from 'commander';
import type { Io } from '../cli/io.ts';
import { createProgram } from '../cli/program.ts';
import { addOperatorCommands, operatorTools } from '../installation/operator-commands.ts';

export type Service = 'server' | 'worker' | 'all-in-one';

/** Creates the program with all commands. `become` turns this process into a service and does not return. */
export function createWholeProgram(io: Io, become: (service: Service) => Promise<never>): Command {
  const program = createProgram(io, operatorTools(io));
  program
    .command('server')
    .description('run the API and the hosted registry against LARDER_DATABASE_URL')
    .option('--yes', 'as root: create Larder’s account without asking')
    .action(() => become('server'));
  program
    .command('worker')
    .description('run a worker against LARDER_DATABASE_URL')
    .option('--yes', 'as root: create Larder’s account without asking')
    .action(() => become('worker'));
  program
    .command('start')
    .description('run everything on this machine')
    .option('--yes', 'install missing packages without asking')
    .action(() => become('all-in-one'));
  addOperatorCommands(program, io);
  return program;
}
