// Root starts a server and a worker without a supervisor. They switch to Larder's account. Files that an earlier start as
// root left are given to this account.
import { chownSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { endEntrances, type StartedEntrance, startEntrance } from '../../test/entrance.ts';
import { until } from '../../test/service.ts';
import { findAccount } from '../host/accounts.ts';
import { ACCOUNT_NAME } from '../host/prepare.ts';

const PATIENCE_MS = 120_000;

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  await endEntrances();
  await database.drop();
}, PATIENCE_MS);

/** Returns the real, effective, saved and file system ids of a process, and its supplementary groups (proc_pid_status(5)). */
function idsOf({ child }: StartedEntrance): string[] {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return ['Uid', 'Gid', 'Groups'].flatMap((name) =>
    (new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '').trim().split(/\s+/),
  );
}

test.runIf(process.getuid?.() === 0)(
  'server and worker give up all ids of root',
  { timeout: PATIENCE_MS },
  async () => {
    const env = { LARDER_DATABASE_URL: database.url };
    const server = await startEntrance('server', { env });
    await until('it listens', async () => await fetch(`${server.url}/livez`).catch(() => false));
    const { uid, gid } = findAccount(ACCOUNT_NAME) ?? { uid: -1, gid: -1 };
    const ids = [...Array(4).fill(`${uid}`), ...Array(4).fill(`${gid}`), `${gid}`];
    expect(idsOf(server)).toEqual(ids);
    server.child.kill('SIGTERM');
    await server.ended;
    // A server of an earlier version left files with these owners.
    const [key, shard] = [join(server.data, 'installation.key'), join(server.data, 'content', 'sha256', '00')];
    for (const path of [key, shard, join(server.data, 'content'), server.data]) chownSync(path, 0, 0);
    const again = await startEntrance('server', { env, data: server.data });
    await until('it listens', async () => await fetch(`${again.url}/livez`).catch(() => false));
    expect([key, shard].map((path) => statSync(path).uid)).toEqual([uid, uid]);
    expect(again.said()).toContain(`${key} now belongs to «${ACCOUNT_NAME}».`);
    const worker = await startEntrance('worker', { env: { ...env, LARDER_LOG_LEVEL: 'info' }, data: server.data });
    await worker.says(/worker started/);
    expect(idsOf(worker)).toEqual(ids);
  },
);
