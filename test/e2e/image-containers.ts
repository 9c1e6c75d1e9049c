// The containers of one product's image: the image is built once for a test file, and each test stops its containers.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { loadRecipes } from '../../src/recipes/recipe.ts';
import { type Container, type ContainerOptions, startContainer } from '../container.ts';
import { openProductBundle, PRODUCTS, type ProductBundle } from '../product-bundle.ts';
import { SLOW_MS } from '../redis-builds.ts';

export type ImageContainers = {
  /** Makes a folder with these files. It is deleted after the last test. */
  folder(files?: Record<string, string | Uint8Array>): Promise<string>;
  /** Starts a container. It is stopped after the test. */
  start(options: ContainerOptions): Promise<Container>;
  /** Runs the tests of the recipe. */
  verify: ProductBundle['verify'];
};

type ImageOptions = {
  /** The signal that stops the containers of a test. SIGINT if absent. */
  stopSignal?: NodeJS.Signals;
  /** Changes the root file system of the image before the first start. */
  prepare?: (bundle: ProductBundle) => Promise<void>;
};

/** Registers the hooks that build the image of a product and stop its containers. Called in the `describe` of a test file. */
export function useImage(key: string, { stopSignal, prepare }: ImageOptions = {}): ImageContainers {
  let bundle: ProductBundle;
  let directory: string;
  const running: Container[] = [];
  beforeAll(async () => {
    const recipe = (await loadRecipes(PRODUCTS)).find((one) => one.key === key);
    if (recipe === undefined) throw new Error(`products/${key} is missing`);
    directory = await mkdtemp(join(tmpdir(), `larder-${key}-`));
    bundle = await openProductBundle(recipe);
    await prepare?.(bundle);
  }, SLOW_MS);
  afterEach(async () => {
    for (const container of running.splice(0)) await container.stop(stopSignal);
  });
  afterAll(async () => {
    await bundle?.[Symbol.asyncDispose]();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });
  return {
    async folder(files = {}) {
      const path = await mkdtemp(join(directory, 'folder-'));
      for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
      return path;
    },
    async start(options) {
      const container = await startContainer(bundle, options);
      running.push(container);
      return container;
    },
    verify: () => bundle.verify(),
  };
}
