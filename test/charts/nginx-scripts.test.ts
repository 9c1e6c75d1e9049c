// Runs shell scripts with this machine's shell. Runs the entry point of the nginx image with values that it rejects, and the
// script of the library chart that copies a site from git.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chartFolder } from './assembled-chart.ts';

const execute = promisify(execFile);
const ENTRYPOINT = join(chartFolder('nginx'), '../files/nginx-entrypoint');
const GIT_TEMPLATES = new URL('../../charts/common/templates/_git.tpl', import.meta.url);
const SCRIPT = /define "larder\.copySite" -\}\}\n(.*?)\{\{ end -\}\}/s;
const EXIT_USAGE = 64;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'larder-scripts-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

test.each([
  [{ NGINX_HTTP_PORT_NUMBER: '80a' }, 'NGINX_HTTP_PORT_NUMBER is not a number'],
  [{ NGINX_HTTPS_PORT_NUMBER: '1;' }, 'NGINX_HTTPS_PORT_NUMBER is not a number'],
  [{ NGINX_HTTPS_PORT_NUMBER: '8443' }, 'NGINX_HTTPS_PORT_NUMBER requires NGINX_TLS_CERT_FILE'],
  [
    { NGINX_HTTPS_PORT_NUMBER: '8443', NGINX_TLS_CERT_FILE: 'c' },
    'NGINX_HTTPS_PORT_NUMBER requires NGINX_TLS_KEY_FILE',
  ],
  [{ NGINX_ENABLE_ABSOLUTE_REDIRECT: 'on' }, 'NGINX_ENABLE_ABSOLUTE_REDIRECT is not known; expected yes or no'],
  [{ NGINX_ENABLE_PORT_IN_REDIRECT: 'true' }, 'NGINX_ENABLE_PORT_IN_REDIRECT is not known; expected yes or no'],
])('the entry point rejects %j with exit code 64 and names the variable', async (env, message) => {
  const run = execute('/bin/sh', [ENTRYPOINT], { env: { PATH: process.env['PATH'], ...env } });
  await expect(run).rejects.toMatchObject({ code: EXIT_USAGE, stderr: expect.stringContaining(message) });
});

test('pages are copied from git, with the history outside of the served folder, and removed pages disappear', async () => {
  const [origin, served, script] = ['origin', 'served', 'copy-site.sh'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(script, SCRIPT.exec(await readFile(GIT_TEMPLATES, 'utf8'))?.[1] ?? expect.fail('no script'));
  await mkdir(served);
  const git = async (...args: string[]) =>
    await execute('git', ['-C', origin, '-c', 'user.name=test', '-c', 'user.email=test@example.com', ...args]);
  await execute('git', ['init', '--quiet', '--initial-branch=main', origin]);
  const commit = async () => await git('add', '--all').then(() => git('commit', '--quiet', '--message=pages'));
  const copy = async (env: Record<string, string> = {}) =>
    await execute('/bin/sh', [script, 'once'], {
      env: {
        PATH: process.env['PATH'],
        HOME: directory,
        GIT_DIR: join(directory, 'repository'),
        GIT_WORK_TREE: served,
        FOLDER: directory,
        SITE_REPOSITORY: `file://$\{FOLDER}/origin`,
        ...env,
      },
    });

  await writeFile(join(origin, 'index.html'), 'first');
  await writeFile(join(origin, 'old.html'), 'old');
  await commit();
  await copy();
  expect((await readdir(served)).sort()).toEqual(['index.html', 'old.html']);

  await rm(join(origin, 'old.html'));
  await writeFile(join(origin, 'index.html'), 'second');
  await commit();
  await copy({ SITE_BRANCH: 'main' });
  expect(await readdir(served)).toEqual(['index.html']);
  expect(await readFile(join(served, 'index.html'), 'utf8')).toBe('second');
  await expect(copy({ SITE_BRANCH: 'missing' })).rejects.toThrow('missing');
});
