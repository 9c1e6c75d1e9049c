// The demonstration as a person runs it. It is interrupted and run again with the same data, its printed commands are run in
// a shell, and it is stopped.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openClient } from '../../src/client/client.ts';
import { HELMS } from '../charts/helm.ts';
import { freePort, PATIENCE_MS, removeData, until } from '../service.ts';

/** The time limit of the test. It is longer than each wait, so that a failed wait is reported by its name. */
const STORY_MS = 2 * PATIENCE_MS;
const [helm] = HELMS;

let scratch: string;
let data: string;
let port: number;
const running: ChildProcess[] = [];

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'larder-demo-story-'));
  // The demonstration gives up root, and its account may not be able to enter the folder of the clients.
  chmodSync(scratch, 0o755);
  if (helm !== undefined) copyFileSync(helm.path, program());
  data = mkdtempSync(join(tmpdir(), "larder's demo "));
  port = await freePort();
});

afterAll(async () => {
  for (const child of running) await stopped(child);
  await removeData(data);
  rmSync(scratch, { recursive: true, force: true });
}, STORY_MS);

const program = () => join(scratch, 'helm');

type Demo = { child: ChildProcess; said: () => string };

function startDemo(...args: string[]): Demo {
  const child = spawn(
    process.execPath,
    [new URL('../../src/bin/demo.ts', import.meta.url).pathname, '--yes', ...args],
    {
      env: {
        ...process.env,
        ...{ LARDER_DATA: data, LARDER_PORT: String(port) },
        ...(helm !== undefined && { LARDER_HELM: program() }),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  running.push(child);
  let text = '';
  const keep = (chunk: Buffer) => {
    text += chunk.toString();
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  return { child, said: () => text };
}

async function says({ child, said }: Demo, what: RegExp): Promise<void> {
  await until(`the demonstration says ${what}`, async () => {
    if (!what.test(said()) && child.exitCode !== null) throw new Error(`It ended with ${child.exitCode}:\n${said()}`);
    return what.test(said());
  });
}

/** Sends SIGTERM and returns the exit code. */
async function stopped(child: ChildProcess): Promise<number | null> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode === null && child.signalCode === null && child.kill('SIGTERM')) await ended;
  return child.exitCode;
}

/** Returns the first printed line that begins with this text, as a command for a shell. */
function printed(demo: Demo, start: string): string {
  const line = demo
    .said()
    .split('\n')
    .find((one) => one.trimStart().startsWith(start));
  if (line === undefined) throw new Error(`No line begins with ${start}:\n${demo.said()}`);
  return line.trim();
}

const paste = (...lines: string[]) =>
  execFileSync('sh', ['-ec', lines.join('\n')], { cwd: scratch, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

const modeOf = (file: string) => (statSync(file).mode & 0o777).toString(8);

test('ends without an error message when it is interrupted while the customization is applied', {
  timeout: STORY_MS,
}, async () => {
  const demo = startDemo();
  await says(demo, /Adding examples\/company.*\n.*packaging/);
  expect([await stopped(demo.child), /^demo:|Error/m.exec(demo.said())]).toEqual([0, null]);
  expect(demo.said()).toMatch(/building the base image Debian 12/);
  expect(modeOf(join(data, 'demo-token'))).toBe('600');
  chmodSync(join(data, 'demo-token'), 0o644);
});

test('when run again, repeats no request, follows the pipelines in progress, and shows the file in a pulled image', {
  timeout: STORY_MS,
}, async () => {
  const demo = startDemo();
  await says(demo, /Larder stays up.*larder -- releases/s);
  const said = demo.said();
  const charts = helm === undefined ? '' : ', redis 7.0 (chart)';
  expect(said).toContain(`In the catalog already: redis 7.0, nginx 1.22, postgresql 15${charts}.`);
  expect(said).toMatch(
    /The customization «company» (of an earlier run is still being applied|is in the catalog already)\./,
  );
  expect(said).not.toMatch(/Requesting|Adding examples|API token: /);
  expect(said).toMatch(/Pulling \S+\/redis:\S+-debian-12-r1 with skopeo:\n {2}\/etc\/company\/motd: Built by Larder/);
  expect(said.match(/\(customized\)/g)).toHaveLength(helm === undefined ? 3 : 4);
  expect(said).toMatch(
    helm === undefined
      ? /The chart of redis is left out, because helm is not installed/
      : /Pulling \S+\/charts\/debian-12\/redis:\S+ with helm; helm template of it:\n.* StatefulSet.*\n {2}image: \S+\/redis:\S+-debian-12-r1@sha256:/,
  );
  expect(modeOf(join(data, 'demo-token'))).toBe('600');
  const apiToken = readFileSync(join(data, 'demo-token'), 'utf8').trim();
  expect(said).not.toContain(apiToken);
  const client = openClient({ url: `http://127.0.0.1:${port}`, apiToken });
  const catalog_id = (await client.call('listCatalogs', {})).items[0]?.id ?? '';
  const requests = await client.call('listApplicationRequests', { catalog_id, request_type: 'add' });
  const customizations = await client.call('listCustomizations', { catalog_id });
  expect([requests.total_size, customizations.total_size]).toEqual([1, 1]);
  paste(printed(demo, 'skopeo copy'));
  expect(statSync(join(scratch, 'redis', 'oci-layout')).isFile()).toBe(true);
  if (helm !== undefined) {
    paste(`PATH=${scratch}:$PATH`, printed(demo, 'helm pull'));
    expect(readdirSync(scratch)).toContainEqual(expect.stringMatching(/^redis-1\.0\.\d+\.tgz$/));
  }
  const releases = JSON.parse(paste(printed(demo, 'ACCESS='), printed(demo, 'curl')));
  expect(releases.items).toHaveLength(releases.total_size);
  expect(releases.total_size).toBeGreaterThanOrEqual(6);
  expect([await stopped(demo.child), /^demo:|Error/m.exec(demo.said())]).toEqual([0, null]);
});
