// The suite that each packaging type must pass. src/packaging/packagings.test.ts runs it with real builds in engine
// processes.
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { harmlessEnvironment } from '../../src/config/config.ts';
import type { ContentStore } from '../../src/content/content.ts';
import { openDiskContent } from '../../src/content/disk.ts';
import { memoryContent } from '../../src/content/memory.ts';
import type { Digest } from '../../src/contract/vocabulary.ts';
import { createEgress } from '../../src/egress/egress.ts';
import { type CallHandler, type EngineChild, startEngineChild } from '../../src/engine/child.ts';
import { EngineProcessDied } from '../../src/engine/engine.ts';
import type { EngineCalls } from '../../src/engine/messages.ts';
import { contentTarget } from '../../src/oci/content-target.ts';
import { copyArtifact, readBack } from '../../src/oci/copy.ts';
import type { BuiltLayer } from '../../src/oci/layer.ts';
import { openRegistry } from '../../src/oci/remote/remote-repository.ts';
import { packagingOf } from '../../src/packaging/packagings.ts';
import { type Artifact, listRoots, readStoredArtifact } from '../../src/plan/artifact.ts';
import { contentsOfInspection, type StoredInspection } from '../../src/plan/inspection.ts';
import { type Plan, readStoredPlan } from '../../src/plan/plan.ts';
import { type DockerRegistry, startDockerRegistry } from '../docker-registry.ts';
import { removeWorkFolder, sandboxMode } from '../fixtures/build.ts';

export type PackagingFixture = AsyncDisposable & {
  /** A plan with a customization and at least one test that passes. */
  plan: Plan;
  /** The store. It has the contents that the plan and the inspections name, and possibly more. */
  content: ContentStore;
  /** Inspections of the plan's customizations, by the digest of the archive. */
  inspections: Map<Digest, StoredInspection>;
  /** The version of the artifact. Present for packagings whose artifacts contain their own version. */
  version?: string;
  /** Patterns of log lines in the middle of a build, in their order. A build is interrupted at each of them. */
  moments: RegExp[];
  /** Cleans the work folder of a killed worker, like a worker at its start. */
  tidy(directory: string): Promise<void>;
};

/**
 * The time limit of builds and of the first verification. They run packages and scripts, and other tests use the machine too.
 */
const SLOW_MS = 300_000;

