#!/usr/bin/env node
// `larder`: the command line, and the services that it can run as.
import { runProgram } from '../cli/program.ts';
import { createWholeProgram, type Service } from './commands.ts';

const SERVICES: Record<Service, () => Promise<unknown>> = {
  server: () => import('./server.ts'),
  worker: () => import('./worker.ts'),
  'all-in-one': () => import('./all-in-one.ts'),
};
/** The exit code for each signal, as shells report it: 128 plus the number of the signal. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const io = { out: process.stdout, err: process.stderr, in: process.stdin };
const program = createWholeProgram(io, become);

process.stdout.on('error', endWithoutOutput);
process.stderr.on('error', () => {});
for (const signal of Object.keys(SIGNALS)) process.once(signal, endBySignal);
process.exitCode = await runProgram(program, process.argv.slice(2), io);

/**
 * If the reader of a pipe ends (`larder releases
 * head -1`), the command has not failed. If the disk of a redirected output (`>`) is full, it has failed.
 */
function endWithoutOutput(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0);
  console.error(`larder: The answer cannot be written (${error.code}).`);
  process.exit(1);
}

/** Ends the process with `exit`, because listeners of the exit event remove temporary files. */
function endBySignal(signal: keyof typeof SIGNALS): void {
  process.exit(SIGNALS[signal]);
}

/** Turns this process into a service. The service stops by the rules of stopping.ts, and not when its output is closed. */
async function become(service: Service): Promise<never> {
  process.stdout.off('error', endWithoutOutput);
  for (const signal of Object.keys(SIGNALS)) process.off(signal, endBySignal);
  await SERVICES[service]();
  return new Promise(() => {});
}
