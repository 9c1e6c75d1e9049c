// A product's image, which is built from its recipe, in containers that the product's chart renders.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadRecipes } from '../../src/recipes/recipe.ts';
import { type Container, expectReady, missingForContainers, startContainer } from '../container.ts';
import { openProductBundle, PRODUCTS, type ProductBundle } from '../product-bundle.ts';
import { assembleChart } from './assembled-chart.ts';
import { HELMS, renderValues } from './helm.ts';
import type { KubernetesObject } from './object-rules.ts';
import { environmentOf, getContainer, writeVolumes } from './rendered-pod.ts';

/** Returns the reason why containers of charts cannot run on this machine. Returns an empty text if they can. */
export function missingForCharts(): string {
  return HELMS.length === 0 ? 'needs helm' : missingForContainers();
}

export type RenderedWorkload = {
  objects: KubernetesObject[];
  /** The workload as kind/name. */
  workload: string;
  /** The name of the container. */
  container?: string;
  /** Variables that replace rendered variables, because all containers share the address and the ports of this machine. */
  environment?: Record<string, string>;
};

export type ProductContainers = AsyncDisposable & {
  directory: string;
  /** Returns the image of a product. Throws if it was not built. */
  bundleOf: (product: string) => ProductBundle;
  render: (values: object) => Promise<KubernetesObject[]>;
  /**
   * Starts a container of a workload. Without a name, starts the first container. If its readiness probe is a command, waits
   * until the probe succeeds. Volumes are folders below `directory/name`. The content of emptyDirs and claims is kept for the
   * next start with this name.
   */
  start: (name: string, rendered: RenderedWorkload) => Promise<Container>;
  /** Stops all containers. */
  stop: () => Promise<void>;
};

/** Returns the product in the name of an image of the library. */
const productOf = (image: string) => /(?:^|\/)containers\/[^/]+\/([a-z-]+)/.exec(image)?.[1] ?? image;

/** Returns the value of a metric of an exporter. */
export async function readMetric(port: number | string, name: string): Promise<string | undefined> {
  const page = await fetch(`http://127.0.0.1:${port}/metrics`).then(
    (answer) => answer.text(),
    () => '',
  );
  return page
    .split('\n')
    .find((line) => line.startsWith(`${name} `))
    ?.slice(name.length + 1);
}

/**
 * Builds the image of a product and the images of other products in its chart, and assembles the chart. This takes a minute
 * if there is no base image yet.
 */
export async function openProductContainers(
  key: string,
  others: string[] = [],
  hosts: string[] = [],
): Promise<ProductContainers> {
  await using stack = new AsyncDisposableStack();
  const recipes = await loadRecipes(PRODUCTS);
  const directory = await mkdtemp(join(tmpdir(), 'larder-containers-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const bundles = new Map<string, ProductBundle>();
  for (const product of [key, ...others]) {
    const recipe = recipes.find((one) => one.key === product);
    if (recipe === undefined) throw new Error(`products/${product} is missing`);
    const bundle = stack.use(await openProductBundle(recipe));
    // Writes the file that the kubelet writes for each pod.
    await writeFile(
      join(bundle.directory, 'bundle/rootfs/etc/hosts'),
      `127.0.0.1 ${['localhost', ...hosts].join(' ')}\n`,
    );
    bundles.set(product, bundle);
  }
  const bundleOf = (product: string) => {
    const bundle = bundles.get(product);
    if (bundle === undefined) throw new Error(`an image of ${product} was not built for this test`);
    return bundle;
  };
  const chart = stack.use(await assembleChart(key));
  const running: Container[] = [];
  const stop = async () => {
    for (const container of running.splice(0)) await container.stop();
  };
  stack.defer(stop);

  async function start(name: string, rendered: RenderedWorkload): Promise<Container> {
    const { objects, workload, environment } = rendered;
    const found = getContainer(objects, workload, rendered.container);
    const { image, command, args, securityContext, readinessProbe } = found.container;
    const started = await startContainer(bundleOf(productOf(image)), {
      environment: { ...environmentOf(objects, found.container), ...environment },
      ...(await writeVolumes(objects, found, join(directory, name))),
      uid: securityContext.runAsUser,
      gid: securityContext.runAsGroup,
      // A rendered command replaces the image's command and its arguments.
      ...(command && { entrypoint: command, command: [] }),
      ...(args && { command: args }),
    });
    running.push(started);
    if (readinessProbe?.exec) await expectReady(started, readinessProbe.exec.command);
    return started;
  }
  const all = stack.move();
  const render = (values: object) => renderValues(HELMS[0]?.path ?? '', chart.path, values);
  return { directory, bundleOf, render, start, stop, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
