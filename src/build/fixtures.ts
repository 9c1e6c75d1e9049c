// For the tests of builds: a workspace that goes away, and a root file system of a few programs of this machine.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContentStore } from '../oci/content.ts';
import { type BuiltLayer, writeLayer } from '../oci/layer.ts';
import { memoryContent } from '../oci/memory.ts';
import type { TarInput } from '../tar/entry.ts';
import { entry } from '../tar/fixtures.ts';
import { exclusiveBy, keyedLocks } from './exclusive.ts';
import { asOwner, findTool, inNewNamespace, runCommand } from './host-commands.ts';
import type { LayerPin } from './plan.ts';
import { probeSandbox, type SandboxMode } from './sandbox-mode.ts';
import type { Workspace } from './workspace.ts';

/** Under root the tests drop to the first of these; where neither exists the tests of sandboxes say why they are left out. */
export const sandboxMode: SandboxMode = await probeSandbox({ accounts: ['larder', 'tester'] });

export type TestWorkspace = Workspace & AsyncDisposable;

export async function testWorkspace(
  content: ContentStore = memoryContent(),
  probe = sandboxMode,
): Promise<TestWorkspace> {
  const directory = await mkdtemp(join(tmpdir(), 'larder-build-'));
  return {
    directory,
    content,
    probe,
    exclusive: exclusiveBy(keyedLocks()),
    async [Symbol.asyncDispose]() {
      if (probe.mode !== 'files-only') {
        // The laid out layers belong to subordinate ids.
        const { host } = probe;
        await runCommand(
          asOwner(host, inNewNamespace(host, [host.tools.sh, '-c', 'rm -rf "$1"/*', 'rm', directory])),
        ).catch(() => undefined);
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const PROGRAMS = [
  'sh',
  'bash',
  'cat',
  'chmod',
  'chown',
  'cp',
  'dirname',
  'env',
  'grep',
  'head',
  'id',
  'ln',
  'ls',
  'mkdir',
  'mkfifo',
  'mknod',
  'mv',
  'nsenter',
  'printf',
  'rm',
  'rmdir',
  'sed',
  'sleep',
  'stat',
  'touch',
  'tr',
  'true',
  'unshare',
];

/** A layer with a shell and what scripts use, taken from this machine; merged /usr, as Debian has it. `more` names further programs. */
export async function programsLayer(
  content: ContentStore,
  { more = [] }: { more?: string[] } = {},
): Promise<BuiltLayer & LayerPin> {
  const files = new Map<string, TarInput>();
  for (const program of [...PROGRAMS, ...more]) {
    const path = findTool(program);
    if (path === undefined) continue;
    await addFile(files, `usr/bin/${program}`, path);
    const libraries = execFileSync(findTool('ldd') ?? 'ldd', [path], { encoding: 'utf8' });
    for (const [library] of libraries.matchAll(/\/\S+/g))
      await addFile(files, library.replace(/^\/(?:usr\/)?/, 'usr/'), library);
  }
  const folders = [
    'etc',
    'etc/dropped',
    'opt',
    'opt/kept',
    'proc',
    'dev',
    'run',
    'srv',
    'srv/old',
    'tmp',
    'usr',
    'usr/bin',
    'var',
    'var/log',
  ];
  const libraryFolders = new Set([...files.keys()].flatMap((path) => parents(path)));
  const links = ['bin', 'lib', 'lib64', 'sbin'].map((name) =>
    entry(name, { type: 'symlink', target: name === 'sbin' ? 'usr/bin' : `usr/${name}`, mode: 0o777 }),
  );
  return await writeLayer(content, [
    ...[...new Set([...folders, ...libraryFolders])]
      .sort()
      .map((path) => entry(path, path === 'tmp' ? { mode: 0o1777 } : {})),
    ...links,
    ...files.values(),
    entry('etc/passwd', { content: 'root:x:0:0:root:/root:/bin/sh\n' }),
    entry('etc/group', { content: 'root:x:0:\n' }),
    entry('etc/dropped/file', { content: 'gone soon' }),
    entry('srv/old/file', { content: 'hidden soon' }),
    entry('opt/kept/file', { content: 'stays' }),
  ]);
}

async function addFile(files: Map<string, TarInput>, path: string, source: string): Promise<void> {
  files.set(path, entry(path, { content: await readFile(await realpath(source)), mode: 0o755 }));
}

function parents(path: string): string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join('/'));
}
