// Clients that no Debian package has, built once and kept outside the checkout: `npm run clients` names what it needs, builds them, and is done.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HostError, prepareHost } from '../src/host/prepare.ts';
import { CLIENT_REQUIREMENTS } from '../src/host/requirements.ts';

const run = promisify(execFile);

const FOLDER =
  process.env['CLIENTS_BIN'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'larder-clients');

/** google/go-containerregistry's client; undefined where nobody built it. */
export const CRANE = existsSync(join(FOLDER, 'crane')) ? join(FOLDER, 'crane') : undefined;
const CRANE_PACKAGE = 'github.com/google/go-containerregistry/cmd/crane@v0.22.1';
/** Three minutes on two processors. */
const BUILD_MS_MAX = 20 * 60_000;

async function installClients(): Promise<void> {
  if (CRANE !== undefined) return;
  await prepareHost({
    requirements: CLIENT_REQUIREMENTS,
    path: process.env['PATH'] ?? '',
    consent: process.env['CI'] === 'true' || process.argv.includes('--yes'),
    command: 'npm run clients',
    say: (line) => console.error(line),
  });
  await mkdir(FOLDER, { recursive: true });
  const env = { ...process.env, GOBIN: FOLDER, CGO_ENABLED: '0' };
  await run('go', ['install', '-trimpath', CRANE_PACKAGE], { env, timeout: BUILD_MS_MAX });
  console.error(`crane is in ${FOLDER}`);
}

if (import.meta.main) {
  try {
    await installClients();
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
