// The library's images in a real OCI runtime (runc), as in clusters: as their own user, as any user of group 0, and with a
// read-only root. Each run tests one product, which the number of commits selects. LARDER_TEST_PRODUCTS can name other
// products (redis,nginx), or all.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ImagePlan } from '../../src/plan/image-plan.ts';
import { loadRecipes } from '../../src/recipes/recipe.ts';
import { sandboxMode } from '../fixtures/build.ts';
import { openProductBundle, PRODUCTS, type ProductBundle } from '../product-bundle.ts';
import { SLOW_MS } from '../redis-builds.ts';

const execute = promisify(execFile);
const recipes = await loadRecipes(PRODUCTS);
const asked = process.env['LARDER_TEST_PRODUCTS'];
const turn = commitCount() % recipes.length;
const chosen = recipes.filter(({ key }, at) =>
  asked === undefined ? at === turn : asked === 'all' || asked.split(',').includes(key),
);
/** How long to wait for a first start. The first start of a database takes about ten seconds. */
const HEALTHY_MS = 60_000;

function commitCount(): number {
  try {
    return Number(execFileSync('git', ['rev-list', '--count', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' }));
  } catch {
    // If the sources are a copy without history, there is no number of commits.
    return 0;
  }
}

/** Why the test is skipped. runc needs root for mounts and namespaces. */
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
  (_, recipe) => {
    let directory: string;
    let bundle: ProductBundle;
    let plan: ImagePlan;

    beforeAll(async () => {
      bundle = await openProductBundle(recipe);
      ({ directory, plan } = bundle);
    }, SLOW_MS);
    afterAll(() => bundle?.[Symbol.asyncDispose]());

    /** Returns the bundle of umoci, without control groups that this machine does not have. */
    async function bundleOf(change: (spec: Spec) => void): Promise<string> {
      const bundle = join(directory, randomUUID());
      await mkdir(bundle);
      await execute('cp', ['--archive', join(directory, 'bundle/rootfs'), bundle]);
      // Container engines write this file.
      await writeFile(join(bundle, 'rootfs/etc/hosts'), '127.0.0.1 localhost\n');
      const spec = JSON.parse(await readFile(join(directory, 'bundle/config.json'), 'utf8')) as Spec;
      delete spec.process.rlimits;
      delete spec.linux.resources;
      spec.process.terminal = false;
      spec.mounts = spec.mounts.filter(({ type }) => type !== 'cgroup');
      const variables = Object.entries(plan.test_environment ?? {}).map(([name, value]) => `${name}=${value}`);
      spec.process.env.push(...variables);
      // Mounts each volume like a cluster: empty, and writable for the group.
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
      'passes the tests of its recipe',
      async () => {
        const { tests } = await bundle.verify();
        expect(tests.length).toBeGreaterThan(0);
        expect(tests.filter(({ passed }) => !passed)).toEqual([]);
      },
      SLOW_MS,
    );

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
