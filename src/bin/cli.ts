#!/usr/bin/env node
// `larder`: the commands that talk to a server, and the ones that are a server.
import { createProgram, runProgram } from '../cli/program.ts';

const io = { out: process.stdout, err: process.stderr, in: process.stdin };
const program = createProgram(io);
program
  .command('server')
  .description('run the API and the hosted registry against LARDER_DATABASE_URL')
  .action(() => import('./server.ts').then(() => new Promise(() => {})));
program
  .command('worker')
  .description('run a worker against LARDER_DATABASE_URL')
  .action(() => import('./worker.ts').then(() => new Promise(() => {})));
program
  .command('start')
  .description('run everything on this machine')
  .option('--yes', 'install what is missing without asking')
  .action(() => import('./all-in-one.ts').then(() => new Promise(() => {})));
process.exitCode = await runProgram(program, process.argv.slice(2), io);
