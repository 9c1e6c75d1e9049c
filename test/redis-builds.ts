// For tests of whole builds: redis on a real Debian, in a separate workspace.
import { gunzipSync } from 'node:zlib';
import type { Digest } from '../src/contract/vocabulary.ts';
import type { Inspection } from '../src/customization/inspection.ts';
import type { Manifest } from '../src/oci/descriptor.ts';
import { hostPlatform } from '../src/packaging/image/base-image.ts';
import { build } from '../src/packaging/image/build-image.ts';
import { bytesOf, readDocument } from '../src/packaging/image/image.ts';
import type { LayerCache } from '../src/packaging/image/layer-cache.ts';
import { type Artifact, soleRoot } from '../src/plan/artifact.ts';
import type { ImagePlan } from '../src/plan/image-plan.ts';
import type { CustomizationPin, PackagePin } from '../src/plan/pin.ts';
import type { TarInput } from '../src/tar/entry.ts';
import { type Debian, debianBase, OPERATING_SYSTEM, solvePackages } from './debian.ts';
import { type TestWorkspace, testWorkspace } from './fixtures/build.ts';
import { inspect, packed } from './fixtures/customization.ts';
import { chunked, concatenate, readAll, type WholeEntry } from './fixtures/tar.ts';
import { samplePlan } from './stored-values.ts';

export const EPOCH = 1_760_000_000;
/** The time limit. A base image is built once for each machine, in about 14 s. The rest takes seconds. */
export const SLOW_MS = 180_000;

export type RedisBuilds = AsyncDisposable & {
  debian: Debian;
  workspace: TestWorkspace;
  redisPlan(changes?: Partial<ImagePlan>): Promise<ImagePlan>;
  run(
    plan: ImagePlan,
    options?: { cache?: LayerCache; inspections?: Map<Digest, Inspection> },
  ): Promise<{ artifact: Artifact; log: string }>;
  customization(
    entries: TarInput[],
    packages?: PackagePin[],
  ): Promise<{ pin: CustomizationPin; inspections: Map<Digest, Inspection> }>;
  layersOf(artifact: Artifact): Promise<WholeEntry[][]>;
};

/** A cache that keeps nothing. */
export const noCache: LayerCache = { get: async () => undefined, set: async () => undefined };

export async function openRedisBuilds(): Promise<RedisBuilds> {
  const debian = await debianBase();
  const workspace = await testWorkspace(debian.content);
  const redis = await solvePackages(debian, ['redis-server']);
  const put = async (text: string) => await debian.content.put(bytesOf(text));

  async function redisPlan(changes: Partial<ImagePlan> = {}): Promise<ImagePlan> {
    const configuration = await put('bind 127.0.0.1\ndir /data\nsave ""\n');
    return samplePlan({
      platform: hostPlatform(),
      operating_system: OPERATING_SYSTEM,
      base: debian.base,
      packages: redis,
      folders: [
        { path: '/data', mode: 0o775, uid: 1001, gid: 0 },
        { path: '/run/redis', mode: 0o775, uid: 1001, gid: 0 },
      ],
      files: [{ path: "/opt/it's/redis.conf", ...configuration, mode: 0o640, uid: 1001, gid: 0 }],
      links: [{ path: '/opt/cli', target: '/usr/bin/redis-cli' }],
      remove: ['/etc/init.d/**'],
      image: {
        user: { name: 'app', uid: 1001, gid: 0, home: '/data' },
        environment: { GREETING: "it's" },
        entrypoint: ['redis-server', "/opt/it's/redis.conf"],
        command: [],
        ports: [{ port: 6379, protocol: 'tcp' }],
        volumes: ['/data'],
        working_directory: '/data',
        labels: { team: 'data' },
      },
      epoch: EPOCH,
      ...changes,
    });
  }

  async function run(plan: ImagePlan, options: { cache?: LayerCache; inspections?: Map<Digest, Inspection> } = {}) {
    let log = '';
    const { cache = noCache, inspections = new Map() } = options;
    const artifact = await build(plan, {
      workspace,
      layers: cache,
      inspections,
      names: new Map([['6f1c', 'Company basics']]),
      log: { write: (bytes) => (log += bytes.toString()) },
    });
    return { artifact, log };
  }

  async function customization(
    entries: TarInput[],
    packages: PackagePin[] = [],
  ): Promise<{ pin: CustomizationPin; inspections: Map<Digest, Inspection> }> {
    const inspection = await inspect(entries);
    const { digest } = await debian.content.put(chunked(await packed(entries)));
    const pin = { id: '6f1c', version: 2, digest, epoch: EPOCH, packages };
    return { pin, inspections: new Map([[digest, inspection]]) };
  }

  async function layersOf(artifact: Artifact) {
    const manifest = await readDocument<Manifest>(
      debian.content,
      soleRoot(artifact).parts[0]?.manifest.digest ?? 'sha256:',
    );
    return await Promise.all(
      manifest.layers.map(
        async ({ digest }) => await readAll(gunzipSync(await concatenate(await debian.content.open(digest)))),
      ),
    );
  }

  return {
    debian,
    workspace,
    redisPlan,
    run,
    customization,
    layersOf,
    [Symbol.asyncDispose]: () => workspace[Symbol.asyncDispose](),
  };
}
