// The output if Larder cannot start. Every entry point prints one line that says what to do, and prints all details for
// unexpected errors.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/database.ts';
import { endEntrances, type StartedEntrance, startEntrance } from '../../test/entrance.ts';
import { freePort, until } from '../../test/service.ts';

const PATIENCE_MS = 180_000;
const run = promisify(execFile);

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
}, PATIENCE_MS);
afterEach(async () => {
  await endEntrances();
  await database.drop();
}, PATIENCE_MS);

/** Nothing listens on port 1. The password must never be shown. */
const UNREACHABLE = 'postgresql://larder:topsecret@127.0.0.1:1/larder';

/** Waits until the process ends. Returns the last line of its output. Expects exit code 1, and that no process is left. */
async function lastLine(entrance: StartedEntrance): Promise<string> {
  expect(await entrance.ended).toBe(1);
  await entrance.nobodyLeft();
  const said = entrance.said();
  expect(said).not.toMatch(/^\s+at |topsecret/m);
  return said.trimEnd().split('\n').at(-1) ?? '';
}

describe('a server or a worker alone', () => {
  for (const name of ['server', 'worker'] as const) {
    test(`a ${name} without a database, and with one that does not answer`, { timeout: PATIENCE_MS }, async () => {
      const none = await startEntrance(name);
      expect(await lastLine(none)).toMatch(/^larder: LARDER_DATABASE_URL is required/);
      const away = await startEntrance(name, { env: { LARDER_DATABASE_URL: UNREACHABLE } });
      await lastLine(away);
      expect(away.said()).toBe(
        'larder: The database at 127.0.0.1:1 refuses connections: nothing listens there. Start it, or give another LARDER_DATABASE_URL.\n',
      );
    });

    test(`a ${name} with a key that is readable by others, with another key, and without a key`, {
      timeout: PATIENCE_MS,
    }, async () => {
      const env = { LARDER_DATABASE_URL: database.url };
      const first = await startEntrance('server', { env });
      await until('it has set the database up', async () => await fetch(`${first.url}/livez`).catch(() => false));
      first.child.kill('SIGTERM');
      await first.ended;
      const key = join(first.data, 'installation.key');
      chmodSync(key, 0o644);
      const open = await startEntrance(name, { env, data: first.data });
      await lastLine(open);
      expect(open.said()).toBe(
        `larder: ${key} is readable by other accounts; only its owner may read it (chmod 600 ${key})\n`,
      );
      chmodSync(key, 0o600);
      writeFileSync(key, `larder-key-1 ${Buffer.alloc(32, 7).toString('base64url')}\n`);
      const other = await startEntrance(name, { env, data: first.data });
      await lastLine(other);
      expect(other.said()).toMatch(
        /^larder: The installation key is not the key .* LARDER_KEY_FILE must name the right file\n$/,
      );
      const without = await startEntrance(name, { env });
      const missing = join(without.data, 'installation.key');
      await lastLine(without);
      expect(without.said()).toMatch(new RegExp(`^larder: The key file ${missing} does not exist; LARDER_KEY_FILE`));
      expect(existsSync(missing)).toBe(false);
    });
  }

  test('all invalid settings at once', async () => {
    const env = { LARDER_PORT: 'eighty', LARDER_DATABASE_ULR: 'x' };
    const server = await startEntrance('server', { env });
    await lastLine(server);
    expect(server.said()).toContain('LARDER_PORT is not a whole number; expected a whole number from 0 to 65535');
    expect(server.said()).toContain('LARDER_DATABASE_ULR is not a setting; did you mean LARDER_DATABASE_URL?');
  });

  test('a missing certificate', async () => {
    const env = { LARDER_DATABASE_URL: database.url, LARDER_TLS_CERT: '/nowhere', LARDER_TLS_KEY: '/nowhere' };
    expect(await lastLine(await startEntrance('server', { env }))).toBe(
      'larder: LARDER_TLS_CERT names /nowhere, which cannot be read (ENOENT)',
    );
  });

  test('an address that this machine does not have', { timeout: PATIENCE_MS }, async () => {
    const env = { LARDER_DATABASE_URL: database.url, LARDER_HOST: '192.0.2.1' };
    expect(await lastLine(await startEntrance('server', { env }))).toMatch(/^larder: .*192\.0\.2\.1.*LARDER_HOST\.$/);
  });

  test('a content folder that is a file', { timeout: PATIENCE_MS }, async () => {
    const env = { LARDER_DATABASE_URL: database.url, LARDER_CONTENT: '/etc/hostname' };
    expect(await lastLine(await startEntrance('server', { env }))).toMatch(
      /^larder: \/etc\/hostname\S* cannot be used: it is not a folder \(\w+\)\..*LARDER_CONTENT\.$/,
    );
  });

  for (const name of ['server', 'worker', 'all-in-one'] as const) {
    test(`a ${name} with an empty content folder, another installation’s, and a read-only one`, {
      timeout: PATIENCE_MS,
    }, async () => {
      const first = await startEntrance('server', { env: { LARDER_DATABASE_URL: database.url } });
      await until('it has set the database up', async () => await fetch(`${first.url}/livez`).catch(() => false));
      first.child.kill('SIGTERM');
      await first.ended;
      await database.pool.query("insert into content_uses (digest, kind, id) values ($1, 'plan', 'recipe:any')", [
        `sha256:${'0'.repeat(64)}`,
      ]);
      const env = { LARDER_DATABASE_URL: database.url, LARDER_KEY_FILE: join(first.data, 'installation.key') };
      const empty = await startEntrance(name, { env });
      await lastLine(empty);
      expect(empty.said()).toMatch(/^larder: \S+ holds none of the content of this database\. .*LARDER_CONTENT/);
      const content = join(first.data, 'content');
      const mark = join(content, 'installation');
      const ours = readFileSync(mark);
      writeFileSync(mark, `larder-content-1 ${randomUUID()}\n`);
      const foreign = await startEntrance(name, { env: { ...env, LARDER_CONTENT: content } });
      await lastLine(foreign);
      expect(foreign.said()).toMatch(
        /^larder: \S+ is the content folder of another Larder installation .*LARDER_CONTENT/,
      );
      writeFileSync(mark, ours);
      const readOnly = await startEntrance(name, {
        env: { ...env, LARDER_CONTENT: content },
        under: ['bwrap', '--dev-bind', '/', '/', '--ro-bind', content, content],
      });
      await lastLine(readOnly);
      expect(readOnly.said()).toMatch(
        /^larder: \S+ cannot be used: it is read-only \(EROFS\)\. Correct that, or choose another LARDER_CONTENT\.\n$/,
      );
    });
  }
});

