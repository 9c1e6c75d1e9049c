// The package archives of the operating systems that Larder builds on: opened on first use and kept open.
import { join } from 'node:path';
import { type AptRoot, openAptRoot } from '../debian/apt.ts';
import { type AptSources, configuredSources } from '../debian/apt-sources.ts';

/** Plans within this time share one update of the index; security updates appear a few times a day. */
export const INDEX_FRESH_MS = 10 * 60_000;

export type Archive = { apt: AptRoot; sources: AptSources };

export type Archives = {
  /** Opens the archive of an operating system. Throws AptError: SUITE_MISSING if the machine's archive does not have it. */
  open(operatingSystem: { key: string; codename: string }): Promise<Archive>;
};

/** `directory` belongs to this worker alone; indexes stay there between starts. */
export function openArchives(directory: string, log: (line: string) => void): Archives {
  const opened = new Map<string, Promise<Archive>>();
  return {
    open({ key, codename }) {
      const known = opened.get(key);
      if (known) return known;
      const opening = openArchive({ directory: join(directory, key), key, codename, log });
      opened.set(key, opening);
      // After a failure the next call tries again: repaired sources need no restart of the worker.
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
