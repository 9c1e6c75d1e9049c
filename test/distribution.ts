// Built applications, and a worker that distributes them to the hosted registry and to an outside registry. A test can make
// the outside registry fail.
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { getPipeline } from '../src/catalog/pipelines.ts';
import { listReleases } from '../src/catalog/releases.ts';
import { memoryContent } from '../src/content/memory.ts';
import type { Release } from '../src/contract/release.ts';
import type { Digest } from '../src/contract/vocabulary.ts';
import { openNamedLocks } from '../src/db/named-locks.ts';
import { openQueue, type Queue } from '../src/db/queue-worker.ts';
import { createEgress } from '../src/egress/egress.ts';
import { openIdentity } from '../src/identity/identity.ts';
import { newInstallationKey } from '../src/identity/installation-key.ts';
import { writePlan } from '../src/jobs/plan-contents.ts';
import { openRemotes } from '../src/jobs/registry-target.ts';
import { giveUp, handlersOf } from '../src/jobs/tasks.ts';
import type { WorkerResources } from '../src/jobs/worker-resources.ts';
import { openLog } from '../src/log.ts';
import { MEDIA_TYPES } from '../src/oci/descriptor.ts';
import { describeBytes, once } from '../src/oci/manifest.ts';
import { writeImage } from '../src/packaging/image/image.ts';
import { recordPlan, startPhase, succeedPhase } from '../src/pipelines/phases.ts';
import { type Artifact, soleRoot } from '../src/plan/artifact.ts';
import { openTestCatalog, type TestOrganization } from './catalog.ts';
import { startDockerRegistry } from './docker-registry.ts';
import { startFaultyProxy } from './faulty-proxy.ts';
import { handlersWith } from './queue-handlers.ts';
import { until } from './service.ts';
import { imageArtifact, samplePin, samplePlan } from './stored-values.ts';

type TestImage = { plan_digest: Digest; artifact: Artifact };

export type TestDistribution = Awaited<ReturnType<typeof openTestDistribution>>;

