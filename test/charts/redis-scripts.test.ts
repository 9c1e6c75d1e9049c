// Runs the shell scripts of the Redis image and chart with this machine's shell: values that the scripts reject, and settings
// that they write. The real programs are replaced: a redis-server in a temporary folder prints its arguments and
// configuration, and a redis-cli prints `master`.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chartFolder } from './assembled-chart.ts';

const execute = promisify(execFile);
const ENTRYPOINT = join(chartFolder('redis'), '../files/redis-entrypoint');
const START_SENTINEL = join(chartFolder('redis'), 'scripts/start-sentinel.sh');
const PASSWORD = `a "b" \\n \\ $HOME \`id\` 'c' #`;
const QUOTED_PASSWORD = `"a \\"b\\" \\\\n \\\\ $HOME \`id\` 'c' #"`;
const EXIT_USAGE = 64;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'larder-scripts-'));
  const server =
    '#!/bin/sh\nprintf "%s\\n" "$@"\nfor last; do :; done\nif [ "$last" = - ]; then cat; else cat "$1"; fi\n';
  await writeFile(join(directory, 'redis-server'), server, { mode: 0o755 });
  await writeFile(join(directory, 'redis-cli'), '#!/bin/sh\necho master\n', { mode: 0o755 });
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function runScript(path: string, env: Record<string, string>) {
  const variables = { PATH: `${directory}:${process.env['PATH']}`, ...env };
  const { stdout } = await execute('/bin/sh', [path], { env: variables });
  return stdout.split('\n');
}

test.each([
  [{ REDIS_PASSWORD: 'a\nb' }, 'REDIS_PASSWORD'],
  [{ REDIS_MASTER_PASSWORD: 'a\nb' }, 'REDIS_MASTER_PASSWORD'],
  [{ REDIS_REPLICATION_MODE: 'primary' }, 'REDIS_REPLICATION_MODE'],
  [{ REDIS_REPLICATION_MODE: 'replica' }, 'REDIS_MASTER_HOST'],
  [{ REDIS_TLS_ENABLED: 'yes' }, 'REDIS_TLS_CERT_FILE'],
  [{ REDIS_TLS_ENABLED: 'yes', REDIS_TLS_CERT_FILE: 'c' }, 'REDIS_TLS_KEY_FILE'],
  [{ REDIS_TLS_ENABLED: 'yes', REDIS_TLS_CERT_FILE: 'c', REDIS_TLS_KEY_FILE: 'k' }, 'REDIS_TLS_CA_FILE'],
])('the entry point rejects %j with exit code 64 and names the variable', async (env, variable) => {
  await expect(runScript(ENTRYPOINT, env)).rejects.toMatchObject({
    code: EXIT_USAGE,
    stdout: '',
    stderr: expect.stringContaining(variable),
  });
});

test('the entry point writes passwords with any characters as settings, never as arguments', async () => {
  const [configuration, input, ...settings] = await runScript(ENTRYPOINT, { REDIS_PASSWORD: PASSWORD });
  expect([configuration, input]).toEqual(['/usr/local/etc/redis/redis.conf', '-']);
  expect(settings).toContain(`requirepass ${QUOTED_PASSWORD}`);
  expect(settings).toContain(`masterauth ${QUOTED_PASSWORD}`);
});

const sentinel = () => ({
  NODE_HOST: '10.0.0.1',
  NODE_PORT: '6379',
  REDIS_PASSWORD: PASSWORD,
  SENTINEL_AUTH: 'yes',
  SENTINEL_DOWN_AFTER_MS: '60000',
  SENTINEL_FAILOVER_TIMEOUT_MS: '180000',
  SENTINEL_MASTER_SET: 'orders',
  SENTINEL_PARALLEL_SYNCS: '1',
  SENTINEL_PEERS: 'node-0:26379',
  SENTINEL_PORT: '26379',
  SENTINEL_QUORUM: '2',
  SENTINEL_SELF: 'node-0:26379',
  SENTINEL_STATE: directory,
});

test('a sentinel gets passwords with any characters, and keeps its id when the address of its pod changes', async () => {
  const settings = await runScript(START_SENTINEL, sentinel());
  expect(settings).toContain(`requirepass ${QUOTED_PASSWORD}`);
  expect(settings).toContain(`sentinel auth-pass orders ${QUOTED_PASSWORD}`);
  expect(settings).toContain('sentinel monitor orders 10.0.0.1 6379 2');
  const idOf = (lines: string[]) => lines.find((line) => line.startsWith('sentinel myid '));
  const moved = await runScript(START_SENTINEL, { ...sentinel(), NODE_HOST: '10.0.0.2' });
  expect(idOf(settings)).toMatch(/^sentinel myid [0-9a-f]{40}$/);
  expect(idOf(moved)).toBe(idOf(settings));
});

test('a restarted sentinel keeps the epochs of its set, and drops those of a set that is no longer monitored', async () => {
  const state = ['current-epoch 7', 'config-epoch orders 5', 'leader-epoch orders 6', 'config-epoch other 4'];
  await writeFile(join(directory, 'sentinel.conf'), state.map((line) => `sentinel ${line}\n`).join(''));
  const settings = await runScript(START_SENTINEL, sentinel());
  expect(settings.filter((line) => line.includes('epoch'))).toEqual(
    state.slice(0, 3).map((line) => `sentinel ${line}`),
  );
});
