// A product's image, which is built from its recipe, in containers that the product's chart renders.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadRecipes } from '../../src/recipes/recipe.ts';
import { type Container, expectReady, missingForContainers, startContainer } from '../container.ts';
import { openProductBundle, PRODUCTS } from '../product-bundle.ts';
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
  /** Variables that replace rendered variables, because all containers share the address and the ports of this machine. */
  environment?: Record<string, string>;
};

export type ProductContainers = AsyncDisposable & {
  directory: string;
  render: (values: object) => Promise<KubernetesObject[]>;
  /**
   * Starts the first container of a workload. If it has a readiness probe, waits until the probe succeeds. Volumes are
   * folders below `directory/name`. The content of emptyDirs and claims is kept for the next start with this name.
   */
  start: (name: string, rendered: RenderedWorkload) => Promise<Container>;
  /** Stops all containers. */
  stop: () => Promise<void>;
};

/** Builds a product's image and assembles its chart. This takes a minute if there is no base image yet. */
export async function openProductContainers(key: string): Promise<ProductContainers> {
  await using stack = new AsyncDisposableStack();
  const recipe = (await loadRecipes(PRODUCTS)).find((one) => one.key === key);
  if (recipe === undefined) throw new Error(`products/${key} is missing`);
  const directory = await mkdtemp(join(tmpdir(), 'larder-containers-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const bundle = stack.use(await openProductBundle(recipe));
  const chart = stack.use(await assembleChart(key));
  const running: Container[] = [];
  const stop = async () => {
    for (const container of running.splice(0)) await container.stop();
  };
  stack.defer(stop);

  async function start(name: string, { objects, workload, environment }: RenderedWorkload): Promise<Container> {
    const found = getContainer(objects, workload);
    const { command, args, securityContext, readinessProbe } = found.container;
    const started = await startContainer(bundle, {
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
  return { directory, render, start, stop, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