describe('everything on one machine', () => {
  test('a port that is taken, for clients and for metrics', { timeout: PATIENCE_MS }, async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const port = String((taken.address() as AddressInfo).port);
    for (const setting of ['LARDER_PORT', 'LARDER_METRICS_PORT']) {
      const service = await startEntrance('all-in-one', { env: { [setting]: port } });
      const line = `larder: Port ${port} on 127.0.0.1 is taken. Stop what listens there, or choose another ${setting}.`;
      expect(await lastLine(service)).toBe(line);
      expect(service.said().split('taken')).toHaveLength(2);
    }
    taken.close();
  });

  test('a data folder that another Larder uses, which continues', { timeout: PATIENCE_MS }, async () => {
    const first = await startEntrance('all-in-one');
    await first.says(/Larder is ready/);
    const second = await startEntrance('all-in-one', { data: first.data });
    expect(await second.ended).toBe(1);
    expect(second.said()).toMatch(
      /^larder: Another Larder is running on \S+; stop it, or choose another LARDER_DATA\n$/m,
    );
    expect((await fetch(`${first.url}/readyz`)).status).toBe(200);
  });

  test('an external database that does not answer, reported once', {
    timeout: PATIENCE_MS,
  }, async () => {
    const service = await startEntrance('all-in-one', { env: { LARDER_DATABASE_URL: UNREACHABLE } });
    expect(await lastLine(service)).toMatch(/^larder: The database at 127\.0\.0\.1:1 refuses connections/);
    expect(service.said().split('refuses')).toHaveLength(2);
  });

  test('a data folder that cannot be created', { timeout: PATIENCE_MS }, async () => {
    const service = await startEntrance('all-in-one', { env: { LARDER_DATA: '/dev/null/data' } });
    expect(await service.ended).toBe(1);
    expect(service.said()).toMatch(/^larder: \/dev\/null\/data cannot be used: .*LARDER_DATA\.\n$/);
  });
});

