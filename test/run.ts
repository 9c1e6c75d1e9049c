// `npm test` lists the packages that the tests require and the machine lacks. It installs them if the user agrees (CI and
// `--yes` count as agreement), and runs the tests. With `--rotate`, slow test files run in turn (rotation.ts).
import { spawn } from 'node:child_process';
import { HostError, prepareHost } from '../src/host/prepare.ts';
import { TEST_REQUIREMENTS } from '../src/host/requirements.ts';
import { recordPassed, rotationLines, rotationOfCheckout } from './rotation.ts';

const OWN_OPTIONS = ['--yes', '--rotate'];
const args = process.argv.slice(2);
const isRotating = args.includes('--rotate');

try {
  await prepareHost({
    requirements: TEST_REQUIREMENTS,
    path: process.env['PATH'] ?? '',
    consent: process.env['CI'] === 'true' || args.includes('--yes'),
    command: 'npm test',
    say: (line) => console.error(line),
  });
  const rotation = isRotating ? rotationOfCheckout() : undefined;
  if (rotation) console.log(rotationLines(rotation).join('\n'));
  const excluded = rotation?.left.map((file) => `--exclude=${file}`) ?? [];
  const vitest = new URL('../node_modules/vitest/vitest.mjs', import.meta.url).pathname;
  const given = args.filter((arg) => !OWN_OPTIONS.includes(arg));
  const child = spawn(process.execPath, [vitest, 'run', ...given, ...excluded], { stdio: 'inherit' });
  // On a signal, this process waits for the runner, because the runner stops its database before it exits.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  child.once('exit', (code, signal) => {
    process.exitCode = signal ? 1 : (code ?? 1);
    if (isRotating && process.exitCode === 0 && given.length === 0) recordPassed();
  });
} catch (error) {
  if (!(error instanceof HostError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
