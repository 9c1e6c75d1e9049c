// Sandboxes on the kernel of this machine. Programs in them are confined and limited, and end with the worker. Their changes
// are captured.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { programsLayer, sandboxMode, type TestWorkspace, testWorkspace } from '../../test/fixtures/build.ts';
import { concatenate, entry, readAll } from '../../test/fixtures/tar.ts';
import { mergedListing, writeLayer } from '../oci/layer.ts';
import { disposable } from '../packaging/image/application-layer.ts';
import { captureLayer } from '../packaging/image/capture.ts';
import { openGivenFolder } from '../packaging/image/given-folder.ts';
import { readFileOf, withLayer } from '../packaging/image/image-files.ts';
import { prepareRoots } from '../packaging/image/rootfs.ts';
import type { LayerPin } from '../plan/pin.ts';
import { BuildError } from './build-error.ts';
import { openSandbox, type Sandbox } from './sandbox.ts';
import type { SandboxCommand, SandboxLimits } from './sandbox-command.ts';
import type { RunOptions } from './sandbox-run.ts';

const possible = sandboxMode.mode !== 'files-only';
const environment = { PATH: '/usr/bin' };
const EPOCH = 1_600_000_000;

let workspace: TestWorkspace;
let layer: LayerPin;
let roots: string[];

beforeAll(async () => {
  if (!possible) return;
  workspace = await testWorkspace();
  layer = await programsLayer(workspace.content);
  roots = await prepareRoots(workspace, [layer], { step: 'test' });
});
afterAll(async () => await workspace?.[Symbol.asyncDispose]());

async function open(limits: Partial<SandboxLimits> = {}, signal?: AbortSignal) {
  return disposable(await openSandbox(workspace, { layers: roots, step: 'test', limits, signal }));
}

async function shell(sandbox: Sandbox, script: string, options: RunOptions & Partial<SandboxCommand> = {}) {
  let output = '';
  const { user, ...run } = options;
  const command: SandboxCommand = {
    command: ['sh', '-c', script],
    environment,
    ...(user && { user }),
  };
  const exit = await sandbox.run(command, { onOutput: (chunk) => (output += chunk.toString()), ...run });
  return { ...exit, output };
}

test('openSandbox rejects files-only mode with the reason', async () => {
  const rejected = await testWorkspace(undefined, { mode: 'files-only', reasons: ['No bwrap.'] });
  await expect(openSandbox(rejected, { layers: [], step: 'x' })).rejects.toThrow(BuildError);
  await expect(openSandbox(rejected, { layers: [], step: 'x' })).rejects.toThrow('No bwrap.');
  await rejected[Symbol.asyncDispose]();
});

