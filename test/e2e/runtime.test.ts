// The library's images under a real OCI runtime (runc), as clusters run them: as their own user, as any user of group 0, with a read-only root.
// One product a run, by the number of commits; LARDER_TEST_PRODUCTS names others (redis,nginx), or all.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEgress } from '../../src/egress/egress.ts';
import { contentTarget } from '../../src/oci/content-target.ts';
import { copyArtifact } from '../../src/oci/copy.ts';
import { openRemote } from '../../src/oci/remote/remote-repository.ts';
import { hostPlatform } from '../../src/packaging/image/base-image.ts';
import { build } from '../../src/packaging/image/build-image.ts';
import { soleRoot } from '../../src/plan/artifact.ts';
import type { ImagePlan } from '../../src/plan/image-plan.ts';
import { planFromRecipe } from '../../src/recipes/plan.ts';
import { loadRecipes, storeRecipeFiles } from '../../src/recipes/recipe.ts';
import { type Debian, debianBase, OPERATING_SYSTEM, solvePackages } from '../debian.ts';
import { type DockerRegistry, startDockerRegistry } from '../docker-registry.ts';
import { sandboxMode, type TestWorkspace, testWorkspace } from '../fixtures/build.ts';
import { EPOCH, noCache, SLOW_MS } from '../redis-builds.ts';

const PRODUCTS = new URL('../../products/', import.meta.url).pathname;
const execute = promisify(execFile);
const recipes = await loadRecipes(PRODUCTS);
const asked = process.env['LARDER_TEST_PRODUCTS'];
const turn = commitCount() % recipes.length;
const chosen = recipes.filter(({ key }, at) =>
  asked === undefined ? at === turn : asked === 'all' || asked.split(',').includes(key),
);
/** Databases of a first start are made in some ten seconds. */
const HEALTHY_MS = 60_000;