/** Declares the suite for one packaging type. */
export function testPackaging(type: Plan['packaging_type'], open: () => Promise<PackagingFixture>): void {
  describe.skipIf(sandboxMode.mode === 'files-only')(`packaging: ${type}`, () => {
    let fixture: PackagingFixture;
    let docker: DockerRegistry;
    /** The place of the build with which other builds are compared. */
    let place: BuildPlace;
    let artifact: Artifact;

    beforeAll(async () => {
      fixture = await open();
      docker = await startDockerRegistry();
      place = await openPlace(fixture);
      artifact = await place.build();
    }, SLOW_MS);
    afterAll(async () => {
      await place?.[Symbol.asyncDispose]();
      await docker?.stop();
      await fixture?.[Symbol.asyncDispose]();
    });

    test('its plan and its artifact match their schemas', () => {
      expect(fixture.plan.packaging_type).toBe(type);
      expect(readStoredPlan(asStored(fixture.plan), 'plan')).toEqual(fixture.plan);
      expect(readStoredArtifact(asStored(artifact), 'artifact')).toEqual(artifact);
      expect(artifact.packaging_type).toBe(type);
    });

    test(
      'the same plan gives the same content on a machine that has only the contents of the plan',
      async () => {
        await using other = await openPlace(fixture);
        expect(await other.build()).toEqual(artifact);
      },
      SLOW_MS,
    );

    test('its artifact contains a version of its own only if the packaging counts versions', () => {
      expect(packagingOf(fixture.plan).versionSeries !== undefined).toBe(fixture.version !== undefined);
    });

    test('a store that has only its contents can distribute it again and list its components', async () => {
      const only = memoryContent();
      await copyContents(place.content, only, packagingOf(fixture.plan).contents(fixture.plan, artifact));
      await distributeFrom(only, { plan: fixture.plan, version: fixture.version, artifact, docker });
      const components = await packagingOf(fixture.plan).components(fixture.plan, artifact, { content: only });
      expect(components.length).toBeGreaterThan(0);
      for (const { purl, name, version } of components) {
        expect(purl).toMatch(/^pkg:[a-z]+\/\S+$/);
        expect([name, version]).not.toContain('');
      }
    });

    test('its contents are in the store', async () => {
      const { contents } = packagingOf(fixture.plan);
      for (const digests of [contents(fixture.plan), contents(fixture.plan, artifact)]) {
        const missing = await Promise.all(digests.map(async (digest) => !(await place.content.touch(digest))));
        expect(digests.filter((_, index) => missing[index])).toEqual([]);
      }
      expect(contents(fixture.plan, artifact)).toEqual(expect.arrayContaining(contents(fixture.plan)));
    });

    test('a registry gets it under a name and tags of its own', () => {
      const { repository, immutableTag, movingTags } = packagingOf(fixture.plan).place(fixture.plan, fixture.version);
      expect(repository.name).toMatch(/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/);
      // An artifact that contains its own version has this version as its tag. So there is no tag for another revision.
      const immutable = fixture.version === undefined ? [immutableTag(0), immutableTag(1)] : [immutableTag(0)];
      const tags = [...immutable, ...movingTags({ revision: 1, others: [] })];
      for (const tag of tags) expect(tag).toMatch(/^\w[\w.-]{0,127}$/);
      expect(new Set(tags).size).toBe(tags.length);
    });

    test(
      'its verification runs the tests of the plan',
      async () => {
        const report = await place.verify(artifact);
        expect(report.tests.length).toBeGreaterThan(0);
        expect(report).toMatchObject({ passed: true });
      },
      SLOW_MS,
    );

    test(
      'an aborted build leaves no process, no file, and no content except those that a repeated build uses',
      async () => {
        const finished = { files: await place.workFiles(), contents: await place.contents() };
        for (const moment of fixture.moments) {
          await using aborted = await openPlace(fixture);
          await expect(aborted.endAt(moment, 'abort')).rejects.toThrow('the build was cancelled');
          expect(aborted.processes()).toEqual([]);
          expect((await aborted.workFiles()).filter((path) => !finished.files.includes(path))).toEqual([]);
          expect(await aborted.unfinishedContents()).toBe(0);
          expect((await aborted.contents()).filter((digest) => !finished.contents.includes(digest))).toEqual([]);
        }
      },
      SLOW_MS,
    );

    test(
      'a build that was killed can be repeated and gives the same artifact',
      async () => {
        await using killed = await openPlace(fixture);
        for (const moment of fixture.moments) {
          await expect(killed.endAt(moment, 'kill')).rejects.toBeInstanceOf(EngineProcessDied);
          await expect.poll(() => killed.processes(), { timeout: 20_000 }).toEqual([]);
        }
        expect(await killed.build()).toEqual(artifact);
        await fixture.tidy(killed.directory);
        const finished = await place.workFiles();
        expect((await killed.workFiles()).filter((path) => !finished.includes(path))).toEqual([]);
      },
      SLOW_MS,
    );
  });
}

