// The sets of values with which tests render a chart: the test values of the product, and sets that its verification does not need.
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { chartFolder } from './assembled-chart.ts';

export type ValueFile = { name: string; path: string };

/**
 * `values/` has sets that a release need not be verified with. `values-for-effect/` has values that the restricted rules reject,
 * or that exclude others.
 */
type More = 'values' | 'values-for-effect';

/** Returns the files with test values of a product's chart and of these folders, sorted by name. */
export async function listValueFiles(key: string, ...more: More[]): Promise<ValueFile[]> {
  const folders = [join(chartFolder(key), 'ci'), ...more.map((folder) => join(import.meta.dirname, folder, key))];
  const found = await Promise.all(folders.map(filesIn));
  return found.flat().sort((one, other) => (one.name < other.name ? -1 : 1));
}

async function filesIn(folder: string): Promise<ValueFile[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.map((name) => ({ name: basename(name, '.yaml').replace(/-values$/, ''), path: join(folder, name) }));
}
