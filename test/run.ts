// `npm test`: lists the packages that the tests require and the machine lacks, installs them with consent (CI and --yes give it), and runs the tests.
import { spawn } from 'node:child_process';
import { HostError, prepareHost } from '../src/host/prepare.ts';
import { TEST_REQUIREMENTS } from '../src/host/requirements.ts';

const args = process.argv.slice(2);

try {
  await prepareHost({
    requirements: TEST_REQUIREMENTS,
    path: process.env['PATH'] ?? '',
    consent: process.env['CI'] === 'true' || args.includes('--yes'),
    command: 'npm test',
    say: (line) => console.error(line),
  });
  const vitest = new URL('../node_modules/vitest/vitest.mjs', import.meta.url).pathname;
  const child = spawn(process.execPath, [vitest, 'run', ...args.filter((arg) => arg !== '--yes')], {
    stdio: 'inherit',
  });
  child.once('exit', (code, signal) => {
    process.exitCode = signal ? 1 : (code ?? 1);
  });
} catch (error) {
  if (!(error instanceof HostError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
