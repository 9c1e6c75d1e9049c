// The charts of products/ in their packaged form: each chart contains a copy of the library chart.

import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const ROOT = new URL('../../', import.meta.url).pathname;
const PRODUCTS = join(ROOT, 'products');

/** Returns the keys of the products that have a chart. */
export async function chartKeys(): Promise<string[]> {
  return (await readdir(PRODUCTS)).filter((key) => existsSync(join(chartFolder(key), 'Chart.yaml'))).sort();
}

export const chartFolder = (key: string) => join(PRODUCTS, key, 'chart');
export const readChartFile = async (key: string, name: string) => await readFile(join(chartFolder(key), name), 'utf8');

export type AssembledChart = AsyncDisposable & { path: string };

/** Copies a chart without its test values to a temporary folder, and the library chart to the chart's `charts/`. */
export async function assembleChart(key: string): Promise<AssembledChart> {
  const directory = await mkdtemp(join(tmpdir(), 'larder-chart-'));
  const path = join(directory, key);
  await cp(chartFolder(key), path, { recursive: true, filter: (source) => basename(source) !== 'ci' });
  await cp(join(ROOT, 'charts/common'), join(path, 'charts/common'), { recursive: true });
  return { path, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}
