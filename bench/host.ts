// Lists the packages that the benchmarks require and the machine lacks, and installs them with consent.
import { prepareHost } from '../src/host/prepare.ts';
import { TEST_REQUIREMENTS } from '../src/host/requirements.ts';

/** Throws HostError if a package is missing and may not be installed. */
export async function prepareBench(): Promise<void> {
  await prepareHost({
    requirements: TEST_REQUIREMENTS,
    path: process.env['PATH'] ?? '',
    consent: process.env['CI'] === 'true' || process.argv.includes('--yes'),
    command: `npm run ${process.env['npm_lifecycle_event'] ?? 'bench:images'}`,
    say: (line) => console.error(line),
  });
}