function asStored(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

async function copyContents(from: ContentStore, to: ContentStore, digests: readonly Digest[]): Promise<void> {
  for (const digest of new Set(digests)) await to.put(await from.open(digest), { digest });
}

type Distributed = { plan: Plan; version: string | undefined; artifact: Artifact; docker: DockerRegistry };

/** Pushes every root to an empty registry, like the distribution. */
async function distributeFrom(content: ContentStore, { plan, version, artifact, docker }: Distributed): Promise<void> {
  const { repository, immutableTag } = packagingOf(plan).place(plan, version);
  const registry = openRegistry({ url: docker.url, egress: createEgress({ allow: ['127.0.0.1'] }) });
  for (const [index, { descriptor }] of listRoots(artifact).entries()) {
    const target = registry.repository(`root-${index}/${repository.folder}/${repository.name}`);
    await copyArtifact(contentTarget(content), target, descriptor, { tags: [immutableTag(0)] });
    await readBack(target, descriptor, [immutableTag(0)]);
    expect(await target.resolve(immutableTag(0))).toMatchObject({ digest: descriptor.digest });
  }
}

type BuildPlace = AsyncDisposable & {
  directory: string;
  content: ContentStore;
  build(): Promise<Artifact>;
  verify(artifact: Artifact): Promise<{ passed: boolean; tests: object[] }>;
  /** Builds until the log matches `moment`. Then ends the build or its process. */
  endAt(moment: RegExp, how: 'abort' | 'kill'): Promise<Artifact>;
  /** Returns the command lines of the processes that work in this place. */
  processes(): string[];
  /** Returns the files and folders of the work folder, two levels deep. The levels below are the contents of caches. */
  workFiles(): Promise<string[]>;
  contents(): Promise<Digest[]>;
  /** Deletes interrupted puts and uploads, and returns their number. */
  unfinishedContents(): Promise<number>;
};

/**
 * Opens a place that is like another machine. It has an empty work folder, and a store with the contents that the plan and
 * the inspections name.
 */
async function openPlace(fixture: PackagingFixture): Promise<BuildPlace> {
  const { plan, content: source, inspections, version } = fixture;
  const root = await mkdtemp(join(tmpdir(), 'larder-packaging-'));
  // The account of the sandboxes must be able to enter the folder.
  await chmod(root, 0o755);
  const [directory, contentDirectory] = [join(root, 'work'), join(root, 'content')];
  // A packaging that needs no work folder would not create it.
  await mkdir(directory);
  const content = await openDiskContent(contentDirectory);
  const listings = [...inspections.values()].flatMap(contentsOfInspection);
  await copyContents(source, content, [...packagingOf(plan).contents(plan), ...listings]);
  const layers = new Map<string, BuiltLayer>();
  const onCall = answerCalls(layers);
  const children = new Set<EngineChild>();
  const start = () => {
    const setup = { directory, contentDirectory, probe: sandboxMode };
    const child = startEngineChild({ setup, environment: harmlessEnvironment() });
    children.add(child);
    return child;
  };
  const input = { plan, inspections, names: new Map<string, string>(), ...(version !== undefined && { version }) };
  return {
    directory,
    content,
    build: () => start().run('build', input, { onCall }),
    verify: (artifact) => start().run('verify', { plan, artifact }, { onCall }),
    async endAt(moment, how) {
      const child = start();
      const controller = new AbortController();
      let printed = '';
      let isEnded = false;
      const write = (bytes: Buffer) => {
        printed += bytes.toString();
        if (isEnded || !moment.test(printed)) return;
        isEnded = true;
        if (how === 'kill') void child.end();
        else controller.abort(new Error('the build was cancelled'));
      };
      try {
        return await child.run('build', input, { onCall, log: { write }, signal: controller.signal });
      } finally {
        // Ends the process like the pool, because an aborted process gets no other task.
        await child.end();
      }
    },
    processes: () => processesIn(root),
    workFiles: () => listFiles(directory),
    async contents() {
      const digests: Digest[] = [];
      for await (const { digest } of content.list()) digests.push(digest);
      return digests;
    },
    unfinishedContents: () => content.uploads.expire(new Date(Date.now() + 1000)),
    async [Symbol.asyncDispose]() {
      await Promise.all([...children].map((child) => child.end()));
      await removeWorkFolder(directory);
      await rm(root, { recursive: true, force: true });
    },
  };
}

/**
 * Answers the calls of an engine. Keeps layers by their key, like the table of a worker. Grants every lock, because one build
 * runs at a time.
 */
function answerCalls(layers: Map<string, BuiltLayer>): CallHandler {
  return async (to, input) => {
    if (to === 'get-layer') return layers.get((input as EngineCalls['get-layer']['input']).key);
    if (to !== 'set-layer') return undefined;
    const { key, layer } = input as EngineCalls['set-layer']['input'];
    layers.set(key, layer);
    return undefined;
  };
}

async function listFiles(directory: string): Promise<string[]> {
  const folders = await readdir(directory);
  const inside = await Promise.all(
    folders.map(async (folder) => (await readdir(join(directory, folder))).map((name) => join(folder, name))),
  );
  return [...folders, ...inside.flat()];
}

/**
 * Returns the processes whose command contains the folder. Also returns processes in whose file system something of the
 * folder is mounted, as in each sandbox.
 */
function processesIn(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .filter((pid) => ['cmdline', 'mountinfo'].some((file) => readProcess(pid, file).includes(folder)))
    .map((pid) => readProcess(pid, 'cmdline').replaceAll('\0', ' '));
}

/** Returns a file of a process in /proc. Returns an empty text if the process has ended. */
function readProcess(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
