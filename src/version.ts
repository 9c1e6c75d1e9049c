// The version of Larder from package.json. It is read once, and is the same in the sources and in dist/.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const VERSION = readVersion(import.meta.dirname);

/**
 * Returns the version in the nearest package.json. Searches this folder and the folders above it, because dist/src/ is one
 * level deeper than src/. dist/ has no package.json.
 */
function readVersion(folder: string): string {
  const found = read(join(folder, 'package.json'));
  if (found?.name === 'larder') return found.version;
  if (dirname(folder) === folder) throw new Error('No folder above the sources has the package.json of Larder');
  return readVersion(dirname(folder));
}

function read(path: string): { name: string; version: string } | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
