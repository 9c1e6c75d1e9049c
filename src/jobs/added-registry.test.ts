// A registry that is added to an application gets the release that the other registries have.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openTestDistribution, type TestDistribution } from '../../test/distribution.ts';
import { contentTarget } from '../oci/content-target.ts';
import { copyArtifact } from '../oci/copy.ts';
import { openRemote } from '../oci/remote/remote-repository.ts';
import { createWave } from '../pipelines/waves.ts';
import { soleRoot } from '../plan/artifact.ts';

const TEST_MS = 120_000;

let catalog: TestDistribution;
let outside: string;

beforeEach(async () => {
  catalog = await openTestDistribution();
  await catalog.baseMoves('first');
  outside = await catalog.addRegistry('outside');
});
afterEach(() => catalog.close());

describe('a registry that was added to an application', { timeout: TEST_MS }, () => {
  const addOutside = (application_id: string) =>
    catalog.write((tx) =>
      tx.insertInto('application_registries').values({ application_id, registry_id: outside, position: 1 }).execute(),
    );
  const buildAgain = async (application: string, image: Awaited<ReturnType<typeof catalog.imageOf>>, force = false) => {
    const [made] = await catalog.write((tx) =>
      createWave(tx, {
        cause: 'REQUEST',
        application_ids: [application],
        triggers: [{ type: 'MANUAL_RUN' }],
        keep_pins: true,
        force,
      }),
    );
    const pipeline = made?.id ?? '';
    await catalog.build(pipeline, '7.0.15', 'redis', image);
    await catalog.ended(pipeline, 'SUCCEEDED');
    return pipeline;
  };

  test('gets the current release with its revision, and the others are not released again', async () => {
    const image = await catalog.imageOf('7.0.15', 'redis');
    const { application_ids } = await catalog.request(catalog.acme, ['redis'], {
      registry_ids: [catalog.acme.registry_id],
    });
    const [application = ''] = application_ids;
    const first = await catalog.openPipeline(application);
    const digest = await catalog.build(first, '7.0.15', 'redis', image);
    await catalog.work();
    await catalog.ended(first, 'SUCCEEDED');
    const second = await buildAgain(application, image, true);
    expect((await catalog.pipeline(second)).revision).toBe('1');

    await addOutside(application);
    const third = await buildAgain(application, image);
    expect(await catalog.distributionsOf(third)).toEqual([['outside', 'RELEASED']]);
    expect(await catalog.distributionsOf(first)).toEqual([['Hosted registry', 'RELEASED']]);
    const releases = await catalog.releases();
    expect(releases.map((release) => [release.pipeline_id, release.artifact?.version])).toEqual([
      [third, '7.0.15-debian-12-r1'],
      [second, '7.0.15-debian-12-r1'],
      [first, '7.0.15-debian-12-r0'],
    ]);
    expect((await catalog.pipeline(third)).release_id).toBe(releases[0]?.id);
    expect(await catalog.outside('team/containers/debian-12/redis', '7.0.15-debian-12-r1')).toBe(digest);
    expect(await catalog.outside('team/containers/debian-12/redis', 'latest')).toBe(digest);
  });

  test('gets the next revision if its tag names something else, and all registries get a forced release', async () => {
    const [image, other] = [await catalog.imageOf('7.0.15', 'redis'), await catalog.imageOf('7.0.15', 'redis')];
    const { application_ids } = await catalog.request(catalog.acme, ['redis'], {
      registry_ids: [catalog.acme.registry_id],
    });
    const [application = ''] = application_ids;
    const first = await catalog.openPipeline(application);
    await catalog.build(first, '7.0.15', 'redis', image);
    await catalog.work();
    await catalog.ended(first, 'SUCCEEDED');
    const { egress } = catalog.resources;
    const place = { url: catalog.docker.url, repository: 'team/containers/debian-12/redis', egress };
    await copyArtifact(contentTarget(catalog.content), openRemote(place), soleRoot(other.artifact).descriptor, {
      tags: ['7.0.15-debian-12-r0'],
    });

    await addOutside(application);
    const second = await buildAgain(application, image);
    expect((await catalog.pipeline(second)).revision).toBe('1');
    expect(await catalog.distributionsOf(second)).toEqual([['outside', 'RELEASED']]);
    const third = await buildAgain(application, image, true);
    expect(await catalog.distributionsOf(third)).toEqual([
      ['Hosted registry', 'RELEASED'],
      ['outside', 'RELEASED'],
    ]);
  });
});