function commitCount(): number {
  try {
    return Number(execFileSync('git', ['rev-list', '--count', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' }));
  } catch {
    // A copy of the sources without their history.
    return 0;
  }
}

/** runc makes mounts and namespaces as root. */
const reason = process.getuid?.() !== 0 ? 'needs root' : sandboxMode.mode === 'files-only' ? 'needs a sandbox' : '';

type Spec = {
  process: {
    user: { uid: number; gid: number };
    env: string[];
    terminal?: boolean;
    rlimits?: unknown;
  };
  root: { path: string; readonly?: boolean };
  mounts: { destination: string; type: string; source: string; options?: string[] }[];
  linux: { resources?: unknown };
};

describe.skipIf(reason !== '').each(chosen.map((recipe) => [recipe.key, recipe] as const))(
  `%s ${reason}`,
  (key, recipe) => {
    let directory: string;
    let debian: Debian;
    let workspace: TestWorkspace;
    let peer: DockerRegistry;
    let plan: ImagePlan;
    const egress = createEgress({ allow: ['127.0.0.1'] });

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), 'larder-runtime-'));
      debian = await debianBase();
      workspace = await testWorkspace(debian.content);
      peer = await startDockerRegistry();
      await storeRecipeFiles(PRODUCTS, recipe, debian.content);
      const names = recipe.inputs.map(({ purl }) => (purl.split('/').at(-1) ?? '').replaceAll('{branch}', '15'));
      const packages = await solvePackages(debian, names);
      plan = planFromRecipe(recipe, {
        version: packages.find(({ name }) => name === names[0])?.version.replace(/^\d+:|[-+].*$/g, '') ?? '1.0.0',
        operating_system: OPERATING_SYSTEM,
        platform: hostPlatform(),
        base: debian.base,
        packages,
        customizations: [],
        epoch: EPOCH,
      });
      const log = { write: () => undefined };
      const artifact = await build(plan, {
        workspace,
        layers: noCache,
        inspections: new Map(),
        names: new Map(),
        log,
      });
      const remote = openRemote({ url: peer.url, egress, repository: key });
      await copyArtifact(contentTarget(debian.content), remote, soleRoot(artifact).descriptor, { tags: ['v1'] });
      const [image, layout] = [`docker://${peer.host}/${key}:v1`, join(directory, 'layout')];
      await execute('skopeo', ['--insecure-policy', 'copy', '--src-tls-verify=false', image, `oci:${layout}:v1`]);
      await execute('umoci', ['unpack', '--image', `${layout}:v1`, join(directory, 'bundle')]);
    }, SLOW_MS);
    afterAll(async () => {
      egress.close();
      await peer?.stop();
      await workspace?.[Symbol.asyncDispose]();
      if (directory !== undefined) await rm(directory, { recursive: true, force: true });
    });

    /** The bundle of umoci, without what this machine's control groups do not give. */
    async function bundleOf(change: (spec: Spec) => void): Promise<string> {
      const bundle = join(directory, randomUUID());
      await mkdir(bundle);
      await execute('cp', ['--archive', join(directory, 'bundle/rootfs'), bundle]);
      const spec = JSON.parse(await readFile(join(directory, 'bundle/config.json'), 'utf8')) as Spec;
      delete spec.process.rlimits;
      delete spec.linux.resources;
      spec.process.terminal = false;
      spec.mounts = spec.mounts.filter(({ type }) => type !== 'cgroup');
      const variables = Object.entries(plan.test_environment ?? {}).map(([name, value]) => `${name}=${value}`);
      spec.process.env.push(...variables);
      // As clusters mount them: new, and written to by the group.
      for (const destination of [...plan.image.volumes, '/tmp']) {
        spec.mounts = spec.mounts.filter((mount) => mount.destination !== destination);
        const options = [
          'nosuid',
          'nodev',
          ...(destination === '/tmp' ? ['mode=1777'] : ['mode=0775', 'uid=0', 'gid=0']),
        ];
        spec.mounts.push({ destination, type: 'tmpfs', source: 'tmpfs', options });
      }
      change(spec);
      await writeFile(join(bundle, 'config.json'), JSON.stringify(spec));
      return bundle;
    }

    async function expectHealthy(change: (spec: Spec) => void): Promise<string> {
      const bundle = await bundleOf(change);
      const id = `larder-${randomUUID()}`;
      const runc = (...args: string[]) => execute('runc', ['--root', join(directory, 'runc'), ...args]);
      const output = openSync(join(bundle, 'output'), 'w');
      const args = ['--root', join(directory, 'runc'), 'run', '--bundle', bundle, id];
      const service = spawn('runc', args, { stdio: ['ignore', output, output] });
      const ended = once(service, 'exit');
      try {
        const until = performance.now() + HEALTHY_MS;
        for (;;) {
          try {
            await runc('exec', id, ...(plan.image.health?.command ?? []));
            return (await runc('exec', id, 'id', '-u')).stdout.trim();
          } catch (error) {
            if (service.exitCode === null && performance.now() < until) await delay(200);
            else throw new Error(await readFile(join(bundle, 'output'), 'utf8'), { cause: error });
          }
        }
      } finally {
        await runc('delete', '--force', id).catch(() => undefined);
        service.kill('SIGKILL');
        await ended;
      }
    }

    test(
      'runs as its own user',
      async () => {
        expect(await expectHealthy(() => undefined)).toBe(String(plan.image.user.uid));
      },
      SLOW_MS,
    );

    test(
      'runs as any user of group 0',
      async () => {
        const uid = 1_000_720_000;
        expect(await expectHealthy(({ process }) => void Object.assign(process, { user: { uid, gid: 0 } }))).toBe(
          String(uid),
        );
      },
      SLOW_MS,
    );

    test(
      'runs with a read-only root, with /tmp and its volumes',
      async () => {
        const uid = await expectHealthy(({ root }) => void Object.assign(root, { readonly: true }));
        expect(uid).toBe(String(plan.image.user.uid));
      },
      SLOW_MS,
    );
  },
);
