// Builds programs that are written in Go. The module proxy has their sources.
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The time limit of a build. Helm takes ten minutes on two processors that have other work. */
const BUILD_MS_MAX = 30 * 60_000;

export type GoSource = {
  module: string;
  /** The folder of the program in the module. */
  program: string;
  version: string;
  /**
   * The version under which the proxy has the replaced modules. Needed if the go.mod of the module replaces modules by
   * folders of its own repository, because `go install` builds no module with replacements.
   */
  replacedVersion?: string;
  /** Values that are set when the program is linked, as `package.variable`. */
  linkedValues?: Record<string, string>;
};

/** Returns a folder of a module's source, which is downloaded if it is missing. */
export async function fetchGoSource({ module, version }: GoSource, folder: string): Promise<string> {
  return join((await downloadModule(module, version)).Dir, folder);
}

async function downloadModule(module: string, version: string): Promise<{ Dir: string; GoMod: string }> {
  const { stdout } = await go(tmpdir(), ['mod', 'download', '-json', `${module}@${version}`]);
  return JSON.parse(stdout);
}

async function go(folder: string, words: string[], env: Record<string, string> = {}) {
  return await run('go', words, {
    cwd: folder,
    env: { ...process.env, CGO_ENABLED: '0', ...env },
    timeout: BUILD_MS_MAX,
  });
}

/** Builds a program and writes it to a path. */
export async function buildGoProgram(source: GoSource, path: string): Promise<void> {
  // Each program is built in its own folder, because two major versions of one program have the same file name.
  const folder = await mkdtemp(join(tmpdir(), 'larder-client-'));
  try {
    await (source.replacedVersion === undefined ? install(source, folder) : buildWithReplacements(source, folder));
    const [file = ''] = await readdir(join(folder, 'bin'));
    await cp(join(folder, 'bin', file), path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function install({ module, program, version }: GoSource, folder: string): Promise<void> {
  await go(folder, ['install', '-trimpath', `${module}/${program}@${version}`], { GOBIN: join(folder, 'bin') });
}

/** Builds a program in a new module. The new module has the same replacements, but takes the modules from the proxy. */
async function buildWithReplacements(source: GoSource, folder: string): Promise<void> {
  const { module, program, version, linkedValues = {} } = source;
  const name = program === '' ? module : `${module}/${program}`;
  await go(folder, ['mod', 'init', 'larder.invalid/client']);
  await go(folder, ['mod', 'edit', ...(await replacementsOf(source))]);
  await go(folder, ['get', `${name}@${version}`]);
  // Without symbols, the programs of Kubernetes need two thirds of the space.
  const flags = ['-s', '-w', ...Object.entries(linkedValues).map(([variable, value]) => `-X ${variable}=${value}`)];
  await go(folder, ['build', '-trimpath', '-ldflags', flags.join(' '), '-o', join(folder, 'bin/'), name]);
}

async function replacementsOf({ module, version, replacedVersion }: GoSource): Promise<string[]> {
  const { GoMod } = await downloadModule(module, version);
  const { stdout } = await go(tmpdir(), ['mod', 'edit', '-json', GoMod]);
  const { Replace } = JSON.parse(stdout) as { Replace: { Old: { Path: string }; New: { Path: string } }[] };
  return Replace.filter((one) => one.New.Path.startsWith('.')).map(
    ({ Old: { Path } }) => `-replace=${Path}=${Path}@${replacedVersion}`,
  );
}