describe.skipIf(!possible)('a program inside', () => {
  test('is root of its namespace, with few rights and no network', async () => {
    await using sandbox = await open();
    const { output } = await shell(
      sandbox,
      'id -u; grep -E "CapEff|NoNewPrivs|Seccomp:" /proc/self/status; cat /proc/net/dev; env',
    );
    const rights = /CapEff:\s*(\w+)/.exec(output)?.[1];
    // Exactly these capabilities: CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP SYS_CHROOT SETFCAP
    // (capability.h)
    expect(rights).toBe('00000000800401fb');
    expect(output).toMatch(/^0\n/);
    expect(output).toMatch(/NoNewPrivs:\s*1/);
    expect(output).toMatch(/Seccomp:\s*2/);
    expect([...output.matchAll(/^\s*(\w+):\s+\d+ +\d+/gm)].map((match) => match[1])).toEqual(['lo']);
  });

  test('sees no paths, variables or processes of this machine', async () => {
    await using sandbox = await open();
    const { output } = await shell(
      sandbox,
      'cat /proc/1/environ /proc/self/environ | tr "\\0" "\\n"; cat /proc/1/cmdline; ls /home /etc; cat /proc/self/mountinfo | head -0; ls /proc',
    );
    expect(output).not.toContain(workspace.directory);
    expect(output).not.toContain(process.env['PATH'] ?? '');
    expect(output).not.toContain('shadow');
    // Programs inside see only the command, the shell and bwrap, and no process from outside.
    expect([...output.matchAll(/^\d+$/gm)].length).toBeLessThan(6);
  });

  test('cannot reach a server of this machine', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await using sandbox = await open();
    const { code } = await sandbox.run({ command: ['bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`], environment });
    expect(code).not.toBe(0);
    server.close();
  });

  test.each([
    ['a nested user namespace', 'unshare --user true'],
    ['a mount namespace', 'unshare --mount true'],
    ['entry to another namespace', 'nsenter --target 1 --net true'],
    ['a device', 'mknod /null c 1 3'],
    ['a whiteout made with mknod', 'mknod /etc/passwd2 c 0 0'],
  ])('is denied %s', async (_name, script) => {
    await using sandbox = await open();
    expect((await shell(sandbox, script)).code).not.toBe(0);
  });

  test('changes owners to any id up to 65,535', async () => {
    await using sandbox = await open();
    const { output } = await shell(sandbox, 'touch /a && chown 12345:54321 /a && stat -c %u:%g /a');
    expect(output.trim()).toBe('12345:54321');
  });

  test('has no rights as another user', async () => {
    await using sandbox = await open();
    const { output, code } = await shell(sandbox, 'id -u; id -g; grep CapEff /proc/self/status; touch /etc/x', {
      user: { uid: 1001, gid: 7, groups: [] },
    });
    expect(output).toMatch(/^1001\n7\nCapEff:\s*0+\n/);
    expect(code).not.toBe(0);
  });

  test('gets variables of any name, as root and as another user', async () => {
    await using sandbox = await open();
    const named = { ...environment, 'discovery.type': 'single-node', 'A B': "it's $HOME", 'a-b%%': '' };
    for (const user of [undefined, { uid: 1001, gid: 7, groups: [] }]) {
      let output = '';
      const command = { command: ['cat', '/proc/self/environ'], environment: named, ...(user && { user }) };
      const exit = await sandbox.run(command, { onOutput: (chunk) => (output += chunk.toString()) });
      expect(exit.code).toBe(0);
      for (const [name, value] of Object.entries(named)) expect(output.split('\0')).toContain(`${name}=${value}`);
    }
  });

  test('can read, but not write, files of the given folder', async () => {
    await using given = openGivenFolder(workspace);
    await given.write('some/it', 'given');
    await using sandbox = disposable(
      await openSandbox(workspace, { layers: roots, step: 'test', given: given.folder }),
    );
    const inside = given.inside('some/it');
    const { output, code } = await shell(sandbox, `cat ${inside}; echo x > ${inside}`);
    expect(output).toContain('given');
    expect(code).not.toBe(0);
  });
});

describe.skipIf(!possible)('limits', () => {
  test('the wall clock ends a command with its background processes', async () => {
    await using sandbox = await open();
    const begin = performance.now();
    const exit = await shell(sandbox, 'sleep 987654 & sleep 987654', { wallClockMs: 300 });
    expect(exit.stopped).toBe('wall-clock');
    expect(performance.now() - begin).toBeLessThan(5000);
    expect(processesWith('987654')).toEqual([]);
  });

  test('changes above the size fail', async () => {
    await using sandbox = await open({ changeBytes: 8 * 1024 * 1024 });
    const { code, output } = await shell(
      sandbox,
      'for i in 1 2 3 4 5; do head -c 4000000 /dev/zero > /big$i || exit 9; done',
    );
    expect(code, output).not.toBe(0);
  });

  test('processes above the number cannot be started', async () => {
    await using sandbox = await open({ processes: 20 });
    const { output } = await shell(
      sandbox,
      'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22; do sleep 5 & done 2>&1; echo end',
      { wallClockMs: 3000 },
    );
    expect(output).toMatch(/fork|resource/i);
  });

  test('the limit of CPU time ends an endless loop', async () => {
    await using sandbox = await open({ cpuSeconds: 1 });
    expect((await shell(sandbox, 'while :; do :; done')).code).toBeGreaterThan(128);
  });

  test('an abort ends the command and throws its reason', async () => {
    await using sandbox = await open();
    const controller = new AbortController();
    const running = shell(sandbox, 'echo started; sleep 876543', {
      signal: controller.signal,
      onOutput: () => controller.abort(new Error('enough')),
    });
    await expect(running).rejects.toThrow('enough');
  });

  test('close ends running programs and deletes the folder', async () => {
    const sandbox = await open();
    const service = sandbox.start({ command: ['sleep', '765432'], environment });
    await service.pid;
    await sandbox.close();
    await service.exited;
    expect(processesWith('765432')).toEqual([]);
    expect(await readdir(join(workspace.directory, 'sandboxes'))).toEqual([]);
  });
});

describe.skipIf(!possible)('with `beside`', () => {
  test('a command shares the processes and files of a service', async () => {
    await using sandbox = await open();
    const service = sandbox.start({ command: ['sh', '-c', 'echo ready > /tmp/x; exec sleep 654321'], environment });
    await service.pid;
    const { output } = await shell(
      sandbox,
      'until [ -s /tmp/x ]; do :; done; cat /tmp/x; cat /proc/[0-9]*/cmdline | tr "\\0" " "',
      { beside: service },
    );
    expect(output).toContain('ready');
    expect(output).toContain('sleep 654321');
    // The command cannot see the processes of this machine.
    expect(output).not.toContain('vitest');
  });
});

describe.skipIf(!possible)('the worker', () => {
  test('ends its sandboxes when it is killed with -9', async () => {
    const program = `
      import { openSandbox } from ${JSON.stringify(new URL('./sandbox.ts', import.meta.url).pathname)};
      const sandbox = await openSandbox(${JSON.stringify({ directory: workspace.directory, probe: workspace.probe })}, { layers: ${JSON.stringify(roots)}, step: 'x' });
      const sleep = (seconds, options) => sandbox.start({ command: ['sleep', seconds], environment: { PATH: '/usr/bin' } }, options);
      const service = sleep('543210', {});
      await service.pid;
      sleep('543211', { beside: service });
      await sandbox.connect(service, ['sleep', '543212']);
      console.log('up');
    `;
    const worker = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(worker.stdout, 'data');
    const kinds = ['543210', '543211', '543212'];
    await expect.poll(() => kinds.filter((seconds) => processesWith(seconds).length === 0)).toEqual([]);
    worker.kill('SIGKILL');
    // The search also finds processes that entered the namespaces of the sandbox, because their command line ends with the
    // command in the sandbox.
    const left = () => kinds.flatMap((seconds) => processesWith(seconds, ''));
    await expect.poll(left, { timeout: 5000 }).toEqual([]);
  });
});

describe.skipIf(!possible)('capture', () => {
  const script = `
    set -e
    echo new > /etc/new; chown 12:34 /etc/new; chmod 4755 /etc/new
    rm -r /etc/dropped
    rm -r /srv/old; mkdir /srv/old; echo other > /srv/old/other
    mkdir /opt/fresh; echo x > /opt/fresh/z; echo x > /opt/fresh/a; ln /opt/fresh/a /opt/fresh/b; ln -s a /opt/fresh/link
    echo log > /var/log/some.log; echo t > /tmp/t; mkdir -p /run/some/x
  `;
  const capture = async (sandbox: Sandbox) =>
    await captureLayer(workspace.content, sandbox, { epoch: EPOCH, step: 'test', privateKeys: true });

  test('has whiteouts, opaque folders, owners, modes and clamped times, and no leftovers', async () => {
    await using sandbox = await open();
    expect((await shell(sandbox, script)).output).toBe('');
    const built = await capture(sandbox);
    const tar = gunzipSync(await concatenate(await workspace.content.open(built?.descriptor.digest ?? 'sha256:')));
    const entries = await readAll(tar);
    expect(entries.every(({ header }) => header.mtime <= EPOCH)).toBe(true);
    const lines = entries.map(
      ({ header: { path, mode, uid, gid, type } }) => `${type} ${path} ${mode.toString(8)} ${uid}:${gid}`,
    );
    expect(lines).toContain('file etc/new 4755 12:34');
    expect(lines).toContain('file etc/.wh.dropped 644 0:0');
    expect(lines).toContain('file srv/old/.wh..wh..opq 644 0:0');
    expect(lines).toContain('hardlink opt/fresh/b 644 0:0');
    expect(
      entries.map(({ name }) => name).filter((name) => /^(\.?\/|var\/log\/.|tmp\/.|run\/.|dev\/.)/.test(name)),
    ).toEqual([]);
    const names = entries
      .map(({ header }) => header.path)
      .filter((path) => path.startsWith('opt/fresh/') && !path.includes('.wh.'));
    expect(names).toEqual(names.toSorted());
  });

  test('returns the same layer for the same changes, which a new sandbox shows again', async () => {
    await using first = await open();
    await shell(first, script);
    await using second = await open();
    await shell(second, script.split('\n').join('\n:;\n'));
    const [one, two] = [await capture(first), await capture(second)];
    expect(two?.diff_id).toBe(one?.diff_id);
    if (one === undefined) return;
    const again = await prepareRoots(workspace, [layer, one], { step: 'test' });
    await using sandbox = disposable(await openSandbox(workspace, { layers: again, step: 'test' }));
    const { output } = await shell(sandbox, 'ls /etc /srv/old; cat /opt/kept/file; stat -c %a:%u /etc/new');
    expect(output).not.toContain('dropped');
    expect(output).not.toMatch(/^file$/m);
    expect(output).toContain('stays4755:12');
  });

  test('returns no layer without changes', async () => {
    await using sandbox = await open();
    await shell(sandbox, 'true');
    expect(await capture(sandbox)).toBeUndefined();
  });

  test('does not contain /etc/hosts, which has localhost; /etc has the mode and owner of the image', async () => {
    const etc = await writeLayer(workspace.content, [entry('etc', { mode: 0o751, uid: 3 })]);
    const roots = await prepareRoots(workspace, [layer, etc], { step: 'x' });
    await using sandbox = disposable(await openSandbox(workspace, { layers: roots, step: 'x' }));
    const { output } = await shell(
      sandbox,
      'stat -c "%a %u" /etc; cat /etc/hosts; ls /etc; cat /etc/passwd; [ ! -e /etc/dropped/no ]',
    );
    expect(output).toBe(
      '751 3\n127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\ndropped\ngroup\nhosts\npasswd\nroot:x:0:0:root:/root:/bin/sh\n',
    );
    const below = await mergedListing(workspace.content, [layer, etc]);
    const changes = async () => {
      const options = { epoch: EPOCH, step: 'x', privateKeys: true, below };
      const built = await captureLayer(workspace.content, sandbox, options);
      return built && [...(await mergedListing(workspace.content, [built])).keys()];
    };
    expect(await changes()).toBeUndefined();
    await shell(sandbox, 'echo 10.0.0.1 other >> /etc/hosts; echo new > /etc/new');
    expect(await changes()).toEqual(['etc', 'etc/new']);
    await shell(sandbox, 'rm /etc/hosts /etc/new');
    expect(await changes()).toBeUndefined();
  });

  test('keeps a link or a whiteout in the place of /etc', async () => {
    const link = await writeLayer(workspace.content, [entry('etc', { type: 'symlink', target: 'opt' })]);
    const mark = await writeLayer(workspace.content, [entry('.wh.etc', { content: '' })]);
    for (const [top, expected] of [
      [link, 'kept\n/opt\n'],
      [mark, 'none\n'],
    ] as const) {
      const roots = await prepareRoots(workspace, [layer, top], { step: 'x' });
      await using sandbox = disposable(await openSandbox(workspace, { layers: roots, step: 'x' }));
      const { output } = await shell(sandbox, '[ -e /etc ] || { echo none; exit; }; ls /etc; cd /etc; pwd -P');
      expect(output).toBe(expected);
    }
  });

  test('rejects a name that would be a whiteout', async () => {
    await using sandbox = await open();
    await shell(sandbox, 'echo x > /etc/.wh.passwd');
    await expect(capture(sandbox)).rejects.toThrow('.wh.passwd');
  });

  test('leaves out a private key that a program generated', async () => {
    await using sandbox = await open();
    await shell(sandbox, 'printf -- "-----BEGIN RSA PRIVATE KEY-----\\nabc\\n" > /etc/key.pem; echo ok > /etc/other');
    const left: string[] = [];
    const built = await captureLayer(workspace.content, sandbox, {
      epoch: EPOCH,
      step: 'x',
      privateKeys: true,
      onPrivateKey: (path) => left.push(path),
    });
    expect(left).toEqual(['etc/key.pem']);
    if (built === undefined) throw new Error('a change was made');
    const image = await withLayer(workspace.content, { layers: [], listing: new Map() }, built);
    expect((await readFileOf(workspace.content, image, 'etc/other'))?.toString()).toBe('ok\n');
    expect(image.listing.has('etc/key.pem')).toBe(false);
  });
});

/**
 * Returns the command lines on this machine that begin with `program` and contain `word`. No other process uses this word.
 */
function processesWith(word: string, program = 'sleep'): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      const file = `/proc/${pid}/cmdline`;
      try {
        return existsSync(file) ? readFileSync(file, 'utf8').replaceAll('\0', ' ') : '';
      } catch {
        return '';
      }
    })
    .filter((line) => line.startsWith(program) && line.includes(word));
}
