// The entry points of exporters. A program replaces the exporter and prints its arguments and its password.
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PRODUCTS } from '../product-bundle.ts';

const execute = promisify(execFile);
const PASSWORD = `a "quoted" \\n \\ $HOME 'password' {"b":1}`;
const EXIT_USAGE = 64;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'larder-exporters-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Runs the entry point of an exporter. This program replaces the exporter. */
async function run(key: string, program: string, args: string[], variables: Record<string, string> = {}) {
  const exporter = join(directory, `prometheus-${key}`);
  await writeFile(exporter, `#!/bin/sh\n${program}\n`);
  await chmod(exporter, 0o755);
  const env = { PATH: `${directory}:${process.env['PATH']}`, ...variables };
  return await execute('/bin/sh', [join(PRODUCTS, key, 'files', `${key}-entrypoint`), ...args], { env });
}

async function passwordFile(content: string): Promise<Record<string, string>> {
  const file = join(directory, 'password');
  await writeFile(file, content);
  return { REDIS_PASSWORD_FILE: file };
}

test('that of Redis reads the password from a file, which the exporter would read as JSON', async () => {
  const program = `printf '%s|%s|%s' "$REDIS_PASSWORD" "\${REDIS_PASSWORD_FILE-none}" "$*"`;
  const { stdout } = await run('redis-exporter', program, ['--debug'], await passwordFile(`${PASSWORD}\n`));
  expect(stdout).toBe(`${PASSWORD}|none|--debug`);
});

test('that of Redis rejects a password of two lines, and a file that does not exist', async () => {
  const run2 = async (variables: Record<string, string>) => await run('redis-exporter', 'echo started', [], variables);
  await expect(run2(await passwordFile('a\nb'))).rejects.toMatchObject({
    code: EXIT_USAGE,
    stderr: expect.stringContaining('REDIS_PASSWORD_FILE must be a single line'),
  });
  await expect(run2({ REDIS_PASSWORD_FILE: '/nothing' })).rejects.toMatchObject({ stdout: '' });
});

test('that of Apache has the same arguments for each version', async () => {
  const args = ['--web.listen-address=:7000', '--scrape_uri=http://h/?auto', '--web.config.file', '/a b'];
  const program = (version: string) =>
    `[ "$1" = --version ] && echo 'apache_exporter, version ${version} (branch: x)' || printf '%s|' "$@"`;
  const asked = async (version: string) => (await run('apache-exporter', program(version), args)).stdout;
  expect(await asked('1.0.9')).toBe('--web.listen-address=:7000|--scrape_uri=http://h/?auto|--web.config.file|/a b|');
  expect(await asked('0.12.0')).toBe('--telemetry.address=:7000|--scrape_uri=http://h/?auto|--web.config|/a b|');
});

test.each(['redis-exporter', 'apache-exporter'])('that of %s runs another command as it is', async (key) => {
  expect((await run(key, 'echo exporter', ['echo', 'a b'])).stdout).toBe('a b\n');
});
