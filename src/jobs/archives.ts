// Opens the package archives of the operating systems on which Larder builds. Each is opened at its first use and stays open.
import { join } from 'node:path';
import { type AptRoot, openAptRoot } from '../debian/apt.ts';
import { type AptSources, configuredSources } from '../debian/apt-sources.ts';

/**
 * Plans that are made within this time share one update of the archive's index. An archive gets security updates a few times
 * a day.
 */
export const INDEX_FRESH_MS = 10 * 60_000;

export type Archive = { apt: AptRoot; sources: AptSources };

export type Archives = {
  /**
   * Opens the package archive of an operating system. Throws AptError SUITE_MISSING if the archive that this machine uses
   * does not have the operating system.
   */
  open(operatingSystem: { key: string; codename: string }): Promise<Archive>;
};

/** Opens the archives in `directory`, which no other worker may use. Their indexes stay there when the worker restarts. */
export function openArchives(directory: string, log: (line: string) => void): Archives {
  const opened = new Map<string, Promise<Archive>>();
  return {
    open({ key, codename }) {
      const known = opened.get(key);
      if (known) return known;
      const opening = openArchive({ directory: join(directory, key), key, codename, log });
      opened.set(key, opening);
      // If the archive cannot be opened, the next call tries again. So after a repair of the apt sources, the worker needs no
      // restart.
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
