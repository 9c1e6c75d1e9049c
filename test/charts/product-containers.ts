// A product's image, built by its recipe, in containers as the product's chart renders them.
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { loadRecipes } from '../../src/recipes/recipe.ts';
import { openProductBundle, PRODUCTS } from '../product-bundle.ts';
import { assembleChart } from './assembled-chart.ts';
import { HELMS, renderValues } from './helm.ts';
import {
  type ContainerRun,
  environmentOf,
  findContainer,
  killContainer,
  runInContainer,
  startContainer,
  writeVolumes,
} from './rendered-container.ts';

const HEALTHY = { timeout: 30_000, interval: 100 };

export type ProductContainers = AsyncDisposable & {
  directory: string;
  /**
   * Starts the container of the product in a workload (kind/name) with values, and waits until it is healthy. Volumes are folders below
   * `directory/name`; the content of emptyDirs and claims is kept for the next start with this name.
   */
  start: (name: string, workload: string, values: object) => Promise<ContainerRun & { child: ChildProcess }>;
  /** Kills the container that was started last. */
  kill: () => Promise<void>;
};

/** Builds a product's image and assembles its chart. Takes a minute if there is no base image yet. */
export async function openProductContainers(key: string): Promise<ProductContainers> {
  await using stack = new AsyncDisposableStack();
  const recipe = (await loadRecipes(PRODUCTS)).find((one) => one.key === key);
  if (recipe === undefined) throw new Error(`products/${key} is missing`);
  const directory = await mkdtemp(join(tmpdir(), 'larder-containers-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const bundle = stack.use(await openProductBundle(recipe));
  const chart = stack.use(await assembleChart(key));
  const health = recipe.health?.command ?? ['true'];
  let running: ChildProcess | undefined;
  stack.defer(() => killContainer(running));

  async function start(name: string, workload: string, values: object) {
    const objects = await renderValues(HELMS[0]?.path ?? '', chart.path, values);
    const found = findContainer(objects, workload, key);
    const mounts = await writeVolumes(objects, found, join(directory, name));
    const rootfs = join(bundle.directory, 'bundle/rootfs');
    const run = { rootfs, container: found.container, env: environmentOf(objects, found.container), mounts };
    const child = await startContainer(run, recipe);
    running = child;
    await expect.poll(() => runInContainer(run, health), HEALTHY).toBe(0);
    return { ...run, child };
  }
  const all = stack.move();
  return { directory, start, kill: () => killContainer(running), [Symbol.asyncDispose]: () => all.disposeAsync() };
}
