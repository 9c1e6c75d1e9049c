// Finds the date at which a package archive was last published. All times in a base image that is built from the archive
// become this date.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTool, runCommand, STANDARD_PATH } from '../../sandbox/host-commands.ts';
import { withProxies } from './machine-apt.ts';

export type ArchiveOptions = {
  /** The sources of the archive as deb822 text (sources.list(5)). */
  sources: string;
  signal?: AbortSignal | undefined;
};

/** apt's program that downloads a file of an archive, with the machine's proxies and credentials. */
const APT_HELPER = '/usr/lib/apt/apt-helper';

/**
 * Returns the newest `Date` of the archive's InRelease files, in seconds since 1970. Throws CommandFailed if the archive
 * cannot be reached. Does not check signatures, because a forged file can only change the date, and apt checks signatures
 * when it installs packages.
 */
export async function archiveDate({ sources, signal }: ArchiveOptions): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'larder-archive-'));
  try {
    await writeFile(join(folder, 'archive.sources'), sources, { mode: 0o600 });
    const list = [
      findTool('apt-get') ?? 'apt-get',
      ...aptSourceOptions(folder),
      '-o',
      `Dir::State::lists=${folder}`,
      '--print-uris',
      'update',
    ];
    let printed = '';
    await runCommand(list, { signal, onOutput: (chunk) => (printed += chunk.toString()) });
    const uris = [...printed.matchAll(/^'([^']+\/InRelease)' /gm)].map((match) => match[1] ?? '');
    const dates: number[] = [];
    for (const [index, uri] of uris.entries()) {
      const file = join(folder, `InRelease.${index}`);
      await runCommand(withProxies({ PATH: STANDARD_PATH }, [APT_HELPER, 'download-file', uri, file]), {
        inherit: true,
        signal,
      });
      const date = /^Date: (.+)$/m.exec(await readFile(file, 'utf8'))?.[1];
      if (date !== undefined) dates.push(Date.parse(date) / 1000);
    }
    const newest = Math.max(...dates);
    if (!Number.isFinite(newest)) throw new Error('No InRelease file of the package archive has a Date.');
    return newest;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Returns options with which apt reads only the sources in this folder, and not the sources of the machine. */
function aptSourceOptions(folder: string): string[] {
  return ['-o', 'Dir::Etc::SourceList=/dev/null', '-o', `Dir::Etc::SourceParts=${folder}`];
}
