// All sandbox modes of this machine give the same layer. A machine without sandboxes reports the reason.
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { programsLayer, sandboxMode, type TestWorkspace, testWorkspace } from '../../test/fixtures/build.ts';
import type { BuiltLayer } from '../oci/layer.ts';
import { disposable } from '../packaging/image/application-layer.ts';
import { captureLayer } from '../packaging/image/capture.ts';
import { prepareRoots } from '../packaging/image/rootfs.ts';
import { openSandbox } from './sandbox.ts';
import type { SandboxHost, SandboxMode } from './sandbox-host.ts';
import { probeSandbox } from './sandbox-mode.ts';

const isRoot = process.getuid?.() === 0;

test.runIf(isRoot)(
  'without an account for sandboxes, the reasons name the account and the commands that create it',
  async () => {
    const { mode, reasons } = await probeSandbox({ accounts: ['nobody-has-this-name'] });
    expect(['root', 'files-only']).toContain(mode);
    expect(reasons.join(' ')).toContain('nobody-has-this-name');
    expect(reasons.join(' ')).toContain('usermod');
  },
);

test.runIf(isRoot)('the reasons name an account without subordinate ids', async () => {
  const { reasons } = await probeSandbox({ accounts: ['daemon'] });
  expect(reasons.join(' ')).toContain('«daemon» has no range of 65,536 subordinate ids');
});

/**
 * Runs a command without any capability in a user namespace that allows no further user namespaces, like a strict container.
 */
const STRICT =
  'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all "$@"';

const probing = `import('${new URL('./sandbox-mode.ts', import.meta.url)}').then(async ({ probeSandbox }) => console.log(JSON.stringify(await probeSandbox())))`;

test.skipIf(sandboxMode.mode !== 'userns')('the reasons name NoNewPrivileges= if it disables user namespaces', () => {
  const printed = execFileSync('setpriv', ['--no-new-privs', process.execPath, '-e', probing], { timeout: 30_000 });
  const { mode, reasons } = JSON.parse(printed.toString()) as SandboxMode;
  expect(mode).not.toBe('userns');
  expect(reasons.join(' ')).toContain('remove NoNewPrivileges= from the systemd unit');
});

test.skipIf(sandboxMode.mode === 'files-only')(
  'if the kernel forbids user namespaces, the mode is files-only and the reasons name the setting',
  () => {
    const namespace = ['--user', '--map-current-user', '--keep-caps', 'sh', '-c', STRICT, 'sh'];
    const printed = execFileSync('unshare', [...namespace, process.execPath, '-e', probing], { timeout: 30_000 });
    const { mode, reasons } = JSON.parse(printed.toString()) as SandboxMode;
    expect(mode).toBe('files-only');
    expect(reasons.join(' ')).toMatch(isRoot ? /Sandboxes as root do not work here/ : /max_user_namespaces is 0/);
    expect(reasons.at(-1)).toMatch(
      /files, certificates, environment and labels still work; packages and scripts are rejected/,
    );
  },
);

describe.skipIf(sandboxMode.mode === 'files-only')('every mode', () => {
  const layers: (BuiltLayer | undefined)[] = [];
  const workspaces: TestWorkspace[] = [];
  let modes: SandboxMode[] = [];

  beforeAll(async () => {
    if (sandboxMode.mode === 'files-only') return;
    const { host } = sandboxMode;
    const asRoot = (found: SandboxHost): SandboxHost => {
      const { user: _, ...rest } = found;
      return { ...rest, namespace: false };
    };
    modes = [
      sandboxMode,
      { mode: 'userns', reasons: [], host: { ...host, upper: 'disk' } },
      ...(isRoot ? [{ mode: 'root' as const, reasons: [], host: asRoot(host) }] : []),
    ];
    for (const mode of modes) layers.push(await changes(mode));
  });
  afterAll(async () => {
    for (const workspace of workspaces) await workspace[Symbol.asyncDispose]();
  });

  async function changes(probe: SandboxMode): Promise<BuiltLayer | undefined> {
    const workspace = await testWorkspace(undefined, probe);
    workspaces.push(workspace);
    const layer = await programsLayer(workspace.content);
    const roots = await prepareRoots(workspace, [layer], { step: 'test' });
    await using sandbox = disposable(await openSandbox(workspace, { layers: roots, step: 'test' }));
    const script =
      'set -e; rm -r /srv/old /etc/dropped; mkdir /srv/old; echo x > /srv/old/x; chown 7:8 /srv/old/x; grep Seccomp: /proc/self/status; unshare --user true && exit 9; unshare --mount true && exit 9; true';
    const { code } = await sandbox.run({ command: ['sh', '-c', script], environment: { PATH: '/usr/bin' } });
    expect(code).toBe(0);
    return await captureLayer(workspace.content, sandbox, { epoch: 1, step: 'test', privateKeys: false });
  }

  test('captures the same layer', () => {
    expect(layers.length).toBe(modes.length);
    expect(new Set(layers.map((layer) => layer?.diff_id)).size).toBe(1);
    expect(layers[0]).toBeDefined();
  });

  test('limits the changes on a disk', async () => {
    const [, disk] = modes;
    if (disk === undefined) return;
    await using workspace = await testWorkspace(undefined, disk);
    const layer = await programsLayer(workspace.content);
    const roots = await prepareRoots(workspace, [layer], { step: 'test' });
    const limits = { changeBytes: 4 * 1024 * 1024 };
    await using sandbox = disposable(await openSandbox(workspace, { layers: roots, step: 'test', limits }));
    const exit = await sandbox.run({
      command: [
        'sh',
        '-c',
        'i=0; while :; do i=$((i+1)); head -c 2000000 /dev/zero > /big$i; [ $i -lt 4 ] || sleep 1; done',
      ],
      environment: { PATH: '/usr/bin' },
    });
    expect(exit.stopped).toBe('change-size');
  });
});
