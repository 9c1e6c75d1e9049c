// What the entry point of the exporter of MariaDB rejects. mariadb-containers.test.ts and the tests of the recipe run the exporter.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { PRODUCTS } from '../product-bundle.ts';

const execute = promisify(execFile);
const ENTRYPOINT = join(PRODUCTS, 'mysqld-exporter/files/mysqld-exporter-entrypoint');
const run = (env: Record<string, string>, ...args: string[]) =>
  execute('/bin/sh', [ENTRYPOINT, ...args], { env: { PATH: process.env['PATH'], ...env } });

test.each<[Record<string, string>, number, string]>([
  [{ MYSQLD_EXPORTER_ADDRESS: 'db:3306' }, 64, 'MYSQLD_EXPORTER_ADDRESS requires MYSQLD_EXPORTER_USERNAME'],
  [{ MYSQLD_EXPORTER_PASSWORD_FILE: '/nowhere' }, 66, 'MYSQLD_EXPORTER_PASSWORD_FILE names a file that cannot be read'],
])('it rejects %j with exit code %d and names the variable', async (env, code, message) => {
  await expect(run(env)).rejects.toMatchObject({ code, stderr: expect.stringContaining(message) });
});

test('it runs another command as it is', async () => {
  expect((await run({}, 'echo', 'a b')).stdout).toBe('a b\n');
});
