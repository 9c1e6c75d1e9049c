// The PostgreSQL programs run even if npm ran no install scripts, and even if the server's user cannot enter their folder.
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { unprivileged } from '../../test/global-setup.ts';
import { findNative, type Program, prepareProgram } from './embedded-program.ts';

let root: string;
let bare: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'larder-program-'));
  chmodSync(root, 0o711);
  bare = join(root, 'bare', 'native');
  cpSync(findNative(), bare, { recursive: true, verbatimSymlinks: true });
  for (const entry of readdirSync(join(bare, 'lib'), { withFileTypes: true })) {
    if (entry.isSymbolicLink()) rmSync(join(bare, 'lib', entry.name));
  }
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function ownFolder(name: string): string {
  const folder = join(root, name);
  mkdirSync(folder);
  const user = unprivileged();
  if (user) chownSync(folder, user.uid, user.gid);
  return folder;
}

/** Creates a cluster. initdb loads every library for this, including libraries that other libraries find through links. */
function makesCluster(program: Program, folder: string): void {
  const options = ['--pgdata', join(folder, 'cluster'), '--no-sync', '--auth', 'trust'];
  const { stderr, status } = spawnSync(program.initdb, options, {
    env: program.env,
    cwd: folder,
    encoding: 'utf8',
    ...unprivileged(),
  });
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
}

test('missing links of libraries are created in the data directory; the package stays unchanged', () => {
  const folder = ownFolder('links');
  const program = prepareProgram(folder, unprivileged(), bare);
  expect(program.env['LD_LIBRARY_PATH']).toContain(join(folder, 'lib'));
  makesCluster(program, folder);
  expect(readdirSync(join(bare, 'lib'))).not.toContain('libpq.so.5');
});

test.runIf(process.getuid?.() === 0)('binaries below a folder that only root may enter are copied', () => {
  chmodSync(join(root, 'bare'), 0o700);
  const folder = ownFolder('copy');
  const program = prepareProgram(folder, unprivileged(), bare);
  expect(program.postgres).toBe(join(folder, 'program', 'bin', 'postgres'));
  makesCluster(program, folder);
  const again = prepareProgram(folder, unprivileged(), bare);
  expect(again.postgres).toBe(program.postgres);
});
