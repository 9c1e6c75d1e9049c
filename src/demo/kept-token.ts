// The first API token is shown once; the demonstration keeps it in a file of its own, so that it can be run again.
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const keptTokenFile = (data: string) => join(data, 'demo-token');

/** Readable by Larder's own user alone. */
export function keepToken(data: string, apiToken: string): void {
  writeFileSync(keptTokenFile(data), `${apiToken}\n`, { mode: 0o600 });
}

/** Throws with what to do where the first start was not the demonstration's. */
export async function readKeptToken(data: string): Promise<string> {
  const text = await readFile(keptTokenFile(data), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new Error(
      `This Larder was first started without the demonstration, and its API token was shown then. Put it into ${keptTokenFile(data)} (mode 0600), or give another LARDER_DATA.`,
    );
  });
  return text.trim();
}
