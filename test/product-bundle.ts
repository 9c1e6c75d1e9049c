// A product of the library, for other tools. It is built from its recipe, pushed to a registry, pulled by skopeo and
// extracted by umoci.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createEgress } from '../src/egress/egress.ts';
import { contentTarget } from '../src/oci/content-target.ts';
import { copyArtifact } from '../src/oci/copy.ts';
import { openRemote } from '../src/oci/remote/remote-repository.ts';
import { hostPlatform } from '../src/packaging/image/base-image.ts';
import { build } from '../src/packaging/image/build-image.ts';
import { verify } from '../src/packaging/image/verify-image.ts';
import type { TestReport } from '../src/packaging/test-report.ts';
import { soleRoot } from '../src/plan/artifact.ts';
import type { ImagePlan } from '../src/plan/image-plan.ts';
import type { Recipe } from '../src/plan/recipe.ts';
import { planFromRecipe } from '../src/recipes/plan.ts';
import { storeRecipeFiles } from '../src/recipes/recipe.ts';
import { debianBase, OPERATING_SYSTEM, solvePackages } from './debian.ts';
import { startDockerRegistry } from './docker-registry.ts';
import { testWorkspace } from './fixtures/build.ts';
import { EPOCH, noCache } from './redis-builds.ts';

export const PRODUCTS = new URL('../products/', import.meta.url).pathname;
const execute = promisify(execFile);

/** `directory` contains `bundle/` with rootfs/ and config.json. `verify` runs the tests of the recipe. */
export type ProductBundle = AsyncDisposable & {
  directory: string;
  plan: ImagePlan;
  verify: () => Promise<TestReport>;
};

/** Builds a product and extracts it. This takes a minute if there is no base image yet. */
export async function openProductBundle(recipe: Recipe): Promise<ProductBundle> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'larder-runtime-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const egress = stack.adopt(createEgress({ allow: ['127.0.0.1'] }), (one) => one.close());
  const debian = await debianBase();
  const workspace = stack.use(await testWorkspace(debian.content));
  const peer = stack.adopt(await startDockerRegistry(), (one) => one.stop());
  await storeRecipeFiles(PRODUCTS, recipe, debian.content);
  const names = recipe.inputs.map(({ purl }) => (purl.split('/').at(-1) ?? '').replaceAll('{branch}', '15'));
  const packages = await solvePackages(debian, names);
  const plan = planFromRecipe(recipe, {
    version: packages.find(({ name }) => name === names[0])?.version.replace(/^\d+:|[-+].*$/g, '') ?? '1.0.0',
    operating_system: OPERATING_SYSTEM,
    platform: hostPlatform(),
    base: debian.base,
    packages,
    customizations: [],
    epoch: EPOCH,
  });
  const log = { write: () => undefined };
  const tools = { workspace, layers: noCache, inspections: new Map(), names: new Map(), log };
  const artifact = await build(plan, tools);
  const remote = openRemote({ url: peer.url, egress, repository: recipe.key });
  await copyArtifact(contentTarget(debian.content), remote, soleRoot(artifact).descriptor, { tags: ['v1'] });
  const [image, layout] = [`docker://${peer.host}/${recipe.key}:v1`, join(directory, 'layout')];
  await execute('skopeo', ['--insecure-policy', 'copy', '--src-tls-verify=false', image, `oci:${layout}:v1`]);
  await execute('umoci', ['unpack', '--image', `${layout}:v1`, join(directory, 'bundle')]);
  const all = stack.move();
  return {
    directory,
    plan,
    verify: () => verify(plan, artifact, { workspace }),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}