describe('an unexpected error', () => {
  // Makes the program fail with an error that has a code and a cause, as if Larder had a fault.
  const fault = `const {Server} = await import('node:net'); Server.prototype.listen = () => {
    throw Object.assign(new Error('it broke', { cause: new Error('of this') }), { code: 'EFAULT' }); };`;
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(fault)}`;

  test('is shown with its stack and its causes, also if it has a code', { timeout: PATIENCE_MS }, async () => {
    const server = await startEntrance('server', { env: { LARDER_DATABASE_URL: database.url, NODE_OPTIONS } });
    expect(await server.ended).toBe(1);
    expect(server.said()).toMatch(/Error: it broke\n\s+at .*\[cause\]: Error: of this\n\s+at /s);
  });

  test('in a process of the tree is shown too, with the name of the process', { timeout: PATIENCE_MS }, async () => {
    const env = { LARDER_DATABASE_URL: database.url, NODE_OPTIONS };
    const service = await startEntrance('all-in-one', { env });
    expect(await service.ended).toBe(1);
    expect(service.said()).toMatch(/Error: it broke\n\s+at .*\[cause\]: Error: of this/s);
    expect(service.said()).toMatch(/^larder: The server could not start \(exit code 1\)\.$/m);
    await service.nobodyLeft();
  });
});

describe('missing packages, without a terminal', () => {
  // Options of bubblewrap for a copy of this machine without the files of one package. The user is root of a new user
  // namespace.
  const WITHOUT = ['--dev-bind', '/', '/', '--tmpfs', '/usr/share/keyrings', '--unshare-user', '--uid', '0'];
  const program = (path: string) => new URL(`../../${path}`, import.meta.url).pathname;

  for (const [args, command] of [
    [['src/bin/all-in-one.ts'], 'npm start -- --yes'],
    [['src/bin/demo.ts'], 'npm run demo -- --yes'],
    [['src/bin/cli.ts', 'start'], 'larder start --yes'],
    [['test/run.ts'], 'npm test -- --yes'],
  ] as const) {
    test(`the error text names «${command}»`, async () => {
      const [file = '', ...rest] = args;
      const env = { ...process.env, CI: 'false', LARDER_DATA: '/nowhere/larder' };
      const began = run('bwrap', [...WITHOUT, process.execPath, program(file), ...rest], { env });
      began.child.stdin?.end();
      const { code, stderr } = await began.then(
        () => ({ code: 0, stderr: '' }),
        (error: { code: number; stderr: string }) => error,
      );
      expect(code).toBe(1);
      expect(stderr).toContain('debian-archive-keyring (proves that packages come from Debian)');
      expect(stderr).toContain(`There is no terminal to ask for consent. Run «${command}», or run:\n`);
      expect(stderr).not.toMatch(/^\s+at /m);
    });
  }
});

describe('missing packages, with consent and without a terminal', () => {
  const program = (path: string) => new URL(`../../${path}`, import.meta.url).pathname;
  // In these tests, a keyring is missing and the system is read-only. apt-get and sudo are replaced by programs that record
  // their arguments.
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'larder-bare-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function runBare(command: string[], uid: number, programs: Record<string, string>) {
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
    const bare = ['--ro-bind', '/', '/', '--dev', '/dev', '--bind', folder, folder, '--tmpfs', '/usr/share/keyrings'];
    const user = ['--unshare-user', '--uid', String(uid), '--new-session', '--chdir', program('.')];
    const env = {
      ...process.env,
      CI: 'false',
      LARDER_DATA: '/nowhere/larder',
      PATH: `${folder}:${process.env['PATH']}`,
    };
    const began = run('bwrap', [...bare, ...user, ...command], { env });
    began.child.stdin?.end();
    const { code, stderr } = await began.then(
      () => ({ code: 0, stderr: '' }),
      (error: { code: number; stderr: string }) => error,
    );
    return { code, stderr, asked: () => readFileSync(join(folder, 'asked'), 'utf8') };
  }

  const README = readFileSync(program('README.md'), 'utf8');
  const [, block = ''] = /## Two commands.*?```sh\n(.*?)```/s.exec(README) ?? [];
  const printed = block
    .trim()
    .split('\n')
    .map((line) => line.replace(/\s+#.*/, ''));

  test('the README prints two commands', () => {
    expect(printed).toHaveLength(2);
    for (const command of printed) expect(command).toMatch(/^npm ci && npm (test|run demo) /);
  });

  for (const command of printed) {
    test(`«${command}» installs, as the README prints it`, async () => {
      const [, afterInstall = ''] = command.split(' && ');
      // The first command fails, so no other command must run.
      const { code, stderr, asked } = await runBare(afterInstall.split(' '), 0, {
        'apt-get': `printf '%s\\n' "$*" >> ${folder}/asked; exit 9`,
      });
      expect(code).toBe(1);
      expect(asked()).toBe('update -q\n');
      expect(stderr).toContain('debian-archive-keyring (proves that packages come from Debian)');
      expect(stderr).toContain('«apt-get update -q» ended with exit code 9.');
      expect(stderr).not.toMatch(/no terminal to ask|^\s+at /m);
    });
  }

  test('a normal user whose sudo requires a password gets the commands for root', async () => {
    const node = [process.execPath, program('src/bin/all-in-one.ts'), '--yes'];
    const { code, stderr, asked } = await runBare(node, 12_345, {
      sudo: `printf '%s\\n' "$*" >> ${folder}/asked; exit 1`,
    });
    expect(code).toBe(1);
    expect(asked()).toBe('-n true\n');
    expect(stderr).toMatch(/^larder: These changes require root; sudo requires a password, .* As root, run:$/m);
    expect(stderr).toContain('\n  apt-get update -q\n');
    expect(stderr).toMatch(/^ {2}usermod --add-subuids \d+-\d+ --add-subgids \d+-\d+ 12345$/m);
  });

  test('a normal user whose sudo requires no password installs with it', async () => {
    const node = [process.execPath, program('src/bin/all-in-one.ts'), '--yes'];
    const script = `printf '%s\\n' "$*" >> ${folder}/asked; [ "$1" = -n ]`;
    const { code, stderr, asked } = await runBare(node, 12_345, { sudo: script });
    expect(code).toBe(1);
    expect(asked()).toBe('-n true\napt-get update -q\n');
    expect(stderr).toContain(`${folder}/sudo apt-get update -q» ended with exit code 1.`);
  });
});

describe('the command line', () => {
  test('a reader that closes the pipe is not a failure', async () => {
    const cli = await startEntrance('cli', { args: ['--help'] });
    cli.child.stdout?.destroy();
    expect(await cli.ended).toBe(0);
    expect(cli.said()).toBe('');
  });

  test('a full disk behind standard output is a failure', async () => {
    const cli = await startEntrance('cli', { args: ['--help'], stdout: openSync('/dev/full', 'w') });
    expect(await cli.ended).toBe(1);
    expect(cli.said()).toBe('larder: The answer cannot be written (ENOSPC).\n');
  });

  test('a server that does not answer', async () => {
    const url = `http://localhost:${await freePort()}`;
    const args = ['--url', url, '--token', 'x', 'releases'];
    const cli = await startEntrance('cli', { args });
    expect(await cli.ended).toBe(3);
    const advice = 'Start Larder there, or name another server by --url or LARDER_URL.';
    expect(cli.said()).toBe(`There is no answer from ${url} (ECONNREFUSED). ${advice}\n`);
  });
});
