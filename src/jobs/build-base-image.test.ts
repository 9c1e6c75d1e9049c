// Base images that Larder builds. A base image is built if packages have new versions or its content is lost, and only by one
// worker at a time.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openTestCatalog, type TestCatalog } from '../../test/catalog.ts';
import { sandboxMode, testWorkspace } from '../../test/fixtures/build.ts';
import { samplePin } from '../../test/stored-values.ts';
import type { ContentStore } from '../content/content.ts';
import { memoryContent } from '../content/memory.ts';
import type { Digest } from '../contract/vocabulary.ts';
import { type JobContext, JobPostponed } from '../db/queue-worker.ts';
import { installedPackages } from '../debian/dpkg-status.ts';
import { engineHere } from '../engine/engine.ts';
import { openLog } from '../log.ts';
import { readPackageDatabase } from '../packaging/image/image-files.ts';
import { findNewestPin, recordBaseImageVersion } from '../pipelines/base-image-versions.ts';
import { type BasePin, contentsOfBase } from '../plan/pin.ts';
import { openArchives } from './archives.ts';
import { buildBaseImage } from './build-base-image.ts';
import type { WorkerResources } from './worker-resources.ts';

/**
 * The time limit of these tests. They build Debian twice, and each build takes 15 s on an idle machine and minutes on a busy
 * machine.
 */
const SLOW_MS = 600_000;

const context = { signal: new AbortController().signal } as JobContext;
let catalog: TestCatalog;
beforeEach(async () => {
  catalog = await openTestCatalog();
});
afterEach(() => catalog.drop());

test('a base image is built by one worker at a time, and by another one after that', async () => {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<never>();
  let builds = 0;
  const archives = {
    open: async () => {
      builds += 1;
      begun.resolve();
      return await ended.promise;
    },
  };
  const workspace = { probe: { mode: 'userns' } };
  const { db, pool } = catalog;
  const resources = { db, pool, content: memoryContent(), archives, workspace } as unknown as WorkerResources;
  const build = (base_image_id = catalog.base) => buildBaseImage(resources, { base_image_id }, context);
  const first = build();
  await begun.promise;
  await expect(build()).rejects.toBeInstanceOf(JobPostponed);
  expect(builds).toBe(1);
  const other = build(catalog.baseTrixie);
  other.catch(() => {});
  await expect.poll(() => builds).toBe(2);
  ended.reject(new Error('the archive is away'));
  await expect(first).rejects.toThrow('the archive is away');
  await expect(other).rejects.toThrow('the archive is away');
  await expect(build()).rejects.toThrow('the archive is away');
});

/** Returns the pin of an old base image with an older libc6. */
async function oldPin(content: ContentStore): Promise<BasePin> {
  const put = async (text: string): Promise<Digest> => (await content.put(Readable.from([Buffer.from(text)]))).digest;
  const descriptor = async (text: string) => ({ mediaType: 'x', digest: await put(text), size: text.length });
  return samplePin({
    digest: await put('old index'),
    manifest: await descriptor('old manifest'),
    config: await descriptor('old config'),
    listing: await put('old listing'),
    packages: await put('Package: libc6\nStatus: install ok installed\nVersion: 2.0-1\nArchitecture: amd64\n\n'),
  });
}

test.skipIf(sandboxMode.mode === 'files-only')(
  'it is built again when a package moved and when content was lost, and only then',
  { timeout: SLOW_MS },
  async () => {
    const content = memoryContent();
    await using workspace = await testWorkspace(content);
    const directory = await mkdtemp(join(tmpdir(), 'larder-archives-'));
    const archives = openArchives(directory, () => undefined);
    const here = engineHere(workspace);
    let builds = 0;
    const engine: typeof here = { ...here, run: (...given) => here.run(...given).finally(() => builds++) };
    const log = openLog({ level: 'silent', name: 'worker' });
    const { db, pool, base: base_image_id } = catalog;
    const resources = { db, pool, content, archives, engine, log, workspace } as unknown as WorkerResources;
    const pin = await oldPin(content);
    await catalog.write((tx) =>
      recordBaseImageVersion(tx, { base_image_id, digest: pin.digest, pin, contents: contentsOfBase(pin) }),
    );
    const { application_ids } = await catalog.request(catalog.acme, ['redis']);
    const application = application_ids[0] ?? '';
    await catalog.finish(await catalog.openPipeline(application));
    const build = () => buildBaseImage(resources, { base_image_id }, context);

    await build();
    expect(builds).toBe(1);
    const built = (await findNewestPin(db, base_image_id)) ?? pin;
    expect(built.digest).not.toBe(pin.digest);
    const libc6 = installedPackages(await readPackageDatabase(content, built.packages ?? pin.digest)).find(
      ({ name }) => name === 'libc6',
    );
    const { apt } = await archives.open({ key: 'debian-12', codename: 'bookworm' });
    expect(libc6?.version).toBe((await apt.versionsOf(['libc6']))[0]?.candidate);
    // The application on the base image must be rebuilt. The hosted registry must have the base image under its tag.
    expect(await catalog.openPipelines(application)).toHaveLength(1);
    const tags = await pool.query("select digest from repository_tags where tag = '12'");
    expect(tags.rows).toEqual([{ digest: built.digest }]);

    await build();
    expect(builds).toBe(1);

    const lost = built.layers[0]?.descriptor.digest ?? built.listing;
    await content.delete(lost);
    expect(await content.stat(lost)).toBeUndefined();
    await build();
    expect(builds).toBe(2);
    expect(await content.stat(lost)).toMatchObject({ size: expect.any(Number) });
    // The archive did not change, so the new base image equals the old one and no application is rebuilt.
    expect((await findNewestPin(db, base_image_id))?.digest).toBe(built.digest);
    expect(await catalog.openPipelines(application)).toHaveLength(1);
    await build();
    expect(builds).toBe(2);
    const { rows } = await pool.query('select healthy from base_images where id = $1', [base_image_id]);
    expect(rows).toEqual([{ healthy: true }]);
    await rm(directory, { recursive: true, force: true });
  },
);