export async function openTestDistribution() {
  const catalog = await openTestCatalog();
  const docker = await startDockerRegistry();
  const proxy = await startFaultyProxy(docker.url);
  const content = memoryContent();
  const egress = createEgress({ allow: ['127.0.0.1'] });
  const locks = openNamedLocks(catalog.url);
  const lines: string[] = [];
  const log = openLog({ level: 'info', destination: { write: (line: string) => lines.push(line) } });
  const { db, pool } = catalog;
  const identity = await openIdentity(db, newInstallationKey());
  const resources = {
    db,
    pool,
    content,
    egress,
    identity,
    locks,
    log,
    remotes: openRemotes(),
  } as unknown as WorkerResources;
  const queues: Queue[] = [];

  /** Starts a worker that distributes and checks registries, and ignores other tasks. */
  async function work(): Promise<Queue> {
    const queue = await openQueue({ url: catalog.url });
    queues.push(queue);
    const real = handlersOf(resources);
    const tasks = ['distribute-pipeline', 'check-registry', 'check-registries'] as const;
    const handlers = {
      ...handlersWith(async () => {}),
      ...Object.fromEntries(tasks.map((task) => [task, real[task]])),
    };
    await queue.work(handlers, { concurrency: 6, onExhausted: (job, error) => giveUp(resources, job, error) });
    return queue;
  }

  async function addRegistry(name: string, path = '/team'): Promise<string> {
    const row = {
      name,
      url: `${proxy.url}${path}`,
      provider: 'OCI' as const,
      organization_id: catalog.acme.principal.organization_id,
    };
    const inserted = await catalog.write((tx) =>
      tx.insertInto('registries').values(row).returning('id').executeTakeFirstOrThrow(),
    );
    return inserted.id;
  }

  async function addBaseImage(name: string, options: { key?: string } = {}): Promise<string> {
    const { operating_system_id } = await db
      .selectFrom('base_images')
      .select('operating_system_id')
      .where('id', '=', catalog.base)
      .executeTakeFirstOrThrow();
    const of = { organization_id: catalog.acme.principal.organization_id, operating_system_id, ...options };
    const row = { name, ...of, source: 'REGISTRY' as const, container_image: 'company/base:12' };
    const { id } = await catalog.write((tx) =>
      tx.insertInto('base_images').values(row).returning('id').executeTakeFirstOrThrow(),
    );
    await catalog.baseMoves(name, id);
    return id;
  }

  /** Advances a pipeline to its build. Returns its plan, and the artifact for the build. */
  async function planBuild(pipeline_id: string, version = '7.0.15', product = 'redis', image?: TestImage) {
    await catalog.write((tx) => startPhase(tx, { pipeline_id, phase: 'PACKAGING' }));
    const { plan_digest, artifact } = image ?? (await imageOf(version, product));
    const planned = {
      pipeline_id,
      plan_digest,
      version,
      base_digest: soleRoot(artifact).descriptor.digest,
      left_out: [],
      contents: [],
    };
    const outcome = await catalog.write((tx) => recordPlan(tx, planned));
    if (outcome !== 'BUILD') throw new Error(`the plan is ${outcome}`);
    await pool.query(`delete from queue.job where data -> 'payload' ->> 'pipeline_id' = $1`, [pipeline_id]);
    return { plan_digest, artifact };
  }

  /** Advances a pipeline to the start of its distribution. Returns the digest for its tags. */
  async function build(pipeline_id: string, version?: string, product?: string, image?: TestImage): Promise<string> {
    const { artifact } = await planBuild(pipeline_id, version, product, image);
    await catalog.write((tx) => succeedPhase(tx, { pipeline_id, phase: 'PACKAGING', artifact }));
    await catalog.write((tx) => startPhase(tx, { pipeline_id, phase: 'VERIFICATION' }));
    await catalog.write((tx) => succeedPhase(tx, { pipeline_id, phase: 'VERIFICATION' }));
    return soleRoot(artifact).descriptor.digest;
  }

  /** Makes an image of random bytes, and its plan. */
  async function imageOf(version: string, product: string): Promise<TestImage> {
    const bytes = randomBytes(2_000);
    // skopeo compresses a layer that is not compressed, and the copy then has another digest.
    const compressed = gzipSync(bytes);
    const descriptor = describeBytes(MEDIA_TYPES.layer, compressed);
    await content.put(once(compressed), descriptor);
    const image = await writeImage(content, {
      platform: { os: 'linux', architecture: 'amd64' },
      layers: [{ diff_id: describeBytes('', bytes).digest, descriptor, created_by: 'test' }],
      config: {},
      epoch: 1_760_000_000,
    });
    const artifact = imageArtifact(image, [descriptor]);
    const { digest } = image.index;
    const base = samplePin({ digest, manifest: image.manifest, config: image.config });
    const plan = samplePlan({ base });
    plan.product = { ...plan.product, key: product, name: product, version };
    return { plan_digest: await writePlan(content, plan), artifact };
  }

  async function pipeline(pipeline_id: string) {
    const { catalog_id, principal } = catalog.acme;
    return await getPipeline(db, principal, { catalog_id, pipeline_id });
  }

  return {
    ...catalog,
    ...{ docker, proxy, content, resources, work, addRegistry, addBaseImage, planBuild, build, imageOf, log: lines },
    pipeline,
    /** Returns the name and the status of each registry of a pipeline. */
    async distributionsOf(pipeline_id: string) {
      return (await pipeline(pipeline_id)).distributions?.map(({ registry_name, status }) => [registry_name, status]);
    },
    /** Waits until a pipeline has ended with this status. Throws the pipeline if it ends with another one. */
    async ended(pipeline_id: string, status: string): Promise<void> {
      await until(`the pipeline is ${status}`, async () => {
        const found = await pipeline(pipeline_id);
        if (found.status !== status && found.status !== 'IN_PROGRESS') throw new Error(JSON.stringify(found));
        return found.status === status;
      });
    },
    async releases(organization: TestOrganization = catalog.acme): Promise<Release[]> {
      const { catalog_id, principal } = organization;
      const paging = { page: 1, page_size: 100, minimal_info: false, expand_relationships: false };
      return (await listReleases(db, principal, { catalog_id, ...paging })).items;
    },
    /** Returns the digest of a tag in the outside registry. */
    async outside(repository: string, tag: string): Promise<string | null> {
      const accept = { accept: MEDIA_TYPES.index };
      const answer = await fetch(`${docker.url}/v2/${repository}/manifests/${tag}`, {
        method: 'HEAD',
        headers: accept,
      });
      return answer.headers.get('docker-content-digest');
    },
    /** Returns the digest of a tag in the hosted registry. */
    async hosted(repository: string, tag: string): Promise<string | undefined> {
      const { rows } = await pool.query<{ digest: string }>(
        'select t.digest from repository_tags t join repositories r on r.id = t.repository_id where r.name = $1 and t.tag = $2',
        [repository, tag],
      );
      return rows[0]?.digest;
    },
    async close() {
      for (const queue of queues) await queue.stop({ finishMs: 0 });
      await locks.close();
      egress.close();
      await proxy.stop();
      await docker.stop();
      await catalog.drop();
    },
  };
}
