// The package archives of the operating systems that Larder builds on: opened on first use and kept open.
import { join } from 'node:path';
import { type AptRoot, openAptRoot } from '../debian/apt.ts';
import { type AptSources, configuredSources } from '../debian/apt-sources.ts';

/** Plans made in quick succession share one look at the archive; security updates appear a few times a day. */
export const INDEX_FRESH_MS = 10 * 60_000;

export type Archive = { apt: AptRoot; sources: AptSources };

export type Archives = {
  /** Throws AptError, SUITE_MISSING where the machine's archive does not have that operating system. */
  open(operatingSystem: { key: string; codename: string }): Promise<Archive>;
};

/** `directory` is the worker's own: indexes are kept there between starts. */
export function openArchives(directory: string, log: (line: string) => void): Archives {
  const opened = new Map<string, Promise<Archive>>();
  return {
    open({ key, codename }) {
      const known = opened.get(key);
      if (known) return known;
      const opening = openArchive({ directory: join(directory, key), key, codename, log });
      opened.set(key, opening);
      // A machine whose sources are repaired needs no restart.
      opening.catch(() => opened.delete(key));
      return opening;
    },
  };
}

type OpenOptions = { directory: string; key: string; codename: string; log: (line: string) => void };

async function openArchive({ directory, key, codename, log }: OpenOptions): Promise<Archive> {
  const sources = await configuredSources(codename);
  return { sources, apt: await openAptRoot({ directory, sources, operating_system: key, log }) };
}
